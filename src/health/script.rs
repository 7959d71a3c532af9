//! For tests: a checker, hosts with scripted behaviour, and a clock moved by hand.

use super::{CheckAction, CheckFinished, CheckId, Checker, OpenSocket};
use crate::time::Timestamp;
use crate::transport::{Readiness, Transport};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp::from_nanos(1_000_000_000);
const STEP: Duration = Duration::from_millis(1);

/// A host's reaction to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Host {
    /// Accepts after so long, and sends this.
    Accepts(Duration, &'static str),
    Refuses,
    /// Opening a connection fails by this error of the system.
    Fails(i32),
    /// Drops every packet.
    Drops,
}

/// The near end of a connection.
#[derive(Debug)]
pub(crate) struct ScriptedStream {
    inbound: &'static [u8],
    is_open: Rc<Cell<bool>>,
}

/// A checker and the hosts around it.
pub(crate) struct Script<K> {
    pub(crate) checker: Checker<K, ScriptedStream>,
    pub(crate) now: Timestamp,
    /// Each socket that was opened: for which target, to which port, when.
    pub(crate) opened: Vec<(K, u16, Timestamp)>,
    /// Connections that will be accepted.
    pending: Vec<(Timestamp, CheckId, Rc<Cell<bool>>)>,
    scratch: Vec<u8>,
}

impl<K: Copy + PartialEq> Script<K> {
    pub(crate) fn new(checker: Checker<K, ScriptedStream>) -> Self {
        Self {
            checker,
            now: START,
            opened: Vec::new(),
            pending: Vec::new(),
            scratch: vec![0; 1024],
        }
    }

    /// Lives for one step. `host` says how the host at a port behaves.
    pub(crate) fn step(&mut self, host: impl Fn(u16) -> Host) -> Vec<CheckFinished<K>> {
        self.now = self.now + STEP;
        let now = self.now;
        for (_, id, is_open) in self.pending.extract_if(.., |(at, ..)| *at <= now) {
            let ready = Readiness {
                readable: true,
                writable: true,
                ..Readiness::default()
            };
            if is_open.get() {
                self.checker.ready(id, ready, &mut self.scratch, now);
            }
        }
        self.checker.expire(now);
        let mut finished = Vec::new();
        while let Some(action) = self.checker.next_action(now) {
            match action {
                CheckAction::Open(open) => self.open(&open, &host),
                CheckAction::Finished(one) => finished.push(one),
            }
        }
        finished
    }

    /// Lives for `time`.
    pub(crate) fn live(
        &mut self,
        time: Duration,
        host: impl Fn(u16) -> Host,
    ) -> Vec<CheckFinished<K>> {
        let end = self.now + time;
        let mut finished = Vec::new();
        while self.now < end {
            finished.extend(self.step(&host));
        }
        finished
    }

    fn open(&mut self, open: &OpenSocket<K>, host: impl Fn(u16) -> Host) {
        let port = open.address.tcp().expect("TCP").port();
        self.opened.push((open.key, port, self.now));
        let is_open = Rc::new(Cell::new(true));
        let io = match host(port) {
            Host::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
            Host::Fails(error) => Err(io::Error::from_raw_os_error(error)),
            Host::Drops => Ok(ScriptedStream::new(b"", &is_open)),
            Host::Accepts(after, response) => {
                let pending = (self.now + after, open.id, Rc::clone(&is_open));
                self.pending.push(pending);
                Ok(ScriptedStream::new(response.as_bytes(), &is_open))
            }
        };
        self.checker
            .opened(open.id, io, &mut self.scratch, self.now);
    }
}

impl ScriptedStream {
    fn new(inbound: &'static [u8], is_open: &Rc<Cell<bool>>) -> Self {
        Self {
            inbound,
            is_open: Rc::clone(is_open),
        }
    }
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.is_open.set(false);
    }
}

impl Transport for ScriptedStream {
    type Pipe = ();

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.inbound.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.inbound.len());
        let (now, later) = self.inbound.split_at(count);
        into[..count].copy_from_slice(now);
        self.inbound = later;
        Ok(count)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&mut self) {}

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn fill(&mut self, _pipe: &mut (), _max: usize) -> io::Result<usize> {
        unreachable!("checks use no pipes")
    }

    fn drain(&mut self, _pipe: &mut (), _max: usize) -> io::Result<usize> {
        unreachable!("checks use no pipes")
    }
}
