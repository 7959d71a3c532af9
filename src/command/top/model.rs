//! A running lb as its live stream tells it: pools, backends, figures, events.
//!
//! The stream tells everything first and then what changes; rates are of the last two seconds.

use crate::command::event_words::{wall_time, words};
use lb::internal::telemetry::WallTime;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Events that are kept.
const MAX_EVENTS: usize = 200;
/// Span of a rate, in seconds.
const RATE_SPAN: f64 = 2.0;

/// What is known of lb.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) version: String,
    pub(super) workers: u64,
    pub(super) uptime: Duration,
    /// The wall clock of lb at the last tick, in seconds.
    pub(super) at: f64,
    pub(super) connections: u64,
    pub(super) pools: Vec<Pool>,
    /// By the number under which the stream has them.
    pub(super) backends: BTreeMap<u64, Backend>,
    /// The newest last.
    pub(super) events: VecDeque<String>,
    /// The number of the newest event.
    pub(super) seq: u64,
    boot_id: String,
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) strategy: String,
    pub(super) figures: PoolFigures,
    pub(super) rate: Rate,
    pub(super) refused_rate: Rate,
}

#[derive(Debug)]
pub(super) struct Backend {
    pub(super) pool: String,
    pub(super) about: About,
    pub(super) figures: BackendFigures,
    pub(super) rate: Rate,
    pub(super) error_rate: Rate,
}

/// What there is to say of a backend.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct About {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) state: String,
    pub(super) cause: Option<String>,
    pub(super) since: f64,
    pub(super) departing: bool,
    pub(super) weight: u32,
    pub(super) max_in_flight: Option<u32>,
    pub(super) operator: Option<Value>,
}

/// A row of a tick, of a backend.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(from = "[Option<u64>; 10]")]
pub(super) struct BackendFigures {
    id: u64,
    pub(super) in_flight: u64,
    pub(super) tunnels: u64,
    picks: u64,
    /// Responses with a status of 500 to 599.
    pub(super) failed: u64,
    pub(super) errors: u64,
    /// In microseconds, as the next.
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
}

impl From<[Option<u64>; 10]> for BackendFigures {
    fn from(row: [Option<u64>; 10]) -> Self {
        let [
            id,
            in_flight,
            tunnels,
            picks,
            _,
            failed,
            errors,
            _,
            p50,
            p99,
        ] = row;
        Self {
            id: id.unwrap_or(u64::MAX),
            in_flight: in_flight.unwrap_or_default(),
            tunnels: tunnels.unwrap_or_default(),
            picks: picks.unwrap_or_default(),
            failed: failed.unwrap_or_default(),
            errors: errors.unwrap_or_default(),
            p50,
            p99,
        }
    }
}

/// A row of a tick, of a pool.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(from = "[Option<u64>; 10]")]
pub(super) struct PoolFigures {
    pub(super) in_flight: u64,
    pub(super) queued: u64,
    arrivals: u64,
    pub(super) refused: u64,
    /// In microseconds, as the next.
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
}

impl From<[Option<u64>; 10]> for PoolFigures {
    fn from(row: [Option<u64>; 10]) -> Self {
        let [in_flight, queued, _, arrivals, refused, _, _, _, p50, p99] = row;
        Self {
            in_flight: in_flight.unwrap_or_default(),
            queued: queued.unwrap_or_default(),
            arrivals: arrivals.unwrap_or_default(),
            refused: refused.unwrap_or_default(),
            p50,
            p99,
        }
    }
}

/// What there is.
#[derive(Debug, Deserialize)]
struct Whole {
    boot_id: String,
    version: String,
    workers: u64,
    whole: bool,
    pools: Vec<PoolPart>,
    gone: Vec<u64>,
}

#[derive(Debug, Deserialize)]
struct PoolPart {
    name: String,
    strategy: String,
    backends: Vec<About>,
}

/// What is measured.
#[derive(Debug, Deserialize)]
struct Tick {
    at: f64,
    uptime: f64,
    connections: u64,
    pools: Vec<PoolFigures>,
    backends: Vec<BackendFigures>,
}

/// How fast a counter grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(VecDeque<(f64, u64)>);

impl Rate {
    fn note(&mut self, at: f64, count: u64) {
        // One that begins anew belongs to another lb.
        if self.0.back().is_some_and(|(_, last)| *last > count) {
            self.0.clear();
        }
        self.0.push_back((at, count));
        let is_old = |second: &(f64, u64)| at - second.0 >= RATE_SPAN;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// A second.
    pub(super) fn per_second(&self) -> f64 {
        match (self.0.front(), self.0.back()) {
            (Some((from, before)), Some((to, after))) if to > from => {
                after.saturating_sub(*before) as f64 / (to - from)
            }
            _ => 0.0,
        }
    }
}

impl Model {
    /// Takes an event of the stream. What is not understood is of another version, and left out.
    pub(super) fn take(&mut self, name: &str, data: &str) {
        match name {
            "pools" => {
                if let Ok(whole) = serde_json::from_str(data) {
                    self.take_whole(whole);
                }
            }
            "tick" => {
                if let Ok(tick) = serde_json::from_str(data) {
                    self.take_tick(&tick);
                }
            }
            "" => {
                if let Ok(event) = serde_json::from_str::<Value>(data) {
                    self.take_event(&event);
                }
            }
            _ => {}
        }
    }

    fn take_whole(&mut self, whole: Whole) {
        if whole.boot_id != self.boot_id && !self.boot_id.is_empty() {
            self.say("lb was started anew");
        }
        self.boot_id = whole.boot_id;
        self.version = whole.version;
        self.workers = whole.workers;
        if whole.whole {
            self.backends.clear();
        }
        let mut known = std::mem::take(&mut self.pools);
        for part in whole.pools {
            let place = known.iter().position(|pool| pool.name == part.name);
            let mut pool = place.map_or_else(Pool::default, |place| known.swap_remove(place));
            for about in part.backends {
                self.take_about(&part.name, about);
            }
            pool.name = part.name;
            pool.strategy = part.strategy;
            self.pools.push(pool);
        }
        for id in whole.gone {
            self.backends.remove(&id);
        }
    }

    fn take_about(&mut self, pool: &str, about: About) {
        if let Some(known) = self.backends.get_mut(&about.id) {
            known.about = about;
            return;
        }
        let backend = Backend {
            pool: pool.to_owned(),
            figures: BackendFigures::default(),
            rate: Rate::default(),
            error_rate: Rate::default(),
            about,
        };
        self.backends.insert(backend.about.id, backend);
    }

    fn take_tick(&mut self, tick: &Tick) {
        self.at = tick.at;
        self.uptime = Duration::try_from_secs_f64(tick.uptime).unwrap_or_default();
        self.connections = tick.connections;
        for (pool, figures) in self.pools.iter_mut().zip(&tick.pools) {
            pool.figures = *figures;
            pool.rate.note(tick.at, figures.arrivals);
            pool.refused_rate.note(tick.at, figures.refused);
        }
        for figures in &tick.backends {
            if let Some(backend) = self.backends.get_mut(&figures.id) {
                backend.figures = *figures;
            }
        }
        for backend in self.backends.values_mut() {
            backend.rate.note(tick.at, backend.figures.picks);
            backend.error_rate.note(tick.at, backend.figures.errors);
        }
    }

    fn take_event(&mut self, event: &Value) {
        if let Some(seq) = event.get("seq").and_then(Value::as_u64) {
            self.seq = seq;
        }
        let at = event.get("at").map(wall_time).unwrap_or_default();
        let mut wall = WallTime::default();
        let time = wall.format(at);
        // Hours, minutes and seconds.
        let time = time.get(11..19).unwrap_or_default();
        self.say(&format!("{time}  {}", words(event)));
    }

    /// Adds a line to the events.
    pub(super) fn say(&mut self, line: &str) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_seconds() {
        let mut rate = Rate::default();
        for tick in 0..40_u32 {
            let at = f64::from(tick) / 4.0;
            let count = u64::from(tick.saturating_sub(20)) * 25;
            rate.note(at, count);
        }
        assert!((rate.per_second() - 100.0).abs() < 1.0, "{rate:?}");
        rate.note(11.0, 3);
        assert_eq!(rate.per_second(), 0.0);
        assert!(rate.0.len() < 12);
    }

    #[test]
    fn what_is_gone_or_another_lb_is_forgotten() {
        let about = |id: u64, name: &str| {
            format!(
                r#"{{"id":{id},"name":"{name}","address":"{name}","state":"healthy","cause":null,
                "since":1.0,"departing":false,"weight":1,"max_in_flight":null,"owner":null,
                "operator":null,"ejections":0}}"#
            )
        };
        let pools = |boot: &str, whole: bool, backends: &str, gone: &str| {
            format!(
                r#"{{"boot_id":"{boot}","version":"1","workers":1,"whole":{whole},"pools":[
                {{"name":"p","strategy":"p2c","backends":[{backends}]}}],"gone":[{gone}]}}"#
            )
        };
        let mut model = Model::default();
        let both = format!("{},{}", about(0, "a"), about(1, "b"));
        model.take("pools", &pools("x", true, &both, ""));
        let tick = r#"{"at":5.0,"seq":1,"uptime":9.5,"connections":3,"accepted":4,
            "pools":[[1,2,3,4,5,6,7,8,9,null]],"backends":[[1,2,0,30,29,0,0,0,null,5]]}"#;
        model.take("tick", tick);
        assert_eq!(model.backends[&1].figures.picks, 30);
        assert_eq!(model.pools[0].figures.p50, Some(9));
        model.take("pools", &pools("x", false, "", "0"));
        assert_eq!(model.backends.len(), 1);
        model.take("pools", &pools("y", true, &about(0, "c"), ""));
        assert_eq!(model.backends[&0].about.name, "c");
        assert_eq!(model.backends[&0].figures.picks, 0);
        assert_eq!(model.events.back().unwrap(), "lb was started anew");
        model.take("tick", "not of this version");
        model.take("other", "{}");
    }
}
