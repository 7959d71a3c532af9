//! The HTTP API: JSON, metrics, health, and the page.
//!
//! Every route is in `openapi.json`, which a test holds against the router.

use super::{log, stream};
use crate::fleet::id::{ServerId, ServiceName};
use crate::fleet::operate::Command;
use crate::page;
use crate::problem::problem;
use crate::shell::{Call, Failure, Read, Wires};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::Status;

/// Time limit for an answer of the shell.
const LIMIT: Duration = Duration::from_secs(5);
/// Events in one answer.
const MOST_EVENTS: u64 = 5_000;

/// The description of the API.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");

/// What every handler needs.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) wires: Wires,
    /// What callers must show; `None`: nothing.
    pub(crate) token: Option<String>,
    /// Hosts by which callers may address this server: keeps pages of other sites out.
    pub(crate) hosts: Vec<String>,
    pub(crate) streams: AtomicUsize,
    /// The controller's folder, with the logs of servers that it launches itself, and archives that
    /// were sent.
    pub(crate) state: PathBuf,
}

pub(super) type Shared = State<Arc<Api>>;

/// All routes, behind the check of token and host.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/fleet", get(|api: Shared| read(api, Read::Fleet)))
        .route("/v1/services", get(|api: Shared| read(api, Read::Services)))
        .route("/v1/servers", get(|api: Shared| read(api, Read::Servers)))
        .route("/v1/lbs", get(|api: Shared| read(api, Read::Lbs)))
        .route("/v1/holds", get(|api: Shared| read(api, Read::Holds)))
        .route("/v1/events", get(events))
        .route("/v1/events/stream", get(stream::events))
        .route("/v1/live", get(stream::live))
        .route("/v1/services/{service}/decisions", get(decisions))
        .route("/v1/services/{service}/minutes", get(minutes))
        .route("/v1/services/{service}/{verb}", post(service_verb))
        .route("/v1/servers/{server}/{verb}", post(server_verb))
        .route("/v1/servers/{server}/log", get(log::log))
        .route("/v1/servers/{server}", delete(remove))
        .route(
            "/v1/pause",
            post(|api: Shared, body: Bytes| pause(api, None, body)),
        )
        .route(
            "/v1/resume",
            post(|api: Shared| act(api, Command::Resume { service: None })),
        )
        .route("/v1/apply", post(apply))
        .route("/v1/services/{service}/deploy", post(super::deploy::deploy))
        .route("/v1/openapi.json", get(|| async { json_text(OPENAPI) }))
        .layer(from_fn_with_state(Arc::clone(&api), guard))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(page::router(&page::FLEET))
        .layer(axum::extract::DefaultBodyLimit::max(64 * 1024))
        .with_state(api)
}

/// Puts other routes behind the same check.
pub(crate) fn guarded(api: &Arc<Api>, routes: Router) -> Router {
    routes.layer(from_fn_with_state(Arc::clone(api), guard))
}

/// Refuses calls without the token, and calls that a page of another site makes a browser send.
async fn guard(State(api): Shared, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_grpc =
        text(headers, header::CONTENT_TYPE).is_some_and(|it| it.starts_with("application/grpc"));
    match admit(&api, &request) {
        Ok(()) => next.run(request).await,
        // A gRPC client reads no other form of a refusal.
        Err((StatusCode::UNAUTHORIZED, why)) if is_grpc => Status::unauthenticated(why).into_http(),
        Err((_, why)) if is_grpc => Status::permission_denied(why).into_http(),
        Err((status, why)) => problem(status, why),
    }
}

fn admit(api: &Api, request: &Request) -> Result<(), (StatusCode, &'static str)> {
    let headers = request.headers();
    if let Some(expected) = &api.token {
        let shown = text(headers, header::AUTHORIZATION);
        let shown = shown.and_then(|it| it.strip_prefix("Bearer "));
        return match shown.is_some_and(|shown| is_same(shown, expected)) {
            true => Ok(()),
            false => {
                let why = "a token is needed: Authorization: Bearer TOKEN";
                Err((StatusCode::UNAUTHORIZED, why))
            }
        };
    }
    let is_own = |host: &str| api.hosts.iter().any(|it| it == host);
    let authority = request.uri().authority().map(|it| it.as_str());
    if !text(headers, header::HOST).or(authority).is_none_or(is_own) {
        let why = "this host name is not one of this server";
        return Err((StatusCode::FORBIDDEN, why));
    }
    let origin = text(headers, header::ORIGIN);
    if origin.is_some_and(|it| !it.strip_prefix("http://").is_some_and(is_own)) {
        let why = "pages of other sites may not call this API";
        return Err((StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|it| it.to_str().ok())
}

/// Compares without telling by its time how much was right.
pub(crate) fn is_same(shown: &str, expected: &str) -> bool {
    let differing = shown
        .bytes()
        .zip(expected.bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == expected.len() && differing == 0
}

fn json_text(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) fn failed(failure: Failure) -> Response {
    match failure {
        Failure::NotFound(text) => problem(StatusCode::NOT_FOUND, &text),
        Failure::Conflict(text) => problem(StatusCode::CONFLICT, &text),
        Failure::Invalid(text) => problem(StatusCode::UNPROCESSABLE_ENTITY, &text),
        Failure::Unavailable(text) => problem(StatusCode::SERVICE_UNAVAILABLE, &text),
    }
}

/// Asks the shell.
pub(crate) async fn ask(
    wires: &Wires,
    call: impl FnOnce(oneshot::Sender<Result<Value, Failure>>) -> Call,
) -> Result<Value, Failure> {
    ask_within(LIMIT, wires, call).await
}

/// The same for a call that may build images.
pub(crate) async fn ask_within(
    limit: Duration,
    wires: &Wires,
    call: impl FnOnce(oneshot::Sender<Result<Value, Failure>>) -> Call,
) -> Result<Value, Failure> {
    let busy = || Failure::Unavailable("the controller does not answer".to_owned());
    let (send, answer) = oneshot::channel();
    let asked = async {
        wires.calls.send(call(send)).await.map_err(|_| busy())?;
        answer.await.map_err(|_| busy())?
    };
    tokio::time::timeout(limit, asked)
        .await
        .unwrap_or_else(|_| Err(busy()))
}

async fn read(State(api): Shared, what: Read) -> Response {
    match ask(&api.wires, |answer| Call::Read(what, answer)).await {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failed(failure),
    }
}

async fn act(State(api): Shared, command: Command) -> Response {
    match ask(&api.wires, |answer| {
        Call::Do(command, "api".to_owned(), answer)
    })
    .await
    {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failed(failure),
    }
}

/// What part of a history is asked for.
#[derive(Deserialize)]
pub(super) struct Since {
    pub(super) after: Option<u64>,
    limit: Option<u64>,
    since: Option<u64>,
}

async fn events(api: Shared, Query(query): Query<Since>) -> Response {
    let limit = query.limit.unwrap_or(200).min(MOST_EVENTS);
    read(
        api,
        Read::Events {
            after: query.after.unwrap_or(0),
            limit,
        },
    )
    .await
}

async fn decisions(api: Shared, Path(name): Path<String>, Query(query): Query<Since>) -> Response {
    let (service, limit) = (
        ServiceName::new(name),
        query.limit.unwrap_or(100).min(MOST_EVENTS),
    );
    read(api, Read::Decisions { service, limit }).await
}

async fn minutes(api: Shared, Path(name): Path<String>, Query(query): Query<Since>) -> Response {
    let (service, since) = (ServiceName::new(name), query.since.unwrap_or(0));
    read(api, Read::Minutes { service, since }).await
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VerbBody {
    want: Option<usize>,
    why: Option<String>,
}

fn body(bytes: &Bytes) -> Result<VerbBody, Box<Response>> {
    if bytes.is_empty() {
        return Ok(VerbBody::default());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let text = format!("the body cannot be read: {error}");
        Box::new(problem(StatusCode::BAD_REQUEST, &text))
    })
}

async fn service_verb(
    api: Shared,
    Path((name, verb)): Path<(String, String)>,
    bytes: Bytes,
) -> Response {
    let service = ServiceName::new(name);
    let body = match body(&bytes) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let command = match (verb.as_str(), body.want) {
        ("scale", Some(want)) => Command::Scale { service, want },
        ("scale", None) => {
            return problem(StatusCode::BAD_REQUEST, "scale needs {\"want\": NUMBER}");
        }
        ("create", _) => Command::Create { service },
        ("stop", _) => Command::Stop { service },
        ("start", _) => Command::Start { service },
        ("resume", _) => Command::Resume {
            service: Some(service),
        },
        ("pause", _) => return pause(api, Some(service), bytes).await,
        _ => {
            let text = "a service can scale, create, stop, start, pause, resume";
            return problem(StatusCode::NOT_FOUND, text);
        }
    };
    act(api, command).await
}

async fn pause(api: Shared, service: Option<ServiceName>, bytes: Bytes) -> Response {
    match body(&bytes) {
        Ok(body) => {
            let why = body
                .why
                .unwrap_or_else(|| "paused by an operator".to_owned());
            act(api, Command::Pause { service, why }).await
        }
        Err(refused) => *refused,
    }
}

async fn server_verb(api: Shared, Path((id, verb)): Path<(String, String)>) -> Response {
    let Ok(server) = id.parse().map(ServerId) else {
        return problem(StatusCode::NOT_FOUND, "a server has a number");
    };
    let command = match verb.as_str() {
        "restart" => Command::Restart { server },
        "cancel-drain" => Command::CancelDrain { server },
        "retry" => Command::Retry { server },
        _ => {
            return problem(
                StatusCode::NOT_FOUND,
                "a server can restart, cancel-drain, retry",
            );
        }
    };
    act(api, command).await
}

#[derive(Deserialize)]
struct Flags {
    #[serde(default)]
    now: bool,
    #[serde(default)]
    force: bool,
}

async fn remove(api: Shared, Path(id): Path<String>, Query(flags): Query<Flags>) -> Response {
    match id.parse() {
        Ok(id) => {
            act(
                api,
                Command::Remove {
                    server: ServerId(id),
                    now: flags.now,
                },
            )
            .await
        }
        Err(_) => problem(StatusCode::NOT_FOUND, "a server has a number"),
    }
}

async fn apply(State(api): Shared, Query(flags): Query<Flags>) -> Response {
    let by = "api".to_owned();
    match ask_within(super::deploy::LIMIT, &api.wires, |answer| Call::Apply {
        force: flags.force,
        by,
        answer,
    })
    .await
    {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failed(failure),
    }
}

async fn metrics(State(api): Shared) -> Response {
    match ask(&api.wires, |answer| Call::Read(Read::Metrics, answer)).await {
        Ok(Value::String(text)) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }
        Ok(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "no metrics"),
        Err(failure) => failed(failure),
    }
}

/// Ready: this controller leads, and its database can be used.
async fn ready(State(api): Shared) -> Response {
    match ask(&api.wires, |answer| Call::Read(Read::Ready, answer)).await {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failed(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same("secret", "secret"));
        for wrong in ["", "secre", "secrets", "Secret"] {
            assert!(!is_same(wrong, "secret"), "{wrong}");
        }
    }
}
