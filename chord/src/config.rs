//! The parameters of a node: compatible and native mode are two sets of them.

use std::time::Duration;

use crate::addr::Addr;
use crate::id::Space;
use crate::wire::{Codec, Key};

/// The parameters of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that other nodes reach it by; in the compatible mode the id is its hash.
    pub addr: Addr,
    /// The circle.
    pub space: Space,
    /// The encoding.
    pub codec: Codec,
    /// Nodes to join by, tried in turn; none to start a ring.
    pub join: Vec<Addr>,
    /// Virtual nodes behind the address. 1 in the compatible mode.
    pub vnodes: u16,
    /// Entries of the successor list.
    pub successors: usize,
    /// Successors that get a copy of each key.
    pub replicas: usize,
    /// Time between two stabilizations.
    pub stabilize_interval: Duration,
    /// Time after which a newcomer asks again.
    pub join_timeout: Duration,
    /// Time to wait for a reply, the first time; twice that, the second.
    pub request_timeout: Duration,
    /// Time after which a client that was not served is told so.
    pub operation_timeout: Duration,
    /// Most keys that the store takes, owned and copied.
    pub max_keys: usize,
    /// Most bytes that the store takes, keys and values.
    pub max_bytes: usize,
    /// The wall clock when the timestamps were 0, in milliseconds since 1970: versions are made
    /// of it.
    pub epoch_ms: u64,
    /// Seed of all random numbers; unpredictable, where peers may forge.
    pub seed: [u8; 32],
}

impl Config {
    /// The compatible mode: 1,024 ids, pickles, one node for an address.
    #[must_use]
    pub fn course(addr: Addr, seed: [u8; 32]) -> Self {
        Self {
            addr,
            space: Space::COURSE,
            codec: Codec::Course,
            join: Vec::new(),
            vnodes: 1,
            successors: 8,
            replicas: 3,
            stabilize_interval: Duration::from_secs(3),
            join_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_millis(300),
            operation_timeout: Duration::from_millis(2700),
            max_keys: 100_000,
            max_bytes: 64 << 20,
            epoch_ms: 0,
            seed,
        }
    }

    /// The native mode: 160-bit ids, the compact encoding, a MAC if there is a key.
    #[must_use]
    pub fn native(addr: Addr, key: Option<Key>, seed: [u8; 32]) -> Self {
        Self {
            space: Space::NATIVE,
            codec: Codec::Native(key),
            vnodes: 4,
            max_bytes: 1 << 30,
            ..Self::course(addr, seed)
        }
    }

    /// Whether peers may be plain ones that know the messages of the course only.
    #[must_use]
    pub const fn is_course(&self) -> bool {
        matches!(self.codec, Codec::Course)
    }
}
