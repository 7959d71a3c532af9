//! Which request asks for what: method and path, with the body read.

mod in_pool;

use super::page::{self, Page};
use super::request::Request;
use super::response::Response;
use super::roster::{Refused, Set};
use crate::config::Access;
use crate::http::Method;
use crate::pool::{NewBackend, PoolId};
use crate::proxy::AdminCommand;
use crate::strategy::StrategySpec;
use in_pool::in_pool;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::num::NonZeroUsize;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// What there is.
    Index,
    /// A file of the dashboard, which the client may have already under these tags.
    Page(&'static Page, Option<String>),
    /// The listeners.
    Listeners,
    /// Their routes.
    Routes,
    /// What the asking side may do.
    Access(Access),
    /// Whether the loop lives.
    Health,
    /// What needs the counts of all workers.
    Show(Shown),
    /// The configuration file read anew.
    Reload,
    /// The events after this number, or from now on, as a stream.
    Events(Option<u64>),
    /// Something of a pool.
    Of(String, PoolCall),
}

/// What is asked for of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PoolCall {
    /// All that is known of it.
    Show,
    /// A set in force.
    Set(String),
    /// A set to put in force.
    PutSet(String, Set),
    /// A backend to add.
    Add(NewBackend),
    /// Why a backend would be picked.
    Explain(Question),
    /// A strategy to pick by, and as it was written.
    Strategy(StrategySpec, String),
    /// How the last exchanges would have gone otherwise.
    WhatIf(Otherwise),
    /// Forgets what was learned.
    ClearLearned,
    /// A backend to change.
    Command(String, AdminCommand),
    /// The operator takes back what was said of a weight.
    ClearWeight(String),
}

/// A question about the picks of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// What stands in a request where the strategy looks.
    pub(crate) key: Option<String>,
    /// The backend whose last picks are asked for; `None`: all.
    pub(crate) backend: Option<String>,
}

/// A pool as it might be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Otherwise {
    /// `None`: as it is.
    pub(crate) strategy: Option<StrategySpec>,
    /// Backends that may be picked; `None`: as many as there are.
    pub(crate) servers: Option<NonZeroUsize>,
}

/// What needs the counts of all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Whether every pool has a backend to pick.
    Ready,
    /// The metrics, if so as plain text.
    Metrics {
        is_plain: bool,
    },
    /// The whole, in short.
    Status,
    Pools,
    /// The pool of this name.
    Pool(String),
    /// Each worker.
    Workers,
    /// The events after this number, and the figures from now on, as a stream.
    Live(Option<u64>),
    /// Why a backend would be picked: in this pool, for a key.
    Explanation(PoolId, u64, Question),
}

/// What a request asks for.
///
/// # Errors
/// There is no such thing, or it is not asked for like this: the response.
pub(crate) fn route(request: &Request, access: Access) -> Result<Call, Response> {
    if let Some(page) = page::find(request) {
        return get(request, Call::Page(page, request.if_none_match.clone()));
    }
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => get(request, Call::Index),
        ["healthz"] => get(request, Call::Health),
        ["readyz"] => get(request, Call::Show(Shown::Ready)),
        ["metrics"] => {
            let is_plain = request.wants_plain_text;
            get(request, Call::Show(Shown::Metrics { is_plain }))
        }
        ["v1", "status"] => get(request, Call::Show(Shown::Status)),
        ["v1", "pools"] => get(request, Call::Show(Shown::Pools)),
        ["v1", "listeners"] => get(request, Call::Listeners),
        ["v1", "routes"] => get(request, Call::Routes),
        ["v1", "access"] => get(request, Call::Access(access)),
        ["v1", "workers"] => get(request, Call::Show(Shown::Workers)),
        ["v1", "live"] => get(request, Call::Show(Shown::Live(events_after(request)?))),
        ["v1", "events"] => get(request, Call::Events(events_after(request)?)),
        ["v1", "reload"] => match request.method {
            Method::Post => Ok(Call::Reload),
            _ => Err(not_allowed("POST")),
        },
        ["v1", "pools", pool, rest @ ..] => {
            let call = in_pool(request, rest)?;
            Ok(Call::Of((*pool).to_owned(), call))
        }
        _ => Err(not_found()),
    }
}

/// The response to what the roster refuses.
pub(crate) fn refused(refused: &Refused) -> Response {
    match refused {
        Refused::Invalid(message) => invalid(message.as_str()),
        Refused::TooFew(message) => Response::error(422, "too_few", message.as_str()),
        Refused::OfSet(message) => Response::error(409, "of_set", message.as_str()),
        Refused::Fenced {
            fleet,
            term,
            revision,
            message,
        } => {
            let there = json!({ "fleet": fleet, "term": term, "revision": revision });
            Response::error_with(409, "fenced", message.as_str(), there)
        }
    }
}

/// The response to a request that asks for what cannot be done.
pub(crate) fn invalid(message: impl Into<String>) -> Response {
    Response::error(400, "invalid", message)
}

fn get<T>(request: &Request, call: T) -> Result<T, Response> {
    match request.method {
        Method::Get | Method::Head => Ok(call),
        _ => Err(not_allowed("GET")),
    }
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body)
        .map_err(|error| invalid(format!("the body is not as it should be: {error}")))
}

fn events_after(request: &Request) -> Result<Option<u64>, Response> {
    let given = request.last_event_id.as_deref();
    let Some(text) = given.or_else(|| request.parameter("after")) else {
        return Ok(None);
    };
    let seq = text.trim().parse();
    seq.map(Some)
        .map_err(|_| invalid(format!("{text} is not the number of an event")))
}

fn not_found() -> Response {
    Response::error(404, "not_found", "there is nothing at this path; see GET /")
}

fn not_allowed(methods: &str) -> Response {
    let message = format!("this path takes {methods}");
    Response::error(405, "method", message).with_field("Allow", methods)
}
