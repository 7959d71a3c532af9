//! Learns whether the backends of a pool are serial, and then gives each one request at a time.
//!
//! A *serial* backend works on one request after the other. What it is given beyond the one it
//! works on waits there, behind a request that may be long, while another backend falls idle; in
//! the balancer's queue it would go to the first with room. One that works on several at once must
//! not be held to one, so the pool has to show that it is serial:
//! * hardly a response overtakes an older one at the same backend, and
//! * a request that found its backend busy takes as long, from the later of its dispatch and the last
//!   completion there, as one that found it idle. Where backends do several things at once it
//!   takes less.
//!
//! One backend that works on several at once speaks for all, however serial the others are: see
//! [`service_times`](super::service_times).
//!
//! Times are compared as logarithms, and within each backend: a slow backend, which is found busy
//! more often, must not look serial. The evidence is forgotten with a half-life of a minute. While
//! the pool is held to one each, no request finds a backend busy: so after two minutes the evidence
//! is used up, and it looks again. A long queue is given in pairs, which are evidence too.
//!
//! Streams, tunnels and long downloads hold a place for longer than the work takes: a pool with
//! more than a few of them is not serial, and where nothing is completed for long while requests
//! wait, the limit is lifted at once.
//!
//! What waits in the balancer would, without the limit, wait at the backends, where no queue is ever
//! full. So the limit is no reason to refuse a request: before the line is half full, or half of the
//! time is over that a request may wait in it, each backend is given twice as many, and again.
//!
//! Between a response and the next request a backend stands idle for a round trip. In the balancer's
//! eyes that is part of the service of a request that found it idle, and not of one that found it
//! busy: where those are a little shorter, each backend is given two, so that one is always there.
//! That keeps most of the gain, and loses nothing where one each would lose much.
//!
//! Refused: comparing throughput with and without the limit, which takes minutes of the worse one.

use super::Lease;
use super::selection::{HELD_FOR, Selection};
use super::service_times::{Mean, Objection, ServiceTimes};
use super::sharing::Sharing;
use crate::ids::PoolId;
use crate::shared::Finding;
use crate::time::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Half-life of the evidence. Seconds.
const HALF_LIFE_S: f32 = 60.0;
/// Requests that found a backend busy, and idle, for a beginning; and to go on.
const TO_BEGIN: f32 = 200.0;
const TO_STAY: f32 = 50.0;
/// The share of responses that may overtake, or last long.
const OVERTAKING: f32 = 0.005;
/// How many times as long as the busy the idle may take: to begin, and to go on.
const SHORTER_TO_BEGIN: f32 = 1.2;
const SHORTER_TO_STAY: f32 = 1.25;
/// How many times as long as the busy the idle may take for one each. It is in logarithms, which a
/// constant that is added to short ones moves much: a round trip of 4 % of the mean work is found.
/// Less is not told from chance, and would cost near backends some of the gain.
const SHORTER_FOR_ONE: f32 = 1.09;
/// Comparisons it takes besides, of requests at the same backend: a quarter of the samples.
const COMPARED: f32 = 0.25;
/// Samples over which the typical time in service goes.
const TYPICAL: f32 = 64.0;
/// The evidence is weighed after so many responses.
const WEIGH_EVERY: u32 = 32;
/// A response that lasts this much longer than its first byte took, at least, holds its place for
/// more than the work.
const STREAM_NANOS: u64 = 100_000_000;
/// While requests wait, something must be completed within this, and so many times the mean.
const STANDSTILL: Duration = Duration::from_millis(100);
const STANDSTILL_MEANS: f32 = 16.0;

/// One exchange that ended well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    slot: usize,
    /// From the later of its dispatch and the last completion there to its own.
    in_service_nanos: u64,
    /// From its dispatch to its end.
    life_nanos: u64,
    response_nanos: u64,
    /// Exchanges that were in flight there before it.
    ahead: u32,
    overtook: bool,
}

impl Served {
    /// That of `lease`, `before` being when its backend last completed another.
    pub(super) fn new(
        lease: &Lease,
        response_time: Duration,
        overtook: bool,
        before: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let nanos_since = |at: Timestamp| now.as_nanos().saturating_sub(at.as_nanos());
        let began_at = before.map_or(lease.dispatched_at, |at| at.max(lease.dispatched_at));
        Self {
            slot: lease.backend.slot(),
            in_service_nanos: nanos_since(began_at),
            life_nanos: nanos_since(lease.dispatched_at),
            response_nanos: response_time.as_nanos() as u64,
            ahead: lease.ahead,
            overtook,
        }
    }
}

/// Each backend of a pool is given one exchange at a time from now on, or no longer.
///
/// Displays as a line for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// When, on the clock of the balancer.
    pub at: Timestamp,
    /// Which pool.
    pub pool: PoolId,
    /// Whether the backends are found to work on one exchange after the other.
    pub is_serial: bool,
}

impl Display for LimitChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pool = self.pool.number();
        match self.is_serial {
            true => write!(f, "pool {pool} is serial: one request at a time"),
            false => write!(
                f,
                "pool {pool}: requests in flight per backend no longer limited"
            ),
        }
    }
}

/// The evidence, and what follows from it.
#[derive(Debug)]
pub(super) struct LateBinding {
    /// Logarithms of times in service, by slot.
    times: Vec<ServiceTimes>,
    /// Responses, and those of them that overtook or lasted.
    responses: f32,
    overtaking: f32,
    /// Mean logarithm of the time in service over the pool. Nanoseconds.
    typical: f32,
    decayed_at: Timestamp,
    completed_at: Timestamp,
    until_weighed: u32,
    finding: Finding,
    /// Exchanges that each backend is given at once while it is serial and few wait: 1, or 2 where
    /// the way to backends takes long beside the work.
    fewest: u32,
    /// What was not told yet.
    change: Option<LimitChange>,
    /// Responses a second, of late.
    rate: f32,
    line: LineLimits,
}

/// The line in which exchanges wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimits {
    /// Exchanges that may wait.
    pub length: usize,
    /// How long each may.
    pub time: Duration,
}

impl LineLimits {
    /// Any number, for ever.
    const NONE: Self = Self {
        length: usize::MAX,
        time: Duration::MAX,
    };

    /// How many may wait before the limit yields, if so many a second are served.
    fn comfortable(self, rate: f32) -> usize {
        let in_time = rate * self.time.as_secs_f32() / 2.0;
        (self.length / 2).min(in_time as usize)
    }
}

impl Default for LateBinding {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            responses: 0.0,
            overtaking: 0.0,
            typical: 0.0,
            decayed_at: Timestamp::ZERO,
            completed_at: Timestamp::ZERO,
            until_weighed: WEIGH_EVERY,
            finding: Finding::Unknown,
            fewest: 1,
            change: None,
            rate: f32::INFINITY,
            line: LineLimits::NONE,
        }
    }
}

impl LateBinding {
    /// Learns from an exchange. Returns whether it is time to weigh what is known.
    fn learn(&mut self, served: Served, now: Timestamp) -> bool {
        let sample = (served.in_service_nanos.max(1).cast_signed() as f32).log2();
        if served.slot >= self.times.len() {
            self.times.resize(served.slot + 1, ServiceTimes::default());
        }
        let Some(times) = self.times.get_mut(served.slot) else {
            return false;
        };
        let lasts = served.life_nanos.saturating_sub(served.response_nanos);
        let is_stream = lasts > STREAM_NANOS.max(served.response_nanos);
        let overtaking = f32::from(u8::from(served.overtook || is_stream));
        times.add(sample, served.ahead == 0, overtaking);
        self.responses += 1.0;
        self.overtaking += overtaking;
        self.typical += (sample - self.typical) / self.responses.min(TYPICAL);
        self.completed_at = now;
        self.until_weighed = self.until_weighed.saturating_sub(1);
        self.until_weighed == 0
    }

    /// Forgets as much as the time since the last call has it.
    fn decay(&mut self, now: Timestamp) {
        let elapsed_s = now.since(self.decayed_at).as_secs_f32();
        let left = (-elapsed_s / HALF_LIFE_S).exp2();
        self.rate = WEIGH_EVERY as f32 / elapsed_s.max(f32::MIN_POSITIVE);
        self.decayed_at = now;
        for times in &mut self.times {
            times.decay(left);
        }
        self.responses *= left;
        self.overtaking *= left;
    }

    /// What the evidence says.
    fn weigh(&mut self, now: Timestamp) -> Finding {
        self.until_weighed = WEIGH_EVERY;
        self.decay(now);
        let (samples, shorter) = match self.finding {
            Finding::Serial => (TO_STAY, SHORTER_TO_STAY),
            Finding::Unknown | Finding::Parallel => (TO_BEGIN, SHORTER_TO_BEGIN),
        };
        if self.overtaking > OVERTAKING * self.responses.max(TO_BEGIN) {
            return Finding::Parallel;
        }
        let (mut idle, mut busy, mut excess) = (0.0, 0.0, Mean::default());
        for times in &self.times {
            idle += times.idle.count;
            busy += times.busy.count;
            // The less there is of either, the less the difference says.
            let both = times.idle.count * times.busy.count;
            let weight = both / (times.idle.count + times.busy.count).max(1.0);
            excess.sum += weight * (times.busy.value() - times.idle.value());
            excess.count += weight;
        }
        if busy < samples || idle < samples || excess.count < samples * COMPARED {
            return Finding::Unknown;
        }
        match self.objection() {
            Some(Objection::Parallel) => return Finding::Parallel,
            Some(Objection::Unknown) => return Finding::Unknown,
            None => {}
        }
        let excess = excess.sum / excess.count;
        self.fewest = match excess >= -SHORTER_FOR_ONE.log2() {
            true => 1,
            false => 2,
        };
        match excess >= -shorter.log2() {
            true => Finding::Serial,
            false => Finding::Parallel,
        }
    }

    /// What the backends say, each alone, against the pool being serial.
    fn objection(&self) -> Option<Objection> {
        let known = self.times.iter();
        let known = known.filter(|it| it.idle.count + it.busy.count > 0.0);
        let each = self.responses / known.clone().count().max(1) as f32;
        let was_serial = self.finding == Finding::Serial;
        let mut objections = known.filter_map(|it| it.objection(each, was_serial));
        let first = objections.next()?;
        let is_parallel = |it: Objection| it == Objection::Parallel;
        match is_parallel(first) || objections.any(is_parallel) {
            true => Some(Objection::Parallel),
            false => Some(Objection::Unknown),
        }
    }

    /// Whether nothing was completed for so long that the limit must be at fault.
    fn stands_still(&self, now: Timestamp) -> bool {
        let typical = Duration::from_nanos(self.typical.exp2() as u64);
        now.since(self.completed_at) > STANDSTILL + typical.mul_f32(STANDSTILL_MEANS)
    }

    /// Forgets all.
    fn reset(&mut self, now: Timestamp) {
        *self = Self {
            completed_at: now,
            decayed_at: now,
            change: self.change,
            line: self.line,
            ..Self::default()
        };
    }
}

/// What follows for the pool.
impl LateBinding {
    /// Sets the limits of the line in which exchanges wait for room.
    pub(super) const fn set_line(&mut self, line: LineLimits) {
        self.line = line;
    }

    /// Takes the last change of the limit that was not taken yet.
    pub(super) const fn take_change(&mut self) -> Option<LimitChange> {
        self.change.take()
    }

    /// An exchange ended well.
    pub(super) fn note_served(&mut self, selection: &Selection, served: Served, now: Timestamp) {
        if self.learn(served, now) {
            let finding = self.weigh(now);
            self.conclude(selection, finding);
        }
    }

    /// This worker has come to a finding.
    fn conclude(&mut self, selection: &Selection, finding: Finding) {
        self.finding = finding;
        if let Some(sharing) = &selection.sharing {
            sharing.say(finding);
        }
    }

    /// How many exchanges each backend is to be given at once while so many wait.
    fn places(&self, selection: &Selection, waiting: usize) -> u32 {
        let is_serial = match &selection.sharing {
            None => self.finding == Finding::Serial,
            Some(sharing) => sharing.shared_load.is_serial(),
        };
        let workers = selection.sharing.as_ref().map_or(1, Sharing::workers);
        let comfortable = self.line.comfortable(self.rate * workers as f32);
        let count = selection.members.candidates.len();
        match selection.members.places {
            _ if !is_serial => u32::MAX,
            places if waiting > comfortable => places.saturating_mul(2),
            places @ 3.. if waiting > comfortable / 2 => places,
            2 if waiting > count => 2,
            _ if waiting > 2 * count => 2,
            _ => self.fewest,
        }
    }

    /// Brings the limits in line with what is found, before a pick while so many wait.
    #[inline]
    pub(super) fn adjust_places(
        &mut self,
        selection: &mut Selection,
        waiting: usize,
        now: Timestamp,
    ) {
        let places = self.places(selection, waiting);
        if places != selection.members.places {
            self.set_places(selection, places, now);
        }
    }

    #[cold]
    fn set_places(&mut self, selection: &mut Selection, places: u32, now: Timestamp) {
        let was_serial = selection.members.is_held();
        selection.members.hold_all_to(places);
        self.completed_at = now;
        let is_serial = selection.members.is_held();
        if was_serial != is_serial && selection.decides() {
            self.change = Some(LimitChange {
                at: now,
                pool: selection.members.pool,
                is_serial,
            });
        }
    }

    /// An exchange found no room. Returns whether there is now, because the limit was lifted.
    #[cold]
    pub(super) fn lift_limit(&mut self, selection: &mut Selection, now: Timestamp) -> bool {
        if !selection.members.is_held() {
            return false;
        }
        if !self.stands_still(now) {
            selection.look_again_at(now + HELD_FOR);
            return false;
        }
        self.reset(now);
        self.conclude(selection, Finding::Parallel);
        self.set_places(selection, u32::MAX, now);
        true
    }

    /// Ends it: each backend is given what it was set to.
    pub(super) fn end(&mut self, selection: &mut Selection, now: Timestamp) {
        self.conclude(selection, Finding::Unknown);
        self.set_places(selection, u32::MAX, now);
    }
}
