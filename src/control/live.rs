//! The figures of all pools several times a second, as a stream of server-sent events.
//!
//! A subscriber first gets everything, then what has changed: `pools` says what there is (names,
//! states, weights), `tick` what is measured. A tick is short, for there may be hundreds of backends:
//! rows of numbers under the number of the backend.

use super::journal::seconds;
use super::recent::{Quantiles, Recent};
use super::roster::{Overlay, Roster};
use super::view::{Origin, shed};
use crate::strategy::BackendId;
use crate::telemetry::{BackendSnapshot, Counters, PoolSnapshot, Sample, Snapshot};
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Time between two ticks of a pool of ordinary size.
const TICK: Duration = Duration::from_millis(250);
/// Backends from which on ticks are half as frequent, and once more at ten times as many.
const MANY: usize = 200;
/// Steps of the wall clock that do not move the beginning of a state.
const JITTER: f64 = 1.0;

/// What is known of all workers at one moment.
pub(crate) struct Facts<'a> {
    pub(crate) origin: Origin<'a>,
    pub(crate) snapshot: &'a Snapshot,
    /// Of the backends of the snapshot, in its order.
    pub(crate) ids: &'a [BackendId],
    /// Of each pool, with its name.
    pub(crate) rosters: &'a [(String, Roster)],
    pub(crate) now: Timestamp,
}

/// What subscribers know.
#[derive(Debug, Default)]
pub(crate) struct Live {
    due_at: Timestamp,
    backends: HashMap<BackendId, Told>,
    next_number: u64,
    pools: Vec<String>,
    pub(crate) recent: Recent,
}

/// A backend as subscribers know it. It becomes JSON only when it is sent.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    about: About,
    row: Row,
}

/// What there is to say of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct About {
    id: u64,
    name: String,
    address: String,
    state: &'static str,
    cause: Option<String>,
    since: f64,
    departing: bool,
    weight: u32,
    max_in_flight: Option<u32>,
    owner: Option<String>,
    operator: Option<Overlay>,
    ejections: u64,
}

/// What is measured of a backend, or of a pool: numbers, and median and 99th percentile of response
/// times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Row([u64; 8], Option<u64>, Option<u64>);

/// Events to send.
#[derive(Debug)]
pub(crate) struct Figures {
    /// To those who know what was sent before.
    pub(crate) changed: String,
    /// To those who know nothing.
    pub(crate) whole: String,
}

impl Live {
    /// When the next tick is due, if anybody watches.
    pub(crate) const fn due_at(&self) -> Timestamp {
        self.due_at
    }

    /// Takes the exchanges that have ended since the last time.
    pub(crate) fn add(&mut self, samples: Vec<Sample>, now: Timestamp) {
        self.recent.add(samples, now);
    }

    /// The events of a tick, and the whole for those who are new, if there are any.
    pub(crate) fn tick(&mut self, facts: &Facts<'_>, with_whole: bool) -> Figures {
        let tempo = match facts.ids.len() {
            count if count < MANY => 1,
            count if count < MANY * 10 => 2,
            _ => 4,
        };
        self.due_at = facts.now + TICK * tempo;
        let gone = self.forget(facts);
        let (mut rows, mut all_rows) = (Vec::new(), Vec::new());
        let mut pools = Pools::new(facts);
        for (backend, id) in facts.snapshot.backends.iter().zip(facts.ids) {
            let (has_changed, told) = self.tell(facts, backend, *id);
            if has_changed.about {
                pools.add_changed(*id, &told.about);
            }
            if with_whole {
                pools.add(*id, &told.about);
                all_rows.push(told.row.shown());
            }
            if has_changed.row {
                rows.push(told.row.shown());
            }
        }
        let shape = pools.shape(facts);
        let is_same = shape == self.pools && gone.is_empty();
        let mut changed = String::new();
        if !is_same || pools.has_changed() {
            let part = pools.event(facts, &pools.changed, false, &gone);
            changed.push_str(&as_event("pools", &part));
        }
        self.pools = shape;
        changed.push_str(&as_event("tick", &self.measured(facts, rows)));
        let mut whole = String::new();
        if with_whole {
            whole.push_str(&as_event(
                "pools",
                &pools.event(facts, &pools.all, true, &[]),
            ));
            whole.push_str(&as_event("tick", &self.measured(facts, all_rows)));
        }
        Figures { changed, whole }
    }

    /// Forgets backends that are gone. Returns their numbers.
    fn forget(&mut self, facts: &Facts<'_>) -> Vec<u64> {
        let mut gone = Vec::new();
        if self.backends.len() > facts.ids.len() || !self.knows_all(facts) {
            let here: HashSet<_> = facts.ids.iter().collect();
            self.backends.retain(|id, told| {
                let stays = here.contains(id);
                if !stays {
                    gone.push(told.about.id);
                }
                stays
            });
        }
        gone.sort_unstable();
        gone
    }

    fn knows_all(&self, facts: &Facts<'_>) -> bool {
        facts.ids.iter().all(|id| self.backends.contains_key(id))
    }

    fn tell(&mut self, facts: &Facts<'_>, it: &BackendSnapshot, id: BackendId) -> (Changed, &Told) {
        let since = facts.origin.wall.saturating_sub(it.standing.in_state);
        let mut since = seconds(since);
        let known = self.backends.get(&id);
        if let Some(known) = known.filter(|known| (known.about.since - since).abs() < JITTER) {
            since = known.about.since;
        }
        let number = known.map_or(self.next_number, |known| known.about.id);
        let about = about(facts, it, id, number, since);
        let row = Row::of_backend(it, number, self.recent.of_backend(id));
        let changed = Changed {
            about: known.is_none_or(|known| known.about != about),
            row: known.is_none_or(|known| known.row != row),
        };
        self.next_number = self.next_number.max(number + 1);
        let told = Told { about, row };
        let entry = self.backends.entry(id).insert_entry(told);
        (changed, entry.into_mut())
    }

    fn measured(&self, facts: &Facts<'_>, backends: Vec<Value>) -> Value {
        let snapshot = facts.snapshot;
        let pools = snapshot.pools.iter();
        let id = |pool: &PoolSnapshot| crate::ids::PoolId::new(pool.number);
        let pools: Vec<_> = pools
            .map(|pool| Row::of_pool(pool, self.recent.of_pool(id(pool))).shown())
            .collect();
        json!({
            "at": seconds(facts.origin.wall),
            "seq": facts.origin.seq,
            "uptime": seconds(snapshot.uptime),
            "connections": snapshot.connections_open,
            "accepted": snapshot.connections_accepted,
            "pools": pools,
            "backends": backends,
        })
    }
}

/// What of a backend is other than it was told last.
#[derive(Clone, Copy)]
struct Changed {
    about: bool,
    row: bool,
}

/// The backends of each pool.
struct Pools {
    /// The place of each pool, by its number.
    places: HashMap<u16, usize>,
    all: Vec<Vec<Value>>,
    changed: Vec<Vec<Value>>,
}

impl Pools {
    fn new(facts: &Facts<'_>) -> Self {
        let pools = &facts.snapshot.pools;
        let empty = vec![Vec::new(); pools.len()];
        let places = (0..).zip(pools).map(|(place, pool)| (pool.number, place));
        Self {
            places: places.collect(),
            all: empty.clone(),
            changed: empty,
        }
    }

    fn add(&mut self, id: BackendId, about: &About) {
        let place = self.places.get(&id.pool().number());
        if let Some(of_pool) = place.and_then(|place| self.all.get_mut(*place)) {
            of_pool.push(json!(about));
        }
    }

    fn add_changed(&mut self, id: BackendId, about: &About) {
        let place = self.places.get(&id.pool().number());
        if let Some(of_pool) = place.and_then(|place| self.changed.get_mut(*place)) {
            of_pool.push(json!(about));
        }
    }

    fn has_changed(&self) -> bool {
        self.changed.iter().any(|of_pool| !of_pool.is_empty())
    }

    /// What is told of the pools besides their backends.
    fn shape(&self, facts: &Facts<'_>) -> Vec<String> {
        let pools = facts.snapshot.pools.iter();
        pools
            .map(|pool| format!("{}\n{}", pool.name, pool.strategy))
            .collect()
    }

    fn event(
        &self,
        facts: &Facts<'_>,
        backends: &[Vec<Value>],
        whole: bool,
        gone: &[u64],
    ) -> Value {
        let pools = facts.snapshot.pools.iter().zip(backends);
        let pools = pools.map(|(pool, backends)| {
            json!({ "name": pool.name, "strategy": pool.strategy, "backends": backends })
        });
        json!({
            "boot_id": facts.origin.boot_id,
            "version": env!("CARGO_PKG_VERSION"),
            "whole": whole,
            "workers": facts.snapshot.workers.len().max(1),
            "pools": pools.collect::<Vec<_>>(),
            "gone": gone,
        })
    }
}

fn about(facts: &Facts<'_>, it: &BackendSnapshot, id: BackendId, number: u64, since: f64) -> About {
    let standing = &it.standing;
    let roster = facts.rosters.get(usize::from(id.pool().number()));
    let roster = roster.map(|(_, roster)| roster);
    let owner = roster.and_then(|roster| roster.owner(&standing.name));
    About {
        id: number,
        name: standing.name.clone(),
        address: standing.address.clone(),
        state: it.state,
        cause: standing.cause.clone(),
        since,
        departing: standing.is_departing,
        weight: standing.weight,
        max_in_flight: standing.max_in_flight,
        owner: owner.map(str::to_owned),
        operator: roster.and_then(|roster| roster.overlay_view(&standing.name)),
        ejections: standing.ejections,
    }
}

impl Row {
    fn of_backend(it: &BackendSnapshot, number: u64, times: Option<Quantiles>) -> Self {
        let counters = &it.counters;
        let numbers = [
            number,
            it.in_flight.into(),
            it.standing.tunnels,
            it.picks,
            responses(counters),
            counters.statuses.of_class(5),
            counters.errors,
            counters.retries,
        ];
        Self::new(numbers, times)
    }

    fn of_pool(pool: &PoolSnapshot, times: Option<Quantiles>) -> Self {
        let (activity, counters) = (&pool.activity, &pool.counters);
        let numbers = [
            activity.exchanges,
            activity.queued,
            micros(activity.oldest_wait),
            counters.exchanges + activity.exchanges,
            shed(pool),
            counters.statuses.of_class(5),
            counters.errors,
            counters.retries,
        ];
        Self::new(numbers, times)
    }

    fn new(numbers: [u64; 8], times: Option<Quantiles>) -> Self {
        let p50 = times.map(|times| micros(times.p50));
        let p99 = times.map(|times| micros(times.p99));
        Self(numbers, p50, p99)
    }

    /// In one row.
    fn shown(&self) -> Value {
        let Self(numbers, p50, p99) = self;
        let numbers = numbers.iter().map(|number| json!(number));
        Value::Array(numbers.chain([json!(p50), json!(p99)]).collect())
    }
}

fn responses(counters: &Counters) -> u64 {
    counters.statuses.iter().map(|(_, count)| count).sum()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn as_event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::roster::Kept;

    fn backend(name: &str, state: &'static str, picks: u64) -> BackendSnapshot {
        let standing = crate::telemetry::Standing {
            name: name.to_owned(),
            pool: "p".to_owned(),
            ..Default::default()
        };
        BackendSnapshot {
            name: name.to_owned(),
            state,
            standing,
            in_flight: 0,
            picks,
            counters: Counters::default(),
            faults: Default::default(),
            response_times: None,
            times: Default::default(),
            heartbeat: None,
        }
    }

    fn snapshot(backends: Vec<BackendSnapshot>) -> Snapshot {
        let pool = PoolSnapshot {
            name: "p".to_owned(),
            strategy: "least-rt",
            ..Default::default()
        };
        Snapshot {
            pools: vec![pool],
            backends,
            ..Default::default()
        }
    }

    /// The data of each event, by its name.
    fn events(text: &str) -> Vec<(String, Value)> {
        let each = text.split_terminator("\n\n");
        each.map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data = data.strip_prefix("data: ").unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
    }

    struct Watched {
        live: Live,
        rosters: Vec<(String, Roster)>,
        wall: Duration,
    }

    impl Watched {
        fn tick(&mut self, snapshot: &Snapshot, ids: &[BackendId], with_whole: bool) -> Figures {
            // The clocks differ by a little each time.
            self.wall += Duration::from_micros(250_700);
            let facts = Facts {
                origin: Origin {
                    boot_id: "b",
                    seq: 3,
                    wall: self.wall,
                },
                snapshot,
                ids,
                rosters: &self.rosters,
                now: Timestamp::ZERO,
            };
            self.live.tick(&facts, with_whole)
        }
    }

    fn watched() -> Watched {
        let (roster, _) = Roster::restored(Kept::default(), &[]);
        Watched {
            live: Live::default(),
            rosters: vec![("p".to_owned(), roster)],
            wall: Duration::from_secs(1_000_000),
        }
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let mut watched = watched();
        let ids = [BackendId::new(0, 0), BackendId::new(1, 0)];
        let mut standing_for = Duration::ZERO;
        let mut of = |a: &'static str, picks| {
            standing_for += Duration::from_millis(250);
            let mut all = vec![backend("a", a, picks), backend("b", "healthy", 1)];
            for backend in &mut all {
                backend.standing.in_state = standing_for;
            }
            snapshot(all)
        };
        let first = events(&watched.tick(&of("healthy", 1), &ids, true).whole);
        assert_eq!(first[0].0, "pools");
        assert_eq!(first[0].1["pools"][0]["backends"][1]["name"], "b");
        assert_eq!(first[1].1["backends"].as_array().unwrap().len(), 2);

        let same = events(&watched.tick(&of("healthy", 1), &ids, false).changed);
        assert_eq!(same.len(), 1, "{same:?}");
        assert_eq!(same[0].1["backends"], json!([]));

        let picked = events(&watched.tick(&of("healthy", 2), &ids, false).changed);
        let rows = picked[0].1["backends"].as_array().unwrap();
        assert_eq!(
            (rows.len(), &rows[0][0], &rows[0][3]),
            (1, &json!(0), &json!(2))
        );

        let ejected = events(&watched.tick(&of("ejected", 2), &ids, false).changed);
        let told = ejected[0].1["pools"][0]["backends"].as_array().unwrap();
        assert_eq!((told.len(), &told[0]["state"]), (1, &json!("ejected")));
        assert_eq!(ejected[0].1["whole"], json!(false));
    }

    #[test]
    fn a_backend_that_is_gone_is_told_once_and_its_number_is_not_used_again() {
        let mut watched = watched();
        let both = [BackendId::new(0, 0), BackendId::new(1, 0)];
        let here = snapshot(vec![backend("a", "healthy", 0), backend("b", "healthy", 0)]);
        watched.tick(&here, &both, false);
        let left = snapshot(vec![backend("b", "healthy", 0)]);
        let gone = events(&watched.tick(&left, &both[1..], false).changed);
        assert_eq!(gone[0].1["gone"], json!([0]));
        // Another in the same slot.
        let ids = [BackendId::new(0, 1), BackendId::new(1, 0)];
        let again = events(&watched.tick(&here, &ids, false).changed);
        assert_eq!(again[0].1["pools"][0]["backends"][0]["id"], json!(2));
        assert_eq!(again[0].1["gone"], json!([]));
    }

    #[test]
    fn hundreds_of_backends_tick_slower() {
        let mut watched = watched();
        let ids: Vec<_> = (0..500).map(|slot| BackendId::new(slot, 0)).collect();
        let names: Vec<_> = (0..500).map(|n| n.to_string()).collect();
        let many = names.iter().map(|name| backend(name, "healthy", 1));
        let text = watched.tick(&snapshot(many.collect()), &ids, false).changed;
        assert_eq!(watched.live.due_at(), Timestamp::ZERO + 2 * TICK);
        let tick = events(&text).pop().unwrap().1.to_string();
        assert!(tick.len() < 500 * 50, "{}", tick.len());
    }
}
