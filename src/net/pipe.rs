//! Pipes for `splice(2)`, and their pool.
//!
//! Linux moves pages from one socket to another through a pipe without copying them to user
//! space. Where no pipe is lent, the relay copies.

use crate::transport::Pipes;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Requested capacity of a pipe: as much as the relay fills at once. The system may grant less.
const PIPE_BYTES: usize = 256 * 1024;
/// Pipes lent at once over all workers. Beyond, bytes are copied: two descriptors each, and the
/// system bounds the memory of all pipes of a user.
const MAX_LENT: usize = 256;
/// Pipes a worker may lend at least, with any number of workers.
const MIN_LENT: usize = 8;
/// Pipes kept for reuse.
const MAX_KEPT: usize = 32;

/// Bytes on their way from one socket to another.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// Lends pipes.
#[derive(Debug)]
pub(crate) struct SystemPipes {
    kept: Vec<Pipe>,
    lent: usize,
    most_lent: usize,
}

impl SystemPipes {
    /// The share of one of so many workers.
    pub(crate) fn among(workers: usize) -> Self {
        Self {
            kept: Vec::new(),
            lent: 0,
            most_lent: MIN_LENT.max(MAX_LENT / workers.max(1)),
        }
    }
}

impl Pipes for SystemPipes {
    type Pipe = Pipe;

    fn take(&mut self) -> Option<Pipe> {
        if self.lent >= self.most_lent {
            return None;
        }
        let pipe = self.kept.pop().or_else(open)?;
        self.lent += 1;
        Some(pipe)
    }

    fn give(&mut self, pipe: Pipe, left: usize) {
        self.lent = self.lent.saturating_sub(1);
        if left == 0 && self.kept.len() < MAX_KEPT {
            self.kept.push(pipe);
        }
    }
}

fn open() -> Option<Pipe> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
    // Refused when the user's share of pipe memory is used up: then it holds 64 KiB.
    let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
    Some(Pipe { read, write })
}

impl Pipe {
    pub(super) fn fill_from(&mut self, socket: &impl AsFd, max: usize) -> io::Result<usize> {
        splice(socket, &self.write, max)
    }

    pub(super) fn drain_to(&mut self, socket: &impl AsFd, max: usize) -> io::Result<usize> {
        splice(&self.read, socket, max)
    }
}

fn splice(from: &impl AsFd, to: &impl AsFd, max: usize) -> io::Result<usize> {
    use rustix::pipe::{SpliceFlags, splice};

    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(splice(from, None, to, None, max, flags)?)
}
