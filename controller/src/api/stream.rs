//! Streams of server-sent events: what happens, and for pages how the fleet is.

use super::http::{Api, Shared, Since, ask, failed};
use crate::fleet::commit::Event;
use crate::problem::problem;
use crate::shell::{Call, Failure, Read, event_json};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

/// Streams open at a time.
const STREAMS: usize = 200;
/// Events told to a stream that begins in the past.
const PAST: u64 = 1_000;
/// From one sign of life on a stream without news to the next.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One of the streams that may be open; given back when its client is gone.
pub(crate) struct Place(Arc<Api>);

impl Place {
    /// `None`: too many streams are open.
    pub(crate) fn take(api: &Arc<Api>) -> Option<Self> {
        api.streams.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(api));
        // One too many is given back as it is dropped.
        (api.streams.load(Ordering::Relaxed) <= STREAMS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /v1/events/stream`: events as they happen.
pub(super) async fn events(
    State(api): Shared,
    headers: HeaderMap,
    Query(query): Query<Since>,
) -> Response {
    let Some(place) = Place::take(&api) else {
        return too_many();
    };
    let after = after(&headers, &query);
    // Subscribed first, read then: nothing falls between; what is in both is told once.
    let receiver = api.wires.events.subscribe();
    match past(&api, after).await {
        Ok(past) => respond(happened(past, receiver), place),
        Err(failure) => failed(failure),
    }
}

/// `GET /v1/live`: the same, and in messages of the kind `fleet` how the fleet is: whole first,
/// then what has changed.
pub(super) async fn live(
    State(api): Shared,
    headers: HeaderMap,
    Query(query): Query<Since>,
) -> Response {
    let Some(place) = Place::take(&api) else {
        return too_many();
    };
    let after = after(&headers, &query);
    let receiver = api.wires.events.subscribe();
    // A change that is older than the whole may come behind it; the next message mends that, since
    // changes are told against what was told before.
    let changes = api.wires.live.subscribe();
    let past = match past(&api, after).await {
        Ok(past) => past,
        Err(failure) => return failed(failure),
    };
    let whole = match ask(&api.wires, |answer| Call::Read(Read::Live, answer)).await {
        Ok(whole) => whole.to_string(),
        Err(failure) => return failed(failure),
    };
    let fleet = |data: &str| Ok(sse::Event::default().event("fleet").data(data));
    let changes = BroadcastStream::new(changes)
        // A client too slow for the buffer is cut off, and gets the whole when it is back.
        .map_while(Result::ok)
        .map(move |change| fleet(&change));
    let changes = tokio_stream::once(fleet(&whole)).chain(changes);
    respond(changes.merge(happened(past, receiver)), place)
}

fn too_many() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open")
}

/// The number of the last event that is known, if the client says one.
fn after(headers: &HeaderMap, query: &Since) -> Option<u64> {
    let last = headers.get("last-event-id");
    let last = last.and_then(|it| it.to_str().ok()?.parse().ok());
    last.or(query.after)
}

async fn past(api: &Api, after: Option<u64>) -> Result<Vec<Value>, Failure> {
    let Some(after) = after else {
        return Ok(Vec::new());
    };
    let what = Read::Events { after, limit: PAST };
    let mut value = ask(&api.wires, |answer| Call::Read(what, answer)).await?;
    match value.get_mut("events").map(Value::take) {
        Some(Value::Array(events)) => Ok(events),
        _ => Ok(Vec::new()),
    }
}

fn happened(
    past: Vec<Value>,
    receiver: broadcast::Receiver<(u64, Event)>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let seq = |value: &Value| value.get("seq").and_then(Value::as_u64).unwrap_or(0);
    let last = past.last().map_or(0, seq);
    let live = BroadcastStream::new(receiver)
        // A client too slow for the buffer is cut off, and resumes by its last event.
        .map_while(Result::ok)
        .filter(move |(seq, _)| *seq > last)
        .map(|(seq, event)| event_json(seq, &event));
    tokio_stream::iter(past).chain(live).map(move |value| {
        let id = seq(&value).to_string();
        Ok(sse::Event::default().id(id).data(value.to_string()))
    })
}

fn respond(
    events: impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static,
    place: Place,
) -> Response {
    let held = events.map(move |event| {
        let _ = &place;
        event
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(held).keep_alive(keep_alive).into_response()
}
