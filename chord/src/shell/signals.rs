//! SIGTERM and SIGINT, as bytes in a socket that the loop waits on.

use std::io::{self, Read};

use mio::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

pub(super) struct Signals {
    pub(super) socket: UnixStream,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let (socket, sender) = std::os::unix::net::UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        pipe::register(SIGTERM, sender.try_clone()?)?;
        pipe::register(SIGINT, sender)?;
        Ok(Self {
            socket: UnixStream::from_std(socket),
        })
    }

    /// Signals that have come since the last call.
    pub(super) fn take(&mut self) -> usize {
        let mut count = 0;
        let mut bytes = [0; 16];
        while let Ok(read @ 1..) = self.socket.read(&mut bytes) {
            count += read;
        }
        count
    }
}
