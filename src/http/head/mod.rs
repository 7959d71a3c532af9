//! The facts of a message head, in a form that all versions of HTTP share.
//!
//! Owns [`RequestHead`] and [`ResponseHead`]: a method or status, spans of the bytes they came in,
//! the length of the body, and whether the connection persists. Refuses to know how a head is
//! spelled on the wire: `h1` finds the lines, [`HeadSemantics`](super::semantics) gathers the
//! fields, and the rules here decide. Invariant: a head that exists has one reading only.

mod request;
mod response;
mod target;

pub use request::RequestHead;
pub(in crate::http) use request::RequestLine;
pub use response::ResponseHead;
pub(in crate::http) use response::{LengthField, StatusLine};
pub(in crate::http) use target::{TargetForm, is_clean};

/// The result of parsing the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// All of it is there.
    Complete(T),
    /// Well-formed so far, and more is needed.
    Partial,
}
