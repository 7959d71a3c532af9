//! The state of an exchange.
//!
//! An exchange holds two flows. The *upload* begins as the rewritten request head and the part of
//! the body that came with it; the *download* first waits for a response head, then carries the
//! body. A tunnel (TCP mode, or after 101) is the same with both flows ending where their sources
//! end.

use super::applied::Applied;
use super::log_fields::LogFields;
use super::timeout::Timeout;
use crate::error::Fault;
use crate::http::{Body, ConnectionOption, Method, Version, is_authority, set_host};
use crate::ids::{BackendConnId, ClientConnId};
use crate::pool::{Lease, PoolId};
use crate::strategy::key::key_of;
use crate::strategy::{BackendId, Sticky};
use crate::time::Timestamp;
use crate::transport::Flow;
use std::num::NonZeroU16;
use std::time::Duration;

/// An exchange under way. The order is that of memory: fields that a response needs come first;
/// those that matter only before it, or should it not come, are in lines of their own behind that.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Exchange<Pipe> {
    pub(crate) client: ClientConnId,
    pub(crate) phase: Phase,
    pub(crate) request: Request,
    pub(crate) pool: PoolId,
    /// A kept connection turned out to be dead: the next attempt opens a new one.
    pub(crate) needs_new_conn: bool,
    /// The backend reads no more; only its response is awaited.
    pub(crate) upload_stopped: bool,
    /// True if it is in the run queue.
    pub(crate) is_runnable: bool,
    /// True if the client has its whole response, and the backend gets the rest of the request.
    pub(crate) response_sent: bool,
    /// The policy of its route; `None`: it has none.
    pub(crate) applied: Option<Box<Applied>>,
    pub(crate) attempt: Attempt,
    pub(crate) upload: Flow<Pipe>,
    pub(crate) download: Flow<Pipe>,
    pub(crate) stats: ExchangeStats,
    pub(crate) attempted: Attempted,
    /// The reason for its wait; `None` before it first waits.
    pub(crate) timeout: Option<Timeout>,
    pub(crate) key: u64,
    /// The backend that the client's affinity cookie names.
    pub(crate) affinity: Option<BackendId>,
}

/// The facts of the request that later phases need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// True if the client connection may carry another request after this one.
    pub(crate) persistent: bool,
    pub(crate) upgrade: bool,
    /// True if the client waits for `100 Continue`, which has not come, before it sends the body.
    pub(crate) awaits_continue: bool,
    /// True if it came without `Host` and is sent with that of the backend.
    pub(crate) needs_host: bool,
}

impl Request {
    /// Returns the connection option for the client.
    pub(crate) fn connection(&self, persistent: bool) -> ConnectionOption {
        match (persistent, self.version) {
            (false, _) => ConnectionOption::Close,
            (true, Version::Http10) => ConnectionOption::KeepAlive,
            (true, Version::Http11) => ConnectionOption::Implied,
        }
    }

    /// Stands for a request that could not be read, or for none in TCP mode.
    pub(crate) const fn unknown() -> Self {
        Self {
            method: Method::Other,
            version: Version::Http11,
            persistent: false,
            upgrade: false,
            awaits_continue: false,
            needs_host: false,
        }
    }
}

/// Progress of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing of a final response has been sent to the client. Interim responses may have been.
    AwaitingHead,
    /// The response of the backend is on its way to the client.
    Responding {
        /// True if the backend connection may be reused afterwards.
        reusable: bool,
        /// True if the client connection may be reused afterwards.
        persistent: bool,
        /// True if the client can tell where the response ends without the connection closing.
        delimited: bool,
    },
    /// A local reply is on its way to the client.
    LocalReply {
        /// True if the client connection may be reused afterwards.
        persistent: bool,
    },
    /// Bytes go both ways until both sides have ended.
    Tunnel {
        /// True if the client's end has been passed on to the backend.
        upload_finished: bool,
        /// True if the backend's end has been passed on to the client.
        download_finished: bool,
    },
}

impl Phase {
    /// A tunnel of which neither side has ended.
    pub(crate) const OPEN_TUNNEL: Self = Self::Tunnel {
        upload_finished: false,
        download_finished: false,
    };
}

/// The attempt under way.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// None: not started, replied to locally, or the backend has delivered.
    None,
    /// Every backend is at its limit; the exchange waits in the queue.
    Queued,
    /// A backend was picked and a connection to it is open or opening.
    At {
        lease: Lease,
        conn: BackendConnId,
        /// True if the connection had served other exchanges before. Its end may then have
        /// crossed the request on the way and says nothing about the backend.
        reused: bool,
    },
}

/// Which idle connections an exchange may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any: if its end is on its way as an event, the request is repeated.
    Any,
    /// One of which the system says that it is alive. A request that may not be repeated (RFC 9110,
    /// section 9.2.2) would be lost on another.
    Quiet,
    /// None.
    Never,
}

/// Backends at which this exchange has failed. They are not picked again for it. Mostly none, so
/// no room is reserved.
#[derive(Debug, Default)]
pub(crate) struct Attempted(Box<[BackendId]>);

impl Attempted {
    pub(crate) fn add(&mut self, backend: BackendId) {
        if !self.as_slice().contains(&backend) {
            self.0 = self.0.iter().copied().chain([backend]).collect();
        }
    }

    pub(crate) fn as_slice(&self) -> &[BackendId] {
        &self.0
    }
}

impl<Pipe> Exchange<Pipe> {
    /// An exchange that has just begun.
    pub(crate) fn new(
        client: ClientConnId,
        pool: PoolId,
        request: Request,
        upload: Flow<Pipe>,
        key: u64,
        stats: ExchangeStats,
    ) -> Self {
        Self {
            client,
            phase: Phase::AwaitingHead,
            request,
            pool,
            needs_new_conn: false,
            upload_stopped: false,
            is_runnable: false,
            response_sent: false,
            applied: None,
            attempt: Attempt::None,
            upload,
            download: Flow::new(Body::Empty),
            stats,
            attempted: Attempted::default(),
            timeout: None,
            key,
            affinity: None,
        }
    }

    /// Returns which idle connections it may be sent on.
    pub(crate) const fn reuse(&self) -> Reuse {
        match (self.phase, self.needs_new_conn) {
            (Phase::AwaitingHead, false) if self.request.method.is_idempotent() => Reuse::Any,
            (Phase::AwaitingHead, false) => Reuse::Quiet,
            _ => Reuse::Never,
        }
    }

    /// The backend of the attempt under way.
    pub(crate) const fn backend(&self) -> Option<BackendId> {
        match &self.attempt {
            Attempt::At { lease, .. } => Some(lease.backend()),
            Attempt::None | Attempt::Queued => None,
        }
    }

    /// Adds the authority `name` of the backend to a request that came without `Host`, which
    /// HTTP/1.1 requires (RFC 9112, section 3.2).
    pub(crate) fn name_backend<'n>(&mut self, name: impl FnOnce() -> Option<&'n str>) {
        if self.request.needs_host {
            // The path of a UNIX socket is no authority.
            let authority = name().filter(|name| is_authority(name.as_bytes()));
            let authority = authority.unwrap_or("localhost").as_bytes();
            self.upload.amend(|sent| set_host(sent, authority));
        }
    }

    /// The hash of what was asked for; 0 if that is not known any more.
    pub(crate) fn target(&self) -> u64 {
        let mut words = self
            .upload
            .kept()
            .split(|byte| matches!(byte, b' ' | b'\r'));
        match words.nth(1) {
            Some(target) => u64::from(key_of(target) as u16),
            None => u64::from(self.stats.target_key),
        }
    }

    /// Whether it waits for the response of this backend and may be given to another one if the
    /// backend is silent. That happens once: the request itself may be what takes long, and is not
    /// begun at a third backend for it.
    pub(crate) fn may_leave(&self, backend: BackendId) -> bool {
        self.phase == Phase::AwaitingHead
            && !self.stats.is_redispatched
            && self.backend() == Some(backend)
    }

    /// Returns whether it waits in the queue.
    pub(crate) const fn is_queued(&self) -> bool {
        matches!(self.attempt, Attempt::Queued)
    }

    /// Notes when the first byte of the response came.
    pub(crate) fn record_first_byte(&mut self, now: Timestamp) {
        if self.stats.first_byte_time.is_none()
            && let Attempt::At { lease, .. } = &self.attempt
        {
            self.stats.first_byte_time = Some(now.since(lease.dispatched_at()));
        }
    }

    /// Bytes of the request moved so far.
    pub(crate) fn uploaded(&self) -> u64 {
        self.upload.received() + self.upload.passed()
    }

    /// Bytes moved so far, in either direction: they tell progress from mere events.
    pub(crate) fn moved(&self) -> u64 {
        let downloaded = self.download.received() + self.download.passed();
        self.stats.interim_bytes + self.uploaded() + downloaded
    }

    /// Returns whether the client came with a cookie that names the backend that responds.
    pub(crate) fn has_affinity(&self) -> bool {
        self.affinity.is_some() && self.affinity == self.stats.backend
    }

    /// The field line that sets the affinity cookie; empty if the client has it already.
    pub(crate) fn affinity_line<'s>(&self, sticky: &'s Sticky) -> &'s [u8] {
        match self.stats.backend {
            Some(backend) if !self.has_affinity() => sticky.line(backend, self.stats.is_https),
            _ => b"",
        }
    }

    /// Returns whether anything has been sent to the client.
    pub(crate) fn has_responded(&self) -> bool {
        self.stats.interim_bytes > 0 || self.download.is_touched()
    }
}

/// Figures for the record. In the order of memory: the rarely known ones come last.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ExchangeStats {
    pub(crate) started_at: Timestamp,
    pub(crate) head_bytes: usize,
    /// From dispatch to the first byte of the response.
    pub(crate) first_byte_time: Option<Duration>,
    /// Bytes the client was sent before the present download: interim responses.
    pub(crate) interim_bytes: u64,
    pub(crate) backend: Option<BackendId>,
    pub(crate) status: Option<NonZeroU16>,
    pub(crate) fault: Option<Fault>,
    /// True if it was given to another backend because one was silent.
    pub(crate) is_redispatched: bool,
    /// True if its body is counted among those that are held before a backend is picked.
    pub(crate) is_held: bool,
    /// Attempts so far, repeated ones at one backend included.
    pub(crate) attempts: u16,
    /// Those of them that refused the connection.
    pub(crate) refused: u16,
    /// Part of the hash of the target, if the request is not kept; else 0.
    pub(crate) target_key: u16,
    /// Part of the hash of the client that a trusted proxy names; else 0.
    pub(crate) named_client_key: u16,
    /// True if the client came by https, as far as a trusted proxy says; known only where a cookie
    /// depends on it.
    pub(crate) is_https: bool,
    pub(crate) connect_time: Option<Duration>,
    /// Texts for the access log, if there is one.
    pub(crate) log_fields: Option<LogFields>,
    /// Time at which the first byte of the request was given to the backend.
    pub(crate) sent_at: Option<Timestamp>,
    /// Time spent waiting for a backend with room, before the present wait. Nanoseconds.
    queue_nanos: u64,
    /// Since when it has been waiting.
    queued_at: Option<Timestamp>,
}

impl ExchangeStats {
    pub(crate) fn new(now: Timestamp, head_bytes: usize, log_fields: Option<LogFields>) -> Self {
        Self {
            started_at: now,
            head_bytes,
            first_byte_time: None,
            interim_bytes: 0,
            backend: None,
            status: None,
            fault: None,
            is_redispatched: false,
            is_held: false,
            attempts: 0,
            refused: 0,
            target_key: 0,
            named_client_key: 0,
            is_https: false,
            connect_time: None,
            log_fields,
            sent_at: None,
            queue_nanos: 0,
            queued_at: None,
        }
    }

    /// Begins to wait for a backend with room.
    pub(crate) const fn enter_queue(&mut self, now: Timestamp) {
        self.queued_at = Some(now);
    }

    /// Ends the wait, if there is one.
    pub(crate) fn leave_queue(&mut self, now: Timestamp) {
        self.queue_nanos = self.queue_nanos_until(now);
        self.queued_at = None;
    }

    /// Time spent waiting for a backend with room until `now`; `None` if there was no wait.
    pub(crate) fn queue_time(&self, now: Timestamp) -> Option<Duration> {
        let nanos = self.queue_nanos_until(now);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    fn queue_nanos_until(&self, now: Timestamp) -> u64 {
        let wait = self
            .queued_at
            .map_or(0, |since| now.as_nanos().saturating_sub(since.as_nanos()));
        self.queue_nanos + wait
    }

    /// Notes that another backend is tried. Returns the backend of the attempt before, and its
    /// outcome.
    pub(crate) fn begin_attempt(&mut self, backend: BackendId) -> Option<(BackendId, Fault)> {
        self.attempts = self.attempts.saturating_add(1);
        self.connect_time = None;
        self.first_byte_time = None;
        let before = self.backend.replace(backend);
        before.zip(self.fault.take())
    }

    /// Takes the attempt under way back: its backend had no room for a connection.
    pub(crate) fn withdraw_attempt(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    /// Returns whether retries are left. A refused connection costs no backend anything and that
    /// backend is not tried again, so it does not count.
    pub(crate) const fn may_repeat(&self, max_retries: u32) -> bool {
        (self.attempts - self.refused) as u32 <= max_retries
    }

    /// Further attempts after the first.
    pub(crate) const fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1) as u32
    }
}
