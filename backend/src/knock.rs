//! Gets stranded connections served.
//!
//! tiny_http 0.12 gives a new connection a thread of its own unless one of its pool is waiting
//! for work (`task_pool.rs`). It counts a thread as waiting until that thread has woken up, so of
//! a burst of connections several may be queued for the same thread, and all but one of them are
//! stranded until another connection ends: for ever, if a load balancer keeps its connections.
//!
//! So the server knocks at its own door: it opens a connection to itself and drops it. That wakes
//! or starts one thread, which takes a stranded connection next. It knocks often while requests
//! come in and seldom when idle, so nobody waits for ever, whatever the clients do.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// Between knocks while requests come in: 100 a second cost about 1% of a core.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);

/// The longest time without a knock.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Tells the knocking thread of requests. Cheap to clone and to use.
#[derive(Clone)]
pub(crate) struct Knocker(SyncSender<()>);

impl Knocker {
    /// Starts to knock at `address`, until the last clone is dropped.
    pub(crate) fn start(address: SocketAddr) -> io::Result<Self> {
        // One place: any number of requests since the last knock ask for one more.
        let (asked, asks) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("knocker".to_owned())
            .spawn(move || knock_at(address, &asks))?;
        Ok(Self(asked))
    }

    /// There was a request: knock within the busy interval.
    pub(crate) fn ask(&self) {
        // A full channel means that a knock is due already.
        let _ = self.0.try_send(());
    }
}

fn knock_at(address: SocketAddr, asks: &Receiver<()>) {
    loop {
        match asks.recv_timeout(IDLE_INTERVAL) {
            Ok(()) => thread::sleep(BUSY_INTERVAL),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // A knock that fails has no remedy but the next one.
        let _ = knock(address);
    }
}

fn knock(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    // Reset, not closed: a hundred closed connections a second would pile up in TIME_WAIT.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}
