//! The way to one lb: puts sets, reads snapshots, hears events.
//!
//! Owns the words of lb's admin API. What becomes of a set or a snapshot is the rules' to say.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it speaks to sockets"
)]

mod wire;

use crate::clock::Clock;
use crate::fleet::commit::Pool;
use crate::fleet::id::{FleetId, LbName, PoolName, Term};
use crate::fleet::input::{Input, PutResult};
use crate::fleet::time::Seen;
use crate::http_client::{self, Target};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Bytes;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// From one snapshot to the next.
const EVERY: Duration = Duration::from_secs(1);
/// Time limit of a snapshot and of a put.
const LIMIT: Duration = Duration::from_secs(2);
/// After an event, the snapshot that it hints at is asked for this much later: events come in
/// bursts.
const SETTLE: Duration = Duration::from_millis(50);
/// Owner of this fleet's sets, at every lb.
const OWNER: &str = "lb-controller";

/// Brings a set to an lb.
pub(crate) async fn put(
    target: &Target,
    fleet: &FleetId,
    pool: &Pool,
    term: Term,
    force: bool,
) -> PutResult {
    let body = wire::set(fleet, pool, term, force);
    let path = format!("/v1/pools/{}/sets/{OWNER}", pool.name);
    match http_client::call(target, Method::PUT, &path, Bytes::from(body), LIMIT).await {
        Ok(answer) => wire::put_result(answer.status, &answer.body, fleet),
        Err(error) => PutResult::Failed(error),
    }
}

/// Reads the snapshots of a pool for as long as the shell listens: once a second, and at once
/// after an event.
pub(crate) async fn watch(
    lb: LbName,
    target: Target,
    pool: PoolName,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
) {
    let hint = Notify::new();
    let polls = async {
        loop {
            let asked_at = clock.now();
            let path = format!("/v1/pools/{pool}");
            let answer = http_client::get(&target, &path, LIMIT).await;
            let snapshot = answer.and_then(|it| wire::snapshot(it.status, &it.body));
            let (lb, pool) = (lb.clone(), pool.clone());
            let input = match snapshot {
                Ok(snapshot) => Input::Snapshot {
                    lb,
                    pool,
                    snapshot: Seen::new(snapshot, asked_at),
                },
                Err(why) => Input::LbFailed {
                    lb,
                    pool: None,
                    why,
                },
            };
            if inputs.send(input).await.is_err() {
                return;
            }
            let _ = tokio::time::timeout(EVERY, hint.notified()).await;
        }
    };
    let events = async {
        loop {
            // The next snapshot says what a stream that broke would have said.
            let _ = follow(&target, &hint).await;
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = polls => {}
        () = events => {}
    }
}

/// Follows the events of an lb: each is a hint that a snapshot is worth asking for.
async fn follow(target: &Target, hint: &Notify) -> Result<(), String> {
    let response = http_client::open(target, Method::GET, "/v1/events", Bytes::new()).await?;
    if response.status() != 200 {
        return Err(format!("events are answered with {}", response.status()));
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let has_data = frame
            .data_ref()
            .is_some_and(|data| data.windows(5).any(|it| it == b"data:"));
        if has_data {
            tokio::time::sleep(SETTLE).await;
            hint.notify_one();
        }
    }
    Ok(())
}
