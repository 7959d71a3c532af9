//! What follows when an exchange cannot go on: another backend, an answer of our own, or a cut.

use super::Proxy;
use super::arena::ExchangeId;
use super::exchange::{Attempt, Phase};
use super::network::Network;
use crate::error::{Fault, Side};
use crate::http::{LocalReply, Method, write_local_reply};
use crate::strategy::Outcome;
use crate::time::Timestamp;
use std::mem;

/// What a client is told to wait when nobody can serve it.
const RETRY_AFTER_SECONDS: u32 = 1;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Its link came from the pool and brought nothing: the end of the link had crossed the
    /// request on the way.
    LinkWasDead,
    /// By the fault of whoever the fault names.
    Failed,
}

impl<N: Network> Proxy<N> {
    /// Ends the attempt under way. Afterwards the exchange waits for another backend, carries an
    /// answer of our own, or is gone.
    pub(super) fn fail(&mut self, id: ExchangeId, fault: Fault, now: Timestamp) {
        let ended = self.end_attempt(id, fault, now);
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        exchange.stats.fault = Some(fault);
        if ended.is_some() && self.may_retry(id, fault) && self.can_afford(ended, fault, now) {
            self.retry(id, ended);
        } else if let Some(status) = self.status_for(id, fault) {
            self.answer(id, fault, status);
        } else {
            self.cut(id, now);
        }
    }

    /// Gives the lease back and closes the link. `None` if no attempt was under way.
    fn end_attempt(&mut self, id: ExchangeId, fault: Fault, now: Timestamp) -> Option<Ended> {
        let exchange = self.conns.exchanges.get_mut(id)?;
        let attempt = mem::replace(&mut exchange.attempt, Attempt::Idle);
        let (lease, link, reused) = match attempt {
            Attempt::Idle => return None,
            Attempt::Queued => {
                self.queue.leave();
                return None;
            }
            Attempt::At {
                lease,
                link,
                reused,
            } => (lease, link, reused),
        };
        exchange.stats.refused += u32::from(fault == Fault::ConnectFailed);
        let silent = exchange.stats.first_byte_time.is_none();
        let ended = match fault {
            Fault::BackendGone if reused && silent => Ended::LinkWasDead,
            _ => Ended::Failed,
        };
        let outcome = match fault {
            Fault::ConnectFailed | Fault::ConnectTimeout => Outcome::Unreachable,
            _ if ended == Ended::LinkWasDead || fault.side() != Side::Backend => {
                Outcome::Inconclusive
            }
            _ => Outcome::Failure,
        };
        if outcome != Outcome::Inconclusive {
            exchange.attempted.add(lease.backend());
        }
        if matches!(exchange.phase, Phase::Tunnel { .. })
            && let Some(link) = self.conns.backends.get_mut(link)
        {
            link.conn.socket.reset_on_close();
        }
        self.pool.settle(lease, outcome, now);
        self.close_link(link);
        Some(ended)
    }

    /// A request is sent again only if nothing of an answer has reached the client and either no
    /// byte of it has been sent, or its method allows repeating it and all of it is at hand
    /// (RFC 9110, section 9.2.2).
    pub(super) fn may_retry(&self, id: ExchangeId, fault: Fault) -> bool {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return false;
        };
        if exchange.has_answered() || !exchange.upload.can_rewind() || self.gave_up_on(id) {
            return false;
        }
        match fault {
            // Bounded by the number of backends: each is attempted once.
            Fault::ConnectFailed => true,
            Fault::ConnectTimeout | Fault::BackendGone => {
                exchange.stats.may_repeat(self.settings.limits.max_retries)
            }
            Fault::Refused(_)
            | Fault::ClientGone
            | Fault::ClientTimeout
            | Fault::NoBackend
            | Fault::QueueFull
            | Fault::QueueTimeout
            | Fault::BadResponse
            | Fault::BackendTimeout
            | Fault::Overloaded
            | Fault::ShuttingDown => false,
        }
    }

    /// Whether the budget allows another attempt, which is then taken from it. What never
    /// reached a backend is free: it cost no backend anything, and each is attempted but once.
    fn can_afford(&mut self, ended: Option<Ended>, fault: Fault, now: Timestamp) -> bool {
        let is_free = fault == Fault::ConnectFailed || ended == Some(Ended::LinkWasDead);
        let percent = self.settings.limits.retry_budget_percent;
        is_free || self.retry_budget.spend(percent, now)
    }

    /// Whether the client is not there to be answered any more.
    fn gave_up_on(&self, id: ExchangeId) -> bool {
        self.conns
            .exchanges
            .get(id)
            .and_then(|exchange| self.conns.clients.get(exchange.client))
            .is_none_or(|client| client.conn.socket.is_broken())
    }

    /// Makes the exchange wait for another backend. A pooled link that was dead already is
    /// nobody's fault: it leaves no trace but the count, and a new link is opened instead.
    fn retry(&mut self, id: ExchangeId, ended: Option<Ended>) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        exchange.upload.rewind();
        exchange.upload_stopped = false;
        if let Phase::Tunnel {
            upload_finished, ..
        } = &mut exchange.phase
        {
            *upload_finished = false;
        }
        if ended == Some(Ended::LinkWasDead) {
            exchange.needs_new_link = true;
            exchange.stats.fault = None;
        }
    }

    /// The status of the local answer, if one can still be given.
    fn status_for(&self, id: ExchangeId, fault: Fault) -> Option<u16> {
        let exchange = self.conns.exchanges.get(id)?;
        match exchange.phase {
            Phase::AwaitingHead if !self.gave_up_on(id) => fault.status(),
            Phase::AwaitingHead
            | Phase::Responding { .. }
            | Phase::LocalReply { .. }
            | Phase::Tunnel { .. } => None,
        }
    }

    /// Starts an answer of our own. The client connection goes on only if the request was read
    /// to its end and could be understood.
    fn answer(&mut self, id: ExchangeId, fault: Fault, status: u16) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let persistent = exchange.request.persistent
            && exchange.upload.is_received()
            && !matches!(fault, Fault::Refused(_))
            && !self.stopping;
        let answer = LocalReply {
            status,
            word: fault.word(),
            connection: exchange.request.connection(persistent),
            is_for_head: exchange.request.method == Method::Head,
            retry_after: (status == 503).then_some(RETRY_AFTER_SECONDS),
        };
        // What is pending belongs to an interim answer and goes first.
        let mut page = self.io.buffers.take(0);
        write_local_reply(&answer, page.as_vec_mut());
        exchange.download.append(page, &mut self.io.buffers);
        exchange.stats.status = Some(status);
        exchange.phase = Phase::LocalReply { persistent };
    }

    /// Nothing can be said any more: the client sees the connection break. Where an answer would
    /// otherwise seem complete, it is reset; so is a tunnel once it led to a backend, even if
    /// that has said nothing yet, because saying nothing can be an answer.
    fn cut(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return;
        };
        let seems_complete = match exchange.phase {
            Phase::Responding { delimited, .. } => !delimited,
            Phase::Tunnel { .. } => {
                exchange.has_answered() || exchange.stats.connect_time.is_some()
            }
            Phase::AwaitingHead | Phase::LocalReply { .. } => false,
        };
        if seems_complete && let Some(client) = self.conns.clients.get_mut(exchange.client) {
            client.conn.socket.reset_on_close();
        }
        self.finish_exchange(id, now);
    }
}
