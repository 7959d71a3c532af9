//! Which request asks for what: method and path, with the body read.

use super::request::Request;
use super::response::Response;
use super::roster::{
    Admit, Refused, SET_DRAIN, Set, check_backend_name, check_weight, parse_address,
};
use crate::http::Method;
use crate::pool::{Entrance, NewBackend};
use crate::proxy::AdminCommand;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::num::NonZeroU32;
use std::time::Duration;

/// The longest time to drain that can be asked for: a day.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3600);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// What there is.
    Index,
    /// Whether the loop lives.
    Health,
    /// What needs the counts of all workers.
    Show(Shown),
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
    /// A backend to change.
    Command(String, AdminCommand),
    /// The operator takes back what was said of a weight.
    ClearWeight(String),
}

/// What needs the counts of all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Whether every pool has a backend to pick.
    Ready,
    Metrics,
    Pools,
    /// The pool of this name.
    Pool(String),
}

/// What a request asks for.
///
/// # Errors
/// There is no such thing, or it is not asked for like this: the response.
pub(crate) fn route(request: &Request) -> Result<Call, Response> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => get(request, Call::Index),
        ["healthz"] => get(request, Call::Health),
        ["readyz"] => get(request, Call::Show(Shown::Ready)),
        ["metrics"] => get(request, Call::Show(Shown::Metrics)),
        ["v1", "pools"] => get(request, Call::Show(Shown::Pools)),
        ["v1", "events"] => get(request, Call::Events(events_after(request)?)),
        ["v1", "pools", pool, rest @ ..] => {
            let call = in_pool(request, rest)?;
            Ok(Call::Of((*pool).to_owned(), call))
        }
        _ => Err(not_found()),
    }
}

fn in_pool(request: &Request, path: &[&str]) -> Result<PoolCall, Response> {
    match path {
        [] => get(request, PoolCall::Show),
        ["backends"] => match request.method {
            Method::Post => add(request),
            _ => Err(not_allowed("POST")),
        },
        ["backends", name] => match request.method {
            Method::Delete => {
                let remove = AdminCommand::Remove(drain_time(request)?);
                Ok(PoolCall::Command((*name).to_owned(), remove))
            }
            _ => Err(not_allowed("DELETE")),
        },
        ["backends", name, verb] => verb_of(request, name, verb),
        ["sets", owner] => match request.method {
            Method::Get | Method::Head => Ok(PoolCall::Set((*owner).to_owned())),
            Method::Put => Ok(PoolCall::PutSet((*owner).to_owned(), body(request)?)),
            _ => Err(not_allowed("GET, PUT")),
        },
        _ => Err(not_found()),
    }
}

fn verb_of(request: &Request, name: &str, verb: &str) -> Result<PoolCall, Response> {
    let command = match verb {
        "drain" => AdminCommand::Drain,
        "disable" => AdminCommand::Disable,
        "undrain" | "enable" => AdminCommand::Enable,
        "weight" | "max_in_flight" => return setting_of(request, name, verb),
        _ => return Err(not_found()),
    };
    match request.method {
        Method::Post => Ok(PoolCall::Command(name.to_owned(), command)),
        _ => Err(not_allowed("POST")),
    }
}

/// A number to set; `null` takes the operator's word back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    #[serde(alias = "weight", alias = "max_in_flight")]
    value: Option<u32>,
}

fn setting_of(request: &Request, name: &str, verb: &str) -> Result<PoolCall, Response> {
    if !matches!(request.method, Method::Put | Method::Post) {
        return Err(not_allowed("PUT"));
    }
    let Number { value } = body(request)?;
    let command = match (verb, value) {
        ("weight", None) => return Ok(PoolCall::ClearWeight(name.to_owned())),
        ("weight", Some(weight)) => {
            check_weight(weight).map_err(invalid)?;
            AdminCommand::Weight(weight)
        }
        (_, Some(0)) => return Err(invalid("max_in_flight is at least 1, or null for no limit")),
        (_, max) => AdminCommand::MaxConnections(max.and_then(NonZeroU32::new)),
    };
    Ok(PoolCall::Command(name.to_owned(), command))
}

/// A backend to add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    name: Option<String>,
    address: String,
    #[serde(default = "one")]
    weight: u32,
    max_in_flight: Option<NonZeroU32>,
    #[serde(default)]
    admit: Admit,
}

const fn one() -> u32 {
    1
}

fn add(request: &Request) -> Result<PoolCall, Response> {
    let added: Added = body(request)?;
    let address = parse_address(&added.address).map_err(invalid)?;
    check_weight(added.weight).map_err(invalid)?;
    let name = added.name.unwrap_or_else(|| address.to_string());
    check_backend_name(&name).map_err(|refused| super::route::refused(&refused))?;
    let entrance = match added.admit {
        Admit::Trial => Entrance::Trial,
        Admit::Warm => Entrance::Warm,
        Admit::Drain | Admit::Off => {
            return Err(invalid(
                "admit is trial or warm for a backend that is added",
            ));
        }
    };
    Ok(PoolCall::Add(NewBackend {
        name,
        address: address.to_string(),
        addresses: vec![address],
        weight: added.weight,
        max_in_flight: added.max_in_flight.map(NonZeroU32::get),
        entrance,
    }))
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

fn drain_time(request: &Request) -> Result<Duration, Response> {
    let Some(text) = request.parameter("drain") else {
        return Ok(SET_DRAIN);
    };
    let seconds = text.parse::<f64>().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| *time <= MAX_DRAIN).ok_or_else(|| {
        invalid(format!(
            "drain is a number of seconds, 0 to {}, not {text}",
            MAX_DRAIN.as_secs()
        ))
    })
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
