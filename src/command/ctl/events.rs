//! Events as lines: those that are kept, and then, if asked, each as it happens.

use super::put;
use crate::cli::EventFlags;
use crate::command::admin_client::{AdminClient, Failure};
use crate::command::event_words::{wall_time, words};
use lb::internal::telemetry::WallTime;
use serde_json::Value;
use std::thread::park_timeout;
use std::time::Duration;

/// Time until a lb that is gone is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Time limit for a kept event, and between two looks whether the stream lives.
const LIMIT: Duration = Duration::from_secs(30);

/// Prints the events after a number. Following outlasts restarts of lb.
pub(super) fn follow(client: &AdminClient, flags: &EventFlags, json: bool) -> Result<(), Failure> {
    let mut place = Place::of(client, flags.after)?;
    loop {
        match read(client, &mut place, flags.follow, json) {
            Ok(()) => return Ok(()),
            Err(Failure::Unreachable(_)) if flags.follow => {
                park_timeout(RETRY_PAUSE);
                place.find_again(client)?;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// What was printed last.
struct Place {
    boot_id: String,
    seq: u64,
    /// The newest event.
    newest: u64,
}

impl Place {
    fn of(client: &AdminClient, seq: u64) -> Result<Self, Failure> {
        let pools = client.get("/v1/pools")?.json()?;
        Ok(Self {
            boot_id: pools["boot_id"].as_str().unwrap_or_default().to_owned(),
            seq,
            newest: pools["seq"].as_u64().unwrap_or_default(),
        })
    }

    /// Begins anew if another lb answers, whose numbers begin anew too.
    fn find_again(&mut self, client: &AdminClient) -> Result<(), Failure> {
        match Self::of(client, 0) {
            Ok(other) if other.boot_id != self.boot_id => *self = other,
            Ok(_) | Err(Failure::Unreachable(_)) => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

/// Prints what comes, until what is kept is printed, or the stream ends.
fn read(client: &AdminClient, place: &mut Place, follows: bool, json: bool) -> Result<(), Failure> {
    if !follows && place.seq >= place.newest {
        return Ok(());
    }
    let mut events = client.stream(&format!("/v1/events?after={}", place.seq))?;
    loop {
        let Some(event) = events.next(LIMIT)? else {
            if follows {
                continue;
            }
            return Ok(());
        };
        // That older events are kept no more is no event.
        if !event.name.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let line = match json {
            true => format!("{}\n", event.data),
            false => format!("{}\n", line(&value)),
        };
        if !put(&line) {
            return Ok(());
        }
        place.seq = value["seq"].as_u64().unwrap_or(place.seq);
        if !follows && place.seq >= place.newest {
            return Ok(());
        }
    }
}

/// An event in words.
fn line(event: &Value) -> String {
    let at = wall_time(&event["at"]);
    let mut wall = WallTime::default();
    format!("{}  {}", wall.format(at), words(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_read_as_lines() {
        let state = json!({
            "seq": 3, "kind": "state", "at": 1_709_251_199.007, "pool": "default",
            "backend": "a:1", "from": "healthy", "to": "ejected", "cause": "5 failures",
        });
        assert_eq!(
            line(&state),
            "2024-02-29T23:59:59.007Z  a:1  healthy -> ejected: 5 failures"
        );
        let change = json!({
            "kind": "change", "pool": "api", "backend": "b", "what": "drain", "who": "admin",
        });
        assert_eq!(words(&change), "api/b  drain (by admin)");
        let other = json!({ "kind": "reload", "seq": 1, "at": 1, "generation": 2 });
        assert_eq!(words(&other), r#"reload {"generation":2}"#);
    }
}
