//! The fate of each request, and whether it was justified.
//!
//! A request may fail only if nothing could save it:
//! * it reached a server that then failed it, and it may not be repeated, or its response had
//!   begun;
//! * it was sent as often as is allowed;
//! * there was no other server to try: each of them was dead, was attempted, or is not wanted;
//! * its server kept it waiting for the whole first-byte timeout, and no check showed by then
//!   that the server hangs; or it had been sent to another server before. A request is saved from
//!   silence once: what keeps two servers silent may be the request. A refused connection or a
//!   reset says otherwise, and leads to a third.
//!
//! All of that is judged by the state of machines and wires, nothing by what the proxy reports.

use super::caller::Ending;
use super::machine::{Condition, Machine};
use super::{MACHINES, RequestId};
use crate::config::{CheckKind, Timeouts};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Time for which a response is waited for: longer than it takes to detect a hang.
pub(super) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(12);
/// The end of a connection to a dead machine is known to the server after less than this.
const NEWS: Duration = Duration::from_millis(5);
/// Checks pass twice, and meet silence elsewhere, within this.
const CHECKED_WITHIN: Duration = Duration::from_secs(3);

/// A request that is not over.
#[derive(Debug)]
struct Request {
    is_post: bool,
    asked_at: Timestamp,
    /// The machines it was sent to.
    sent_to: Vec<usize>,
    sent_at: Timestamp,
    has_begun: bool,
    /// True if every machine that could have served was dead when it was asked.
    is_hopeless: bool,
}

impl Request {
    /// The machines that are wanted and that it was not sent to.
    fn untried<'m>(
        &self,
        machines: &'m [Machine],
    ) -> impl Iterator<Item = &'m Machine> + use<'m, '_> {
        let wanted = machines.iter().enumerate().filter(|(_, m)| m.is_wanted());
        let untried = wanted.filter(|(number, _)| !self.sent_to.contains(number));
        untried.map(|(_, machine)| machine)
    }
}

pub(super) struct Ledger {
    check: CheckKind,
    max_retries: u32,
    open: HashMap<RequestId, Request>,
    /// Number of requests each machine was sent.
    pub(super) sent: [usize; MACHINES],
    served: usize,
    saved: usize,
    failed: HashMap<&'static str, usize>,
}

impl Ledger {
    pub(super) fn new(check: CheckKind, max_retries: u32) -> Self {
        Self {
            check,
            max_retries,
            open: HashMap::new(),
            sent: [0; MACHINES],
            served: 0,
            saved: 0,
            failed: HashMap::new(),
        }
    }

    /// A caller asks.
    pub(super) fn open(
        &mut self,
        id: RequestId,
        is_post: bool,
        machines: &[Machine],
        now: Timestamp,
    ) {
        let mut wanted = machines.iter().filter(|machine| machine.is_wanted());
        let request = Request {
            is_post,
            asked_at: now,
            sent_to: Vec::new(),
            sent_at: now,
            has_begun: false,
            is_hopeless: wanted.all(|machine| machine.condition() == Condition::Dead),
        };
        self.open.insert(id, request);
    }

    /// A request was sent to a machine.
    pub(super) fn reached(&mut self, id: RequestId, machine: usize, now: Timestamp) {
        let request = self.open.get_mut(&id).expect("a request that is not over");
        request.sent_to.push(machine);
        self.sent[machine] += 1;
        request.sent_at = now;
        let sent = request.sent_to.len();
        let most = if request.is_post {
            1
        } else {
            1 + self.max_retries as usize
        };
        assert!(sent <= most, "{id:?} was sent {sent} times: {request:?}");
    }

    /// Part of its response was sent.
    pub(super) fn begun(&mut self, id: RequestId) {
        if let Some(request) = self.open.get_mut(&id) {
            request.has_begun = true;
        }
    }

    /// A request is over for its caller.
    pub(super) fn close(
        &mut self,
        id: RequestId,
        ending: &Ending,
        machines: &[Machine],
        now: Timestamp,
    ) {
        let request = self.open.remove(&id).expect("a request that is not over");
        if request.is_hopeless {
            let took = now.since(request.asked_at);
            assert!(took <= NEWS, "{id:?} was refused only after {took:?}");
        }
        if let Ending::Responded(_) = ending {
            self.served += 1;
            self.saved += usize::from(request.sent_to.len() > 1);
            return;
        }
        match self.excuse(&request, ending, machines, now) {
            Some(excuse) => *self.failed.entry(excuse).or_default() += 1,
            None => panic!("{id:?} need not have failed with {ending:?} at {now:?}: {request:?}"),
        }
    }

    /// Returns why a request failed that could have been served.
    fn excuse(
        &self,
        request: &Request,
        ending: &Ending,
        machines: &[Machine],
        now: Timestamp,
    ) -> Option<&'static str> {
        let last = request.sent_to.last().map(|last| &machines[*last]);
        let asked_at = earlier(request.asked_at, NEWS);
        let was_failed = last.is_some_and(|last| last.was_unwell_since(asked_at));
        let is_timeout =
            matches!(ending, Ending::Refused(page) if page.contains("backend_timeout"));
        let was_cut_off = last.is_some_and(|last| last.was_cut_off(request.sent_at, now));
        if was_cut_off && (request.is_post || request.has_begun) {
            return Some("was cut off");
        }
        if was_failed && request.is_post {
            return Some("may not be repeated");
        }
        if was_failed && request.has_begun && *ending == Ending::Broken {
            return Some("had begun");
        }
        if is_timeout {
            let in_vain = was_failed && now.since(request.sent_at) >= FIRST_BYTE_TIMEOUT;
            let had_to = in_vain && !self.was_to_be_rescued(request, machines, now);
            return had_to.then_some("timed out");
        }
        let waited = now.since(request.asked_at);
        let is_tried = |machine: &Machine| {
            let was_cut_off = machine.was_unplugged_since(request.asked_at);
            machine.was_dead_since(request.asked_at) || (was_cut_off && !waited.is_zero())
        };
        if !request.untried(machines).any(|machine| !is_tried(machine)) {
            return Some("nobody else");
        }
        let connect_timeout = Timeouts::default().connect;
        let timed_out = (waited.as_nanos() / connect_timeout.as_nanos()) as usize;
        let attempts = request.sent_to.len() + timed_out;
        (attempts > self.max_retries as usize).then_some("retries used up")
    }

    /// Returns whether checks have shown that its server hangs, and another could have been
    /// tried.
    fn was_to_be_rescued(&self, request: &Request, machines: &[Machine], now: Timestamp) -> bool {
        let since = earlier(now, CHECKED_WITHIN);
        // One that could not be connected to was tried in vain, though nothing was sent to it.
        let was_missed = |m: &Machine| {
            m.was_unplugged_since(request.asked_at) || m.was_dead_since(request.asked_at)
        };
        let mut untried = request.untried(machines);
        let could = untried.any(|m| m.is_steady_since(since) && !was_missed(m));
        // To connect where nothing gets through is an attempt as well.
        let cut_off = |m: &&Machine| m.was_unplugged_since(request.asked_at);
        let cut_off = request.untried(machines).filter(cut_off).count();
        let attempts = request.sent_to.len() + cut_off;
        let may = attempts <= self.max_retries as usize && attempts < 2;
        self.check == CheckKind::HTTP && could && may
    }

    /// Returns how many requests have failed, all of them with an excuse.
    pub(super) fn failed(&self) -> usize {
        self.failed.values().sum()
    }

    /// The run was not so calm, or so wild, that it proved nothing.
    pub(super) fn check_it_was_worth_it(&self) {
        let failed = self.failed();
        assert!(self.served > 2_000, "{} served", self.served);
        assert!(
            self.saved + failed > 20,
            "{} saved, {failed} not",
            self.saved
        );
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos() - by.as_nanos() as u64)
}
