//! Notices backends that accept requests and do not answer, long before a timeout does.
//!
//! A backend is suspect when its oldest exchange has waited much longer than slow answers take
//! in this pool, and none has come from it for as long. That alone proves nothing (one page may
//! just be slow), so it is checked at once, and ejected only if the check meets silence as well.
//! A wrong suspicion costs one check. Checks by connecting cannot see a server hang, and in TCP
//! mode waiting is no sign of anything; so this is for HTTP with HTTP checks.
//!
//! Whom a silent backend has caught is [rescued](Proxy::redispatch_waiting) with every check that meets
//! silence, not only with the first: there may have been nobody else to turn to at that time.

use super::Proxy;
use super::arena::ExchangeId;
use super::exchange::{Attempt, Phase};
use super::network::Network;
use crate::config::{Check, Mode};
use crate::error::Fault;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// From one look to the next, while anything is in flight.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How many times longer than a slow answer is suspect.
const MUCH_LONGER: u32 = 8;
/// Waiting less than this is not suspect, unless checks are more frequent.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Waiting more is, however slow the pool is.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl<N: Network> Proxy<N> {
    /// When [`detect_hangs`](Self::detect_hangs) has something to do.
    pub(super) fn hang_check_due(&self) -> Option<Timestamp> {
        let is_on = self.settings.mode == Mode::Http && self.settings.health.check == Check::Http;
        (is_on && self.pool.in_flight() > 0).then_some(self.next_hang_check)
    }

    /// Has those checked who may be hanging. Returns whether it was time to look.
    pub(super) fn detect_hangs(&mut self, now: Timestamp) -> bool {
        if self.hang_check_due().is_none_or(|due| now < due) {
            return false;
        }
        self.next_hang_check = now + LOOK_INTERVAL;
        let least = MIN_WAIT.min(self.settings.health.interval);
        let slow = self.pool.slow_response_time() * MUCH_LONGER;
        let limit = slow.clamp(least, LONGEST_WAIT);
        self.pool.refresh_all();
        let suspects: Vec<_> = self
            .pool
            .candidates()
            .iter()
            .filter_map(|candidate| {
                let waited = now.since(candidate.oldest_dispatched_at?);
                let quiet = candidate.last_completed_at.map(|at| now.since(at));
                let is_suspect = waited > limit && quiet.is_none_or(|quiet| quiet > limit);
                is_suspect.then_some((candidate.id, waited))
            })
            .collect();
        for (backend, waited) in suspects {
            self.suspect(backend, waited, now);
        }
        true
    }

    /// Gives those who wait for an answer of this backend to another, where that is allowed and
    /// there is one. The others wait on: it may still answer.
    pub(super) fn redispatch_waiting(&mut self, backend: BackendId, now: Timestamp) {
        for id in self.conns.exchanges.ids() {
            if self.may_redispatch(id, backend, now) {
                if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                    exchange.attempted.add(backend);
                }
                self.fail(id, Fault::BackendGone, now);
                self.drive(id, now);
            }
        }
    }

    /// Whether an exchange waits for an answer of this backend, and another may be asked instead.
    fn may_redispatch(&mut self, id: ExchangeId, backend: BackendId, now: Timestamp) -> bool {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return false;
        };
        let Attempt::At { lease, .. } = &exchange.attempt else {
            return false;
        };
        let waits = exchange.phase == Phase::AwaitingHead && lease.backend() == backend;
        let percent = self.settings.limits.retry_budget_percent;
        waits
            && self
                .pool
                .has_another(backend, exchange.attempted.as_slice())
            && self.retry_budget.is_left(percent, now)
            && self.may_retry(id, Fault::BackendGone)
    }
}
