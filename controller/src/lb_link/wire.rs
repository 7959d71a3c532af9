//! The bodies of lb's admin API, as far as they are read or written here. What is not known is
//! skipped: lb may say more.

use crate::fleet::commit::{Backend, Pool};
use crate::fleet::id::{FleetId, Revision, Term};
use crate::fleet::input::{BackendState, BackendView, PoolSnapshot, PutResult};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Set<'a> {
    fleet: &'a FleetId,
    term: Term,
    revision: Revision,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
    backends: &'a [Backend],
}

pub(super) fn set(fleet: &FleetId, pool: &Pool, term: Term, force: bool) -> Vec<u8> {
    let set = Set {
        fleet,
        term,
        revision: pool.revision,
        force,
        backends: &pool.backends,
    };
    // Plain data cannot fail to be written.
    serde_json::to_vec(&set).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAnswer {
    boot_id: String,
    fleet: Option<String>,
    term: Option<Term>,
    revision: Option<Revision>,
    error: Option<serde_json::Value>,
}

/// Reads lb's answer to a set.
pub(super) fn put_result(status: u16, body: &[u8], ours: &FleetId) -> PutResult {
    let raw: RawAnswer = serde_json::from_slice(body).unwrap_or_default();
    let words = || match &raw.error {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other
            .get("message")
            .and_then(|it| it.as_str())
            .map_or_else(|| other.to_string(), str::to_owned),
        None => String::from_utf8_lossy(body).chars().take(200).collect(),
    };
    match status {
        200..=299 => PutResult::Taken {
            boot_id: raw.boot_id,
        },
        409 => {
            let other_fleet = raw.fleet.as_ref().is_some_and(|it| it != ours.as_str());
            PutResult::Fenced {
                term: raw.term,
                revision: raw.revision,
                other_fleet,
            }
        }
        422 => PutResult::TooFew(words()),
        _ => PutResult::Failed(format!("set is answered with {status}: {}", words())),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPool {
    boot_id: String,
    arrivals: u64,
    shed: u64,
    queue_length: u64,
    backends: Vec<RawBackend>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawBackend {
    name: String,
    state: String,
    cause: Option<String>,
    in_flight: u64,
    tunnels: u64,
    responses: Responses,
    response_seconds: f64,
    busy_seconds: f64,
}

/// A number, or one for each class.
#[derive(Deserialize)]
#[serde(untagged)]
enum Responses {
    Total(u64),
    ByClass(std::collections::BTreeMap<String, u64>),
}

impl Default for Responses {
    fn default() -> Self {
        Self::Total(0)
    }
}

/// Reads a snapshot of a pool.
pub(super) fn snapshot(status: u16, body: &[u8]) -> Result<PoolSnapshot, String> {
    if status != 200 {
        return Err(format!("the pool is answered with {status}"));
    }
    let raw: RawPool = serde_json::from_slice(body)
        .map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    if raw.boot_id.is_empty() {
        return Err("the snapshot has no boot_id".to_owned());
    }
    let view = |raw: RawBackend| {
        let responses = match raw.responses {
            Responses::Total(total) => total,
            Responses::ByClass(classes) => classes.values().sum(),
        };
        let view = BackendView {
            state: state(&raw.state),
            cause: raw.cause.unwrap_or_default(),
            in_flight: raw.in_flight,
            tunnels: raw.tunnels,
            responses,
            response_seconds: raw.response_seconds,
            busy_seconds: raw.busy_seconds,
        };
        (raw.name, view)
    };
    Ok(PoolSnapshot {
        boot_id: raw.boot_id,
        arrivals: raw.arrivals,
        shed: raw.shed,
        queued: raw.queue_length,
        backends: raw.backends.into_iter().map(view).collect(),
    })
}

fn state(word: &str) -> BackendState {
    match word {
        "healthy" | "slow-start" | "slow_start" => BackendState::Healthy,
        "ejected" => BackendState::Ejected,
        "draining" | "disabled" | "removed" | "off" => BackendState::Out,
        // Initial, probation, and what later versions may call it.
        _ => BackendState::Trial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_set_are_told_apart() {
        let ours = FleetId::new("f");
        let read = |status, body: &str| put_result(status, body.as_bytes(), &ours);
        let taken = r#"{"boot_id":"b","revision":3,"states":{}}"#;
        assert_eq!(
            read(200, taken),
            PutResult::Taken {
                boot_id: "b".into()
            }
        );
        let fenced = r#"{"error":{"code":"fenced","message":"older"},"fleet":"f","term":4,
            "revision":9}"#;
        let expected = PutResult::Fenced {
            term: Some(Term(4)),
            revision: Some(Revision(9)),
            other_fleet: false,
        };
        assert_eq!(read(409, fenced), expected);
        let other = r#"{"fleet":"g"}"#;
        assert!(matches!(
            read(409, other),
            PutResult::Fenced {
                other_fleet: true,
                ..
            }
        ));
        let few = r#"{"error":{"message":"1 of 4 would be left"}}"#;
        assert_eq!(
            read(422, few),
            PutResult::TooFew("1 of 4 would be left".into())
        );
        assert!(matches!(read(500, "<html>"), PutResult::Failed(_)));
    }

    #[test]
    fn snapshots_are_read_and_garbage_is_refused() {
        let body = br#"{"boot_id":"b","seq":7,"arrivals":10,"shed":1,"queue_length":2,"backends":[
            {"name":"web-1.1","address":"127.0.0.1:1","state":"ejected","cause":"silence",
             "in_flight":1,"tunnels":0,"responses":{"2xx":5,"5xx":1},"busy_seconds":1.5}]}"#;
        let snapshot = snapshot(200, body).expect("is read");
        assert_eq!((snapshot.arrivals, snapshot.queued), (10, 2));
        let view = &snapshot.backends["web-1.1"];
        assert_eq!((view.state, view.responses), (BackendState::Ejected, 6));
        for bad in [&b"{}"[..], b"", b"[1]", b"\xff"] {
            assert!(super::snapshot(200, bad).is_err());
        }
        assert!(super::snapshot(404, body).is_err());
    }
}
