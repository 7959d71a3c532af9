//! An lb as far as the controller sees one: sets with their fences, snapshots, events.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio_stream::StreamExt;

#[derive(Default)]
pub(crate) struct Inner {
    boot: u64,
    pub(crate) set: Option<Value>,
    pub(crate) puts: u64,
    /// Names of backends that were in any set.
    pub(crate) named: std::collections::BTreeSet<String>,
    pub(crate) refuse: Option<(u16, Value)>,
    /// Backends by name: whether they answer.
    answers: BTreeMap<String, bool>,
    pub(crate) in_flight: BTreeMap<String, u64>,
    pub(crate) arrivals: u64,
    pub(crate) queued: u64,
    responses: BTreeMap<String, u64>,
}

#[derive(Clone)]
pub(crate) struct FakeLb {
    pub(crate) address: SocketAddr,
    pub(crate) inner: Arc<Mutex<Inner>>,
    events: broadcast::Sender<String>,
}

impl FakeLb {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let lb = Self {
            address: listener.local_addr().expect("an address"),
            inner: Arc::new(Mutex::new(Inner {
                boot: 1,
                ..Inner::default()
            })),
            events: broadcast::channel(64).0,
        };
        let shared = lb.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let router = Router::new()
                    .route("/v1/pools/{pool}/sets/{owner}", put(put_set))
                    .route("/v1/pools/{pool}", get(pool))
                    .route("/v1/events", get(events))
                    .with_state(shared.clone());
                tokio::spawn(check(shared));
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, router).await.expect("serves");
            });
        });
        lb
    }

    /// A new boot that has forgotten everything.
    pub(crate) fn reboot(&self) {
        let mut inner = self.inner.lock().unwrap();
        *inner = Inner {
            boot: inner.boot + 1,
            ..Inner::default()
        };
    }

    /// Names and modes of the backends of the set.
    pub(crate) fn backends(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap();
        let set = inner
            .set
            .as_ref()
            .and_then(|set| set["backends"].as_array().cloned());
        set.unwrap_or_default()
            .iter()
            .map(|it| {
                (
                    it["name"].as_str().unwrap().into(),
                    it["admit"].as_str().unwrap().into(),
                )
            })
            .collect()
    }
}

async fn put_set(
    State(lb): State<FakeLb>,
    Path((pool, owner)): Path<(String, String)>,
    Json(set): Json<Value>,
) -> Response {
    assert_eq!(
        (pool.as_str(), owner.as_str()),
        ("default", "lb-controller")
    );
    let mut inner = lb.inner.lock().unwrap();
    inner.puts += 1;
    if let Some((status, body)) = &inner.refuse {
        return (StatusCode::from_u16(*status).unwrap(), Json(body.clone())).into_response();
    }
    let rank = |set: &Value| (set["term"].as_u64(), set["revision"].as_u64());
    if let Some(known) = &inner.set
        && (known["fleet"] != set["fleet"] || rank(known) > rank(&set))
    {
        let body = json!({ "error": { "code": "fenced", "message": "a later set is here" }, "fleet": known["fleet"],
            "term": known["term"], "revision": known["revision"] });
        return (StatusCode::CONFLICT, Json(body)).into_response();
    }
    let backends = set["backends"].as_array().into_iter().flatten();
    let names = backends.filter_map(|it| it["name"].as_str().map(str::to_owned));
    inner.named.extend(names);
    inner.set = Some(set.clone());
    let _ = lb.events.send(json!({ "kind": "set" }).to_string());
    Json(json!({ "boot_id": inner.boot.to_string(), "revision": set["revision"], "states": {} }))
        .into_response()
}

async fn pool(State(lb): State<FakeLb>) -> Json<Value> {
    let inner = lb.inner.lock().unwrap();
    let set = inner
        .set
        .as_ref()
        .and_then(|set| set["backends"].as_array().cloned());
    let view = |backend: &Value| {
        let name = backend["name"].as_str().unwrap();
        let state = match (backend["admit"].as_str().unwrap(), inner.answers.get(name)) {
            ("drain", _) => "draining",
            (_, Some(true)) => "healthy",
            (_, Some(false)) => "ejected",
            (_, None) => "probation",
        };
        json!({ "name": name, "address": backend["address"], "state": state, "cause": "no response",
            "since": 0, "in_flight": inner.in_flight.get(name).unwrap_or(&0), "tunnels": 0,
            "response_seconds": 0.0, "busy_seconds": 0.0, "errors": 0, "ejections": 0,
            "responses": { "2xx": inner.responses.get(name).unwrap_or(&0) } })
    };
    let backends: Vec<Value> = set.unwrap_or_default().iter().map(view).collect();
    Json(
        json!({ "boot_id": inner.boot.to_string(), "seq": 1, "arrivals": inner.arrivals, "shed": 0,
        "queue_length": inner.queued, "oldest_wait_seconds": 0.0, "backends": backends }),
    )
}

async fn events(State(lb): State<FakeLb>) -> Response {
    let stream = tokio_stream::wrappers::BroadcastStream::new(lb.events.subscribe());
    let stream = stream
        .filter_map(Result::ok)
        .map(|text| Event::default().data(text));
    Sse::new(stream.map(Ok::<_, std::convert::Infallible>)).into_response()
}

/// What traffic and trial requests would show.
async fn check(lb: FakeLb) {
    loop {
        let backends: Vec<Value> = {
            let inner = lb.inner.lock().unwrap();
            let set = inner
                .set
                .as_ref()
                .and_then(|set| set["backends"].as_array().cloned());
            set.unwrap_or_default()
        };
        for backend in backends {
            let name = backend["name"].as_str().unwrap().to_owned();
            let lb = lb.clone();
            tokio::spawn(async move {
                let address: SocketAddr = backend["address"].as_str().unwrap().parse().unwrap();
                let asked = tokio::time::timeout(Duration::from_millis(900), ask(address));
                let answers = asked.await.unwrap_or(false);
                let mut inner = lb.inner.lock().unwrap();
                inner.answers.insert(name.clone(), answers);
                if answers {
                    *inner.responses.entry(name).or_default() += 1;
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn ask(address: SocketAddr) -> bool {
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else {
        return false;
    };
    let sent = stream
        .write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let mut answer = Vec::new();
    sent.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
