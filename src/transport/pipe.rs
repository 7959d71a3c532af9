//! Kernel pipes, through which bulk bytes pass without visiting user space.

/// Source of pipes. `None` from [`take`](Self::take): bytes are copied instead.
pub trait Pipes {
    /// The pipe that is lent.
    type Pipe;

    /// An empty pipe, if one can be had.
    fn take(&mut self) -> Option<Self::Pipe>;

    /// Takes back a pipe; one that still holds `left` bytes cannot be used again.
    fn give(&mut self, pipe: Self::Pipe, left: usize);
}
