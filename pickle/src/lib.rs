//! Python's pickle as a carrier of data: None, bool, int, float, str, bytes, list, tuple and dict,
//! protocols 0 to 5 in, protocol 4 out.
//!
//! A pickle is a program for a stack machine. This one knows the opcodes that make data; those
//! that name or call an object end the run with a [`Refusal`], so nothing a pickle says has an
//! effect. Reading takes memory in proportion to the pickle and to the bytes that the caller
//! allows the value, however often the pickle shares or contains itself.
//!
//! ```text
//! bytes -> Input -> Machine (Opcode, atom, text_line) -> Objects -> Value  read
//! Value -> Writer -> bytes                                                 to_vec, to_opcodes
//! ```
//!
//! serde-pickle was tried first. It gives integers beyond 64 bits only by way of its own value
//! type, which expands shared lists without a limit: nine lines of Python make it take all memory.
//! It also resolves some globals where all must be refused. So the machine is ours, and
//! serde-pickle is what the tests compare it with.

mod atom;
mod input;
mod machine;
mod objects;
mod opcode;
mod refusal;
mod text_line;
mod value;
mod writer;

pub use num_bigint::BigInt;
pub use refusal::Refusal;
pub use value::{MAX_DEPTH, MAX_DIGITS, Value};
pub use writer::{Writer, to_opcodes, to_vec};

use machine::Machine;

/// Reads a pickle that takes up all of `pickle`. `max_bytes` bounds what shared objects expand to:
/// a byte for each value, and those of text, bytes and big integers.
///
/// # Errors
/// A [`Refusal`]; nothing that the pickle says has any effect.
pub fn read(pickle: &[u8], max_bytes: usize) -> Result<Value, Refusal> {
    Machine::new(pickle).run(max_bytes, MAX_DEPTH)
}

/// As [`read`], for a dictionary around values which may each be [`MAX_DEPTH`] deep.
///
/// # Errors
/// As [`read`].
pub fn read_message(pickle: &[u8], max_bytes: usize) -> Result<Value, Refusal> {
    Machine::new(pickle).run(max_bytes, MAX_DEPTH + 1)
}

/// Reads what [`to_opcodes`] wrote.
///
/// # Errors
/// As [`read`]; opcodes of our own share nothing, so they expand to no more than their length.
pub fn read_opcodes(opcodes: &[u8]) -> Result<Value, Refusal> {
    Machine::new(opcodes).run_to_end(opcodes.len())
}

#[cfg(test)]
mod tests;
