//! The pieces in which a body is passed on, from where its bytes lie.

/// The treatment of the bytes at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Pass on the first so many bytes, at least one, as they are.
    Forward(usize),
    /// Drop the first so many bytes, at least one.
    Skip(usize),
    /// Pass on what [`Body::insert`](super::Body::insert) returns, ahead of the input, of which
    /// nothing was used.
    Insert,
    /// The input is used up, and the body is not over.
    NeedMore,
    /// The body is over; what is left of the input belongs to the next message.
    End,
}

/// The smaller of the two.
pub(in crate::http) fn clamp(remaining: u64, available: usize) -> usize {
    usize::try_from(remaining).map_or(available, |remaining| remaining.min(available))
}
