//! One end of a TCP connection, with a deadline on every read and write.

use super::wait::PATIENCE;
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a connection that are remembered.
const RECORDED_BYTES: usize = 1024 * 1024;

/// The end of the bytes of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended its sending side.
    Closed,
    /// It broke the connection.
    Reset,
    /// Nothing came in time.
    Silent,
}

/// A connection, and what was read from it and not used yet.
pub(crate) struct Wire {
    stream: Arc<TcpStream>,
    unread: Vec<u8>,
    record: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    pub(super) fn new(stream: Arc<TcpStream>, record: Arc<Mutex<Vec<u8>>>) -> Self {
        stream.set_nodelay(true).expect("a socket");
        let wire = Self {
            stream,
            unread: Vec::new(),
            record,
        };
        wire.set_patience(PATIENCE);
        wire
    }

    /// The same connection, for another thread to send on.
    pub(crate) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.stream), Arc::default())
    }

    /// Time limit of a read or write.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a socket");
        self.stream
            .set_write_timeout(Some(patience))
            .expect("a socket");
    }

    /// The kernel holds about so much for this end in each direction, instead of ever more.
    pub(crate) fn fix_buffers(&self, bytes: usize) {
        let socket = SockRef::from(&*self.stream);
        socket.set_recv_buffer_size(bytes).expect("a socket");
        socket.set_send_buffer_size(bytes).expect("a socket");
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Sends all of `bytes`, unless the peer is gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).expect("sends");
    }

    /// Ends the sending side.
    pub(crate) fn finish(&mut self) {
        // Fails if the peer has broken the connection: then there is nothing to end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Breaks the connection.
    pub(crate) fn reset(self) {
        let socket = SockRef::from(&*self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

/// Reading.
impl Wire {
    /// Reads once.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, End> {
        if !self.unread.is_empty() {
            let count = into.len().min(self.unread.len());
            into[..count].copy_from_slice(&self.unread[..count]);
            self.unread.drain(..count);
            return Ok(count);
        }
        self.receive(into)
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<usize, End> {
        match (&*self.stream).read(into) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                let mut record = self.record.lock().unwrap();
                let room = RECORDED_BYTES.saturating_sub(record.len());
                record.extend_from_slice(&into[..count.min(room)]);
                Ok(count)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(End::Silent),
                _ => Err(End::Reset),
            },
        }
    }

    /// Reads more behind what is unread.
    fn fill(&mut self) -> Result<(), End> {
        let mut bytes = vec![0; READ_BYTES];
        let count = self.receive(&mut bytes)?;
        self.unread.extend_from_slice(&bytes[..count]);
        Ok(())
    }

    /// Reads `count` bytes and puts them behind `out`; so does what came before an end.
    pub(crate) fn read_exact(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), End> {
        let mut left = count;
        while left > 0 {
            if self.unread.is_empty() {
                self.fill()?;
            }
            let some = left.min(self.unread.len());
            out.extend_from_slice(&self.unread[..some]);
            self.unread.drain(..some);
            left -= some;
        }
        Ok(())
    }

    /// Reads to the end of `mark`, and returns what stands before and in it.
    pub(crate) fn read_through(&mut self, mark: &[u8]) -> Result<Vec<u8>, End> {
        let mut looked_at = 0;
        loop {
            let found = self.unread[looked_at..]
                .windows(mark.len())
                .position(|w| w == mark);
            if let Some(at) = found {
                return Ok(self.unread.drain(..looked_at + at + mark.len()).collect());
            }
            looked_at = self.unread.len().saturating_sub(mark.len() - 1);
            self.fill()?;
        }
    }

    /// Reads to the end, and says which it was.
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, End) {
        let end = loop {
            if let Err(end) = self.fill() {
                break end;
            }
        };
        (std::mem::take(&mut self.unread), end)
    }

    /// The next `count` bytes, which stay unread; fewer if no more come.
    pub(crate) fn peek(&mut self, count: usize) -> &[u8] {
        while self.unread.len() < count && self.fill().is_ok() {}
        &self.unread[..count.min(self.unread.len())]
    }

    /// Bytes that have been read and not used.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }
}
