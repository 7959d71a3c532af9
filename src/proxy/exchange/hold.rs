//! Request bodies that are taken in before a backend is picked.
//!
//! Where backends are given a limited number of exchanges, or a route has a limited number of
//! requests at once, a client that sends slowly would hold a place for as long as it likes, and a few
//! of them all places. So a short body is read to its end first, and of a long one as much; only then
//! is a place taken. After that the rate of the body is
//! watched. What is held is bounded for each exchange and over all: an exchange for which there is
//! no room takes its place at once, as each does while memory is short.

use super::state::Exchange;
use super::step::{ExchangeIo, Step};
use crate::error::{Fault, Refusal};
use crate::pool::Pool;
use crate::proxy::network::Network;
use crate::transport::{Break, IoContext, Pumped};

/// Bytes of bodies held for one pool, by one worker.
const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

impl<Pipe> Exchange<Pipe> {
    /// Takes in the part of the body that comes before a backend is picked.
    pub(super) fn hold_body<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
    ) -> Step {
        let limit = io.client.listener.limits.held_body_bytes;
        // A client that waits for the backend's word sends nothing until a backend is asked.
        let is_exempt = self.request.awaits_continue || self.upload.is_touched();
        let is_limited = limit > 0 && (io.pool.backends.is_limited() || self.is_counted_by_route());
        let is_short = ctx.buffers.is_short();
        if is_exempt || !is_limited || is_short || !self.reserve(limit, io.pool) {
            return self.dispatch_held();
        }
        if io.client.conn.socket.is_broken() {
            return Step::Failed(Fault::ClientGone);
        }
        let keep = self.request.method.is_idempotent();
        match self.upload.hold(&mut io.client.conn, limit, keep, ctx) {
            Pumped::Done | Pumped::Blocked | Pumped::Yielded if self.is_too_large() => {
                Step::Failed(Fault::Refused(Refusal::BodyTooLarge))
            }
            Pumped::Done => self.dispatch_held(),
            Pumped::Blocked => {
                self.leave_route();
                Step::Wait
            }
            Pumped::Yielded => Step::Yield,
            Pumped::Broken(Break::BadFraming) => Step::Failed(Fault::Refused(Refusal::BadChunk)),
            Pumped::Broken(Break::Truncated | Break::SourceFailed | Break::SinkFailed) => {
                Step::Failed(Fault::ClientGone)
            }
        }
    }

    /// Looks for a backend, if its route has a place for it now.
    fn dispatch_held(&mut self) -> Step {
        match self.enter_route() {
            true => Step::Dispatch,
            false => Step::Failed(Fault::Refused(Refusal::RouteFull)),
        }
    }

    /// Counts what it will hold. Returns whether there is room for that.
    fn reserve(&mut self, limit: usize, pool: &mut Pool) -> bool {
        if !self.stats.is_held && (pool.held_bodies + 1) * limit <= MAX_HELD_BYTES {
            pool.held_bodies += 1;
            self.stats.is_held = true;
        }
        self.stats.is_held
    }

    /// It has a place at a backend, or has ended: what it holds counts no longer.
    pub(crate) fn end_hold(&mut self, pool: &mut Pool) {
        if self.stats.is_held {
            pool.held_bodies = pool.held_bodies.saturating_sub(1);
            self.stats.is_held = false;
        }
    }
}
