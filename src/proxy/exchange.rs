//! One request and its answer, or one tunnel: the automaton that ties a client to a backend.
//!
//! An exchange holds two flows. The *upload* starts as the rewritten request head and whatever of
//! the body came with it; the *download* first waits for a response head, then carries the body.
//! A tunnel (TCP mode, or after 101) is the same with both flows ending where their sources end.
//! The exchange knows what was promised and what was delivered; it never touches a socket except
//! through the flows.

use super::arena::{BackendConnId, ClientConnId};
use super::log_fields::LogFields;
use super::timeout::Timeout;
use crate::error::Fault;
use crate::http::{Body, ConnectionOption, Method, Version};
use crate::pool::Lease;
use crate::strategy::{BackendId, Sticky};
use crate::time::Timestamp;
use crate::transport::Flow;
use std::time::Duration;

/// An exchange under way. The order is that of memory: what an answer needs comes first, and what
/// matters only before it comes, or should it not come, is in lines of its own behind that.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Exchange<Pipe> {
    pub(super) client: ClientConnId,
    pub(super) phase: Phase,
    pub(super) request: Request,
    /// A pooled connection turned out to be dead: the next attempt opens a new one.
    pub(super) needs_new_link: bool,
    /// The backend listens no longer; only its answer is reason.
    pub(super) upload_stopped: bool,
    /// Whether it goes on in the next turn, event or not.
    pub(super) has_yielded: bool,
    pub(super) attempt: Attempt,
    pub(super) upload: Flow<Pipe>,
    pub(super) download: Flow<Pipe>,
    pub(super) stats: ExchangeStats,
    pub(super) attempted: Attempted,
    /// Whom it waits for; `None` before it first waits.
    pub(super) timeout: Option<Timeout>,
    pub(super) key: u64,
    /// The backend the client is affinity to by its cookie.
    pub(super) affinity: Option<BackendId>,
}

/// What has to be remembered of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) version: Version,
    /// Whether the client connection may carry another request after this one.
    pub(super) persistent: bool,
    pub(super) upgrade: bool,
}

impl Request {
    /// What the client is told about its connection.
    pub(super) fn connection(&self, persistent: bool) -> ConnectionOption {
        match (persistent, self.version) {
            (false, _) => ConnectionOption::Close,
            (true, Version::Http10) => ConnectionOption::KeepAlive,
            (true, Version::Http11) => ConnectionOption::Implied,
        }
    }

    /// Of a request that could not be read, or none in TCP mode.
    pub(super) fn unknown() -> Self {
        Self {
            method: Method::Other,
            version: Version::Http11,
            persistent: false,
            upgrade: false,
        }
    }
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of a final answer has been sent to the client. Interim answers may have been.
    AwaitingHead,
    /// The answer of the backend is on its way to the client.
    Responding {
        /// Whether the connection to the backend may be used again afterwards.
        reusable: bool,
        /// Whether the client connection may be used again afterwards.
        persistent: bool,
        /// Whether the client can tell where the answer ends without the connection closing.
        delimited: bool,
    },
    /// An answer of our own is on its way to the client.
    LocalReply {
        /// Whether the client connection may be used again afterwards.
        persistent: bool,
    },
    /// Bytes go both ways until both sides have ended.
    Tunnel {
        /// Whether the backend has been told that the client ended.
        upload_finished: bool,
        /// Whether the client has been told that the backend ended.
        download_finished: bool,
    },
}

/// The try that is under way.
#[derive(Debug)]
pub(super) enum Attempt {
    /// None: not started, answered by ourselves, or the backend has delivered.
    Idle,
    /// Every backend is at its limit; the exchange waits its turn in the queue.
    Queued,
    /// A backend was picked and a connection to it is open or opening.
    At {
        lease: Lease,
        link: BackendConnId,
        /// Whether the connection had served other exchanges before. Its end may then have
        /// crossed the request on the way and says nothing about the backend.
        reused: bool,
    },
}

/// Backends this exchange has failed at. They are not picked again for it. They are few,
/// and mostly none: nothing is kept ready for more.
#[derive(Debug, Default)]
pub(super) struct Attempted(Box<[BackendId]>);

impl<Pipe> Exchange<Pipe> {
    /// An exchange that has just begun.
    pub(super) fn new(
        client: ClientConnId,
        request: Request,
        upload: Flow<Pipe>,
        key: u64,
        stats: ExchangeStats,
    ) -> Self {
        Self {
            client,
            phase: Phase::AwaitingHead,
            request,
            needs_new_link: false,
            upload_stopped: false,
            has_yielded: false,
            attempt: Attempt::Idle,
            upload,
            download: Flow::new(Body::Empty),
            stats,
            attempted: Attempted::default(),
            timeout: None,
            key,
            affinity: None,
        }
    }

    /// A byte of the answer has come; the first one is noted.
    pub(super) fn record_first_byte(&mut self, now: Timestamp) {
        if self.stats.first_byte_time.is_none()
            && let Attempt::At { lease, .. } = &self.attempt
        {
            self.stats.first_byte_time = Some(now.since(lease.dispatched_at()));
        }
    }

    /// Bytes moved so far, in either direction: what tells progress from mere events.
    pub(super) fn moved(&self) -> u64 {
        let flows = [&self.upload, &self.download];
        let moved = flows.map(|flow| flow.received() + flow.passed());
        self.stats.interim_bytes + moved.iter().sum::<u64>()
    }

    /// Whether the client came with a cookie that binds it to the backend that answers.
    pub(super) fn has_affinity(&self) -> bool {
        self.affinity.is_some() && self.affinity == self.stats.backend
    }

    /// The field line by which the client is affinity to the backend that answers; nothing if it
    /// is already.
    pub(super) fn sticky_line<'s>(&self, sticky: &'s Sticky) -> &'s [u8] {
        match self.stats.backend {
            Some(backend) if !self.has_affinity() => sticky.line(backend),
            _ => b"",
        }
    }

    /// Whether both sides of a tunnel have ended and been told so.
    pub(super) fn is_finished_tunnel(&self) -> bool {
        matches!(
            self.phase,
            Phase::Tunnel {
                upload_finished: true,
                download_finished: true,
            }
        )
    }

    /// Whether anything has been sent to the client.
    pub(super) fn has_answered(&self) -> bool {
        self.stats.interim_bytes > 0 || self.download.is_touched()
    }
}

impl Attempted {
    pub(super) fn add(&mut self, backend: BackendId) {
        if !self.as_slice().contains(&backend) {
            self.0 = self.0.iter().copied().chain([backend]).collect();
        }
    }

    pub(super) fn as_slice(&self) -> &[BackendId] {
        &self.0
    }
}

/// What the record will say. In the order of memory: what is seldom known comes last.
#[derive(Debug)]
#[repr(C)]
pub(super) struct ExchangeStats {
    pub(super) started_at: Timestamp,
    pub(super) head_bytes: usize,
    /// From dispatch to the first byte of the response.
    pub(super) first_byte_time: Option<Duration>,
    /// Bytes the client was sent before the present download: interim answers.
    pub(super) interim_bytes: u64,
    pub(super) backend: Option<BackendId>,
    pub(super) status: Option<u16>,
    pub(super) fault: Option<Fault>,
    /// Backends asked so far, the same one again included.
    pub(super) attempts: u32,
    /// Those of them that were refused a connection.
    pub(super) refused: u32,
    pub(super) connect_time: Option<Duration>,
    /// For the access log, if there is one.
    pub(super) log_fields: Option<LogFields>,
    /// When the first byte of the request was given to the backend.
    pub(super) sent_at: Option<Timestamp>,
}

impl ExchangeStats {
    pub(super) fn new(now: Timestamp, head_bytes: usize, log_fields: Option<LogFields>) -> Self {
        Self {
            started_at: now,
            head_bytes,
            first_byte_time: None,
            interim_bytes: 0,
            backend: None,
            status: None,
            fault: None,
            attempts: 0,
            refused: 0,
            connect_time: None,
            log_fields,
            sent_at: None,
        }
    }

    /// Another backend is asked. Returns where the attempt before failed, and how.
    pub(super) fn begin_attempt(&mut self, backend: BackendId) -> Option<(BackendId, Fault)> {
        self.attempts += 1;
        self.connect_time = None;
        self.first_byte_time = None;
        let before = self.backend.replace(backend);
        before.zip(self.fault.take())
    }

    /// Whether so many repetitions are not used up. A refused connection costs nobody anything,
    /// and no backend is asked again after one; so it does not count.
    pub(super) fn may_repeat(&self, max_retries: u32) -> bool {
        self.attempts - self.refused <= max_retries
    }

    /// Further attempts after the first.
    pub(super) fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }
}
