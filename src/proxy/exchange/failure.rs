//! Handles an exchange that cannot go on: another backend, a local reply, or a cut.

use super::state::{Exchange, Phase};
use super::step::Step;
use crate::error::{Fault, Side};
use crate::http::{FixedReply, LocalReply, Method, write_fixed_reply, write_local_reply};
use crate::strategy::Outcome;
use crate::time::Timestamp;
use crate::transport::Buffers;
use std::num::NonZeroU16;

/// `Retry-After` of a local reply when no backend can serve the request.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The end of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The backend has delivered.
    Delivered,
    /// Its kept connection brought nothing: the end of the connection had crossed the request on
    /// the way.
    ConnWasDead,
    /// By this fault.
    Failed(Fault),
}

impl AttemptEnd {
    /// Returns whether a retry is taken from the budget. An attempt that never reached a backend is
    /// free: it cost no backend anything, and each is tried but once.
    pub(crate) const fn costs_budget(self) -> bool {
        !matches!(self, Self::ConnWasDead | Self::Failed(Fault::ConnectFailed))
    }
}

/// The end of an exchange that can be neither retried nor replied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The client connection is closed.
    Close,
    /// It is reset, because a close would make the response seem complete.
    Reset,
}

impl<Pipe> Exchange<Pipe> {
    /// Returns how the attempt under way ends by `fault`; `reused`: its connection had served
    /// others.
    pub(crate) const fn attempt_end(&self, fault: Fault, reused: bool) -> AttemptEnd {
        match fault {
            Fault::BackendGone if reused && self.stats.first_byte_time.is_none() => {
                AttemptEnd::ConnWasDead
            }
            _ => AttemptEnd::Failed(fault),
        }
    }

    /// Maps the end of an attempt to the outcome of its backend. Errors are no samples of
    /// response time: a fast failure must not look like a fast backend.
    pub(crate) fn outcome(
        &self,
        end: AttemptEnd,
        dispatched_at: Timestamp,
        now: Timestamp,
    ) -> Outcome {
        match end {
            AttemptEnd::ConnWasDead => Outcome::Inconclusive,
            AttemptEnd::Failed(Fault::ConnectFailed | Fault::ConnectTimeout) => {
                Outcome::Unreachable
            }
            AttemptEnd::Failed(fault) if fault.side() != Side::Backend => Outcome::Inconclusive,
            // A response that is refused for its form says that the backend is alive: it is no
            // reason to eject it.
            AttemptEnd::Failed(Fault::BadResponse) => Outcome::Inconclusive,
            // A request that keeps one backend busy keeps the next one busy, too.
            AttemptEnd::Failed(_) if self.stats.is_redispatched => Outcome::Inconclusive,
            AttemptEnd::Failed(Fault::BackendTimeout) => Outcome::TimedOut,
            AttemptEnd::Failed(_) => Outcome::Failure,
            AttemptEnd::Delivered => match (self.phase, self.stats.status.map(NonZeroU16::get)) {
                (Phase::Tunnel { .. }, None) => {
                    let life = now.since(dispatched_at);
                    Outcome::Success {
                        response_time: Some(self.stats.first_byte_time.unwrap_or(life)),
                    }
                }
                (_, Some(400..500 | 501 | 505)) => Outcome::ClientError,
                (_, Some(500..)) => Outcome::Failure,
                _ => Outcome::Success {
                    response_time: self.stats.first_byte_time,
                },
            },
        }
    }

    /// Returns whether the request may be sent again: nothing of a response has reached the client,
    /// and either no byte of it has been sent, or its method allows repeating it and all of it is
    /// at hand (RFC 9110, section 9.2.2).
    pub(crate) fn may_retry(&self, fault: Fault, max_retries: u32) -> bool {
        if self.has_responded() || !self.upload.can_rewind() {
            return false;
        }
        match fault {
            // Bounded by the number of backends: each is tried once.
            Fault::ConnectFailed => true,
            Fault::ConnectTimeout | Fault::BackendGone => self.stats.may_repeat(max_retries),
            Fault::Refused(_)
            | Fault::ClientGone
            | Fault::ClientTimeout
            | Fault::NoBackend
            | Fault::InvalidPick
            | Fault::QueueFull
            | Fault::QueueTimeout
            | Fault::BadResponse
            | Fault::BackendTimeout
            | Fault::Overloaded
            | Fault::ShuttingDown => false,
        }
    }

    /// Makes the exchange wait for another backend. A dead kept connection leaves no trace but the
    /// count, and a new connection is opened instead.
    pub(crate) fn retry(&mut self, end: AttemptEnd) -> Step {
        self.upload.rewind();
        self.upload_stopped = false;
        if let Phase::Tunnel {
            upload_finished, ..
        } = &mut self.phase
        {
            *upload_finished = false;
        }
        if end == AttemptEnd::ConnWasDead {
            self.needs_new_conn = true;
            self.stats.fault = None;
        }
        Step::Continue
    }

    /// The status of the local reply, if one can still be sent.
    pub(crate) fn local_status(&self, fault: Fault) -> Option<u16> {
        match self.phase {
            Phase::AwaitingHead => fault.status(),
            Phase::Responding { .. } | Phase::LocalReply { .. } | Phase::Tunnel { .. } => None,
        }
    }

    /// Starts a local reply. The client connection persists only if the request was read to its end
    /// and could be understood.
    pub(crate) fn reply(
        &mut self,
        fault: Fault,
        status: u16,
        date: &[u8],
        is_last: bool,
        buffers: &mut Buffers,
    ) -> Step {
        let persistent = self.request.persistent
            && self.upload.is_received()
            && !matches!(fault, Fault::Refused(_))
            && !is_last;
        let connection = self.request.connection(persistent);
        let is_for_head = self.request.method == Method::Head;
        let reply = LocalReply {
            status,
            word: fault.word(),
            connection,
            is_for_head,
            date,
            retry_after: (status == 503).then_some(RETRY_AFTER_SECONDS),
        };
        // What is pending belongs to an interim response and goes first.
        let mut page = buffers.take(0);
        let applied = self.applied.as_ref();
        match applied.and_then(|applied| applied.error_page(status)) {
            Some(own) => {
                let fields = own.fields();
                let reply = FixedReply {
                    status,
                    fields: &fields,
                    body: &own.body,
                };
                write_fixed_reply(&reply, connection, is_for_head, date, page.as_vec_mut());
            }
            None => write_local_reply(&reply, page.as_vec_mut()),
        }
        self.download.append(page, buffers);
        self.stats.status = NonZeroU16::new(status);
        self.phase = Phase::LocalReply { persistent };
        Step::Continue
    }

    /// Returns how the client connection is cut when nothing can be said any more. Where the
    /// response would otherwise seem complete, it is reset; so is a tunnel once it led to a
    /// backend, even if that has said nothing yet, because saying nothing can be a response.
    pub(crate) fn cut(&self) -> Cut {
        let seems_complete = match self.phase {
            Phase::Responding { delimited, .. } => !delimited,
            Phase::Tunnel { .. } => self.has_responded() || self.stats.connect_time.is_some(),
            Phase::AwaitingHead | Phase::LocalReply { .. } => false,
        };
        match seems_complete {
            true => Cut::Reset,
            false => Cut::Close,
        }
    }
}
