//! The memory that all relays of an event loop share.

use super::buffer::Buffers;
use super::pipe::Pipes;

/// The scratch buffer, buffer pool and pipes of one event loop, lent for one call at a time.
#[derive(Debug)]
pub struct IoContext<P> {
    /// Scratch buffer of reads. Nothing stays in it between two calls.
    pub scratch: Box<[u8]>,
    /// Buffers for bytes that have to wait.
    pub buffers: Buffers,
    /// Pipes for bulk bytes.
    pub pipes: P,
}

/// Bytes read at once. Large enough that a read is dominated by copying, small enough that a
/// slow client holds little.
const SCRATCH_BYTES: usize = 32 * 1024;

impl<P: Pipes> IoContext<P> {
    /// A context with nothing lent.
    pub fn new(pipes: P) -> Self {
        Self {
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            buffers: Buffers::default(),
            pipes,
        }
    }
}
