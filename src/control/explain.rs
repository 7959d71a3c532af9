//! Why a backend would be picked now, as JSON: what each worker's strategy makes of each candidate,
//! what the pool adds, and the last picks.

use super::journal::seconds;
use super::recent::Recent;
use super::view::Origin;
use crate::ids::PoolId;
use crate::pool::Explained;
use crate::strategy::{BackendId, KeySource};
use crate::telemetry::Sample;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Picks that are shown.
const MAX_PICKS: usize = 50;

/// A question about a pool.
pub(crate) struct Asked<'a> {
    pub(crate) origin: Origin<'a>,
    pub(crate) pool: PoolId,
    pub(crate) pool_name: &'a str,
    pub(crate) strategy: &'a str,
    pub(crate) key_source: &'a KeySource,
    pub(crate) key: Option<&'a str>,
    /// The backend whose picks are asked for; `None`: all.
    pub(crate) backend: Option<BackendId>,
    pub(crate) now: Timestamp,
}

/// The answer. `workers` is what each of them says, `about` a backend's name, state and weight.
pub(crate) fn explanation<'a>(
    asked: &Asked<'_>,
    workers: &[&[Explained]],
    recent: &Recent,
    about: impl Fn(BackendId) -> Option<(&'a str, &'static str, u32)>,
) -> Value {
    let mut rows: Vec<(BackendId, Row)> = Vec::new();
    let mut places: HashMap<BackendId, usize> = HashMap::new();
    for (worker, explained) in workers.iter().enumerate() {
        let best = best(explained);
        for one in *explained {
            let id = one.rating.backend;
            let place = *places.entry(id).or_insert_with(|| {
                rows.push((id, Row::of(one)));
                rows.len() - 1
            });
            if let Some((_, row)) = rows.get_mut(place) {
                row.add(worker, one, best == Some(id));
            }
        }
    }
    let candidates = rows.into_iter().filter_map(|(id, row)| {
        let (name, state, weight) = about(id)?;
        Some(row.shown(name, state, weight))
    });
    let name = |id| about(id).map(|(name, ..)| name);
    let picks = recent.picks(asked.pool, asked.backend).take(MAX_PICKS);
    let picks = picks.map(|sample| pick(asked, sample, sample.backend.and_then(name)));
    json!({
        "boot_id": asked.origin.boot_id,
        "seq": asked.origin.seq,
        "at": seconds(asked.origin.wall),
        "pool": asked.pool_name,
        "strategy": asked.strategy,
        "keyed_by": keyed_by(asked.key_source),
        "key": asked.key,
        "candidates": candidates.collect::<Vec<_>>(),
        "picks": picks.collect::<Vec<_>>(),
    })
}

/// The backend that a worker would pick: that of the least cost, if there is only one such.
fn best(explained: &[Explained]) -> Option<BackendId> {
    let pickable = explained.iter().filter(|one| one.rating.pickable);
    let costs = pickable.filter_map(|one| Some((one.rating.backend, one.rating.cost?)));
    let least = costs.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(least.0)
}

/// What a request's key is made of, in words; `None` if the strategy does not look at the request.
fn keyed_by(source: &KeySource) -> Option<String> {
    match source {
        KeySource::None => None,
        KeySource::ClientAddress => Some("client address".to_owned()),
        KeySource::Target => Some("target".to_owned()),
        KeySource::Header(name) => Some(format!("header {name}")),
        KeySource::Cookie(name) => Some(format!("cookie {name}")),
    }
}

/// A candidate of the answer.
struct Row {
    note: Option<String>,
    in_flight: u32,
    pickable: bool,
    ratings: Vec<Value>,
}

impl Row {
    /// As the first worker sees it, which decides about backends.
    fn of(one: &Explained) -> Self {
        Self {
            note: one.note.clone(),
            in_flight: one.in_flight,
            pickable: one.rating.pickable,
            ratings: Vec::new(),
        }
    }

    fn add(&mut self, worker: usize, one: &Explained, is_best: bool) {
        self.ratings.push(json!({
            "worker": worker,
            "cost": one.rating.cost.filter(|cost| cost.is_finite()),
            "reason": one.rating.reason,
            "best": is_best,
        }));
    }

    fn shown(self, name: &str, state: &str, weight: u32) -> Value {
        json!({
            "name": name,
            "state": state,
            "weight": weight,
            "in_flight": self.in_flight,
            "pickable": self.pickable,
            "note": self.note,
            "ratings": self.ratings,
        })
    }
}

fn pick(asked: &Asked<'_>, sample: &Sample, backend: Option<&str>) -> Value {
    let ago = asked.now.since(sample.ended_at);
    json!({
        "at": seconds(asked.origin.wall.saturating_sub(ago)),
        "backend": backend,
        "status": sample.status,
        "queue_seconds": sample.queue_time.map(|time| time.as_secs_f64()),
        "response_seconds": sample.first_byte_time.map(|time| time.as_secs_f64()),
        "total_seconds": sample.total_time.as_secs_f64(),
        "retries": sample.retries,
        "fault": sample.fault.map(|fault| fault.word()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rating;
    use std::time::Duration;

    fn explained(slot: u16, cost: f64, pickable: bool) -> Explained {
        Explained {
            rating: Rating {
                backend: BackendId::new(slot, 0),
                pickable,
                cost: Some(cost),
                reason: format!("cost {cost}"),
            },
            in_flight: 2,
            note: (!pickable).then(|| "full: 2 of 2 in flight".to_owned()),
        }
    }

    #[test]
    fn each_worker_says_its_own_and_marks_what_it_would_pick() {
        let first = [
            explained(0, 0.5, false),
            explained(1, 1.0, true),
            explained(2, 2.0, true),
        ];
        let second = [explained(1, 9.0, true), explained(2, 3.0, true)];
        let names = ["a", "b", "c"];
        let asked = Asked {
            origin: Origin {
                boot_id: "x",
                seq: 1,
                wall: Duration::from_secs(5),
            },
            pool: PoolId::FIRST,
            pool_name: "default",
            strategy: "least-rt",
            key_source: &KeySource::Header("X-User".to_owned()),
            key: Some("k"),
            backend: None,
            now: Timestamp::ZERO,
        };
        let about = |id: BackendId| Some((*names.get(id.slot())?, "healthy", 1));
        let answer = explanation(&asked, &[&first, &second], &Recent::default(), about);
        assert_eq!(answer["keyed_by"], "header X-User");
        let candidates = answer["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 3);
        assert_eq!(candidates[0]["note"], "full: 2 of 2 in flight");
        assert_eq!(candidates[1]["ratings"][0]["best"], true);
        assert_eq!(candidates[1]["ratings"][1]["best"], false);
        assert_eq!(candidates[2]["ratings"][1]["best"], true);
        assert_eq!(candidates[0]["ratings"].as_array().unwrap().len(), 1);
        assert_eq!(answer["picks"], json!([]));
    }
}
