//! Attacks on `lb` and its fellow members from outside, with bytes not sent in good faith.
//!
//! ```text
//! cargo test -p lb-fuzz                                        a short run of every target
//! cargo run --release -p lb-fuzz -- session --seconds 600      a long run of one
//! cargo run -p lb-fuzz -- session --seed 17                    one case again
//! ```
//!
//! A case follows from its seed alone, so a failure is named by a target and a number. The bytes
//! come from `corpus/`, changed here and there with a taste for what their language is made of. This runs on
//! the stable toolchain and needs nothing to be installed; the price is that no coverage guides
//! it, which the corpus and the dictionary make up for.
//!
//! What must hold:
//! * nothing panics, and the server comes to rest in a bounded number of turns;
//! * an input leads to the same end however it is cut;
//! * what is passed on is read by the reader in [`strict`], which shares no code with `lb` and
//!   allows nothing that could be read in two ways, as the same request or the same answer;
//! * when everybody has left, every connection, lease and buffer is back;
//! * a pickle is read as another reader reads it, or refused, and comes back from the writer;
//! * two nodes of a ring come to rest after anything, within their limits.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken rule ends the case, and its seed is printed"
)]

pub mod chunks;
pub mod corpus;
pub mod head;
pub mod mutate;
pub mod pickle;
pub mod random;
pub mod ring;
pub mod session;
pub mod strict;

mod case;
mod memory;
mod peers;

/// A target of the attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The parser of heads, and what it writes in their place.
    Head,
    /// Chunked bodies.
    Chunks,
    /// A whole server between clients and backends that misbehave.
    Session,
    /// The reader of pickles that the broker and the ring share.
    Pickle,
    /// The datagrams of the Python course, as a node of the ring reads them.
    Course,
    /// The native datagrams and frames of the ring.
    Native,
    /// Two nodes of a ring among senders of anything.
    Node,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Head,
        Self::Chunks,
        Self::Session,
        Self::Pickle,
        Self::Course,
        Self::Native,
        Self::Node,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Chunks => "chunks",
            Self::Session => "session",
            Self::Pickle => "pickle",
            Self::Course => "course",
            Self::Native => "native",
            Self::Node => "node",
        }
    }

    /// Tries the case of one seed. Panics if a rule is broken.
    pub fn attack(self, seed: u64) {
        match self {
            Self::Head => head::attack(seed),
            Self::Chunks => chunks::attack(seed),
            Self::Session => session::attack(seed),
            Self::Pickle => pickle::attack(seed),
            Self::Course => ring::attack_course(seed),
            Self::Native => ring::attack_native(seed),
            Self::Node => ring::attack_node(seed),
        }
    }
}
