//! The agent for people: its page, and the load that they may set by HTTP.
//!
//! | route | |
//! |---|---|
//! | `/` | the page |
//! | `/load`, `/load/` | `GET` shows the load, `POST` sets it |
//! | `/v1/live` | how the agent is, whenever that changes, by server-sent events |

use super::slider::{Slider, Source};
use crate::page;
use crate::problem::problem;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_stream::{Stream, StreamExt as _};

/// How soon a change is told to a page.
const LOOK: Duration = Duration::from_millis(250);
/// Pages that may watch at a time.
const STREAMS: usize = 50;

/// What an agent is, as its page shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct About {
    pub(super) name: Option<String>,
    /// The server's command line; empty if the agent stands beside one that it did not start.
    pub(super) command: Vec<String>,
    pub(super) pid: Option<u32>,
    /// Where it is announced, if anywhere.
    pub(super) monitor: Option<String>,
    /// What the monitor says to that.
    pub(super) announced: Option<String>,
}

/// What the routes share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    slider: Slider,
    about: Arc<Mutex<About>>,
    streams: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(slider: Slider, about: About) -> Self {
        Self {
            slider,
            about: Arc::new(Mutex::new(about)),
            streams: Arc::default(),
        }
    }

    /// The monitor's last word on the announcement.
    pub(super) fn announced(&self, word: String) {
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        about.announced = Some(word);
    }

    fn message(&self) -> String {
        let told = self.slider.told(Instant::now());
        let about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "load": told.load,
            "source": told.source,
            "measured": told.measured,
            // Whole seconds: a page needs no more, and the rest would be a change each time.
            "read_seconds_ago": told.read_seconds_ago.map(f64::trunc),
            "about": *about,
            "version": env!("CARGO_PKG_VERSION"),
        })
        .to_string()
    }
}

/// The routes.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        // Existing pages write the path with a slash at the end.
        .route("/load", get(show).post(change))
        .route("/load/", get(show).post(change))
        .route("/v1/live", get(live))
        .merge(page::router(&page::AGENT))
        .layer(axum::extract::DefaultBodyLimit::max(1_024))
        .with_state(shared)
}

async fn show(State(shared): State<Shared>) -> Response {
    Json(shared.slider.told(Instant::now())).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    load: Option<f64>,
    source: Option<Source>,
}

async fn change(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    if !is_own(&headers) {
        let text = "pages of other sites may not set the load";
        return problem(StatusCode::FORBIDDEN, text);
    }
    let change = match serde_json::from_str(&body) {
        Ok(Change {
            load: None,
            source: None,
        }) => Err("it is {\"load\": NUMBER} or {\"source\": \"cpu\"}".to_owned()),
        Ok(change) => Ok(change),
        Err(error) => Err(error.to_string()),
    };
    let change = match change {
        Ok(change) => change,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    if let Some(Err(error)) = change.load.map(|load| shared.slider.set(load)) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &error);
    }
    if let Some(source) = change.source {
        shared.slider.follow(source);
    }
    show(State(shared)).await
}

/// No browser sends it on behalf of another site.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(header::HOST)
}

/// A page that watches; given back when it is gone.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn live(State(shared): State<Shared>) -> Response {
    shared.streams.fetch_add(1, Ordering::Relaxed);
    let place = Place(Arc::clone(&shared.streams));
    if shared.streams.load(Ordering::Relaxed) > STREAMS {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many pages watch");
    }
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(changes(shared, place))
        .keep_alive(keep_alive)
        .into_response()
}

fn changes(shared: Shared, place: Place) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let looks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(LOOK));
    let mut told = String::new();
    looks.filter_map(move |_| {
        let _ = &place;
        let message = shared.message();
        if message == told {
            return None;
        }
        told.clone_from(&message);
        Some(Ok(sse::Event::default().event("agent").data(message)))
    })
}
