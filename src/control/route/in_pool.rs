//! What a request asks for of a pool and its backends.

use super::{Otherwise, PoolCall, Question, body, get, invalid, not_allowed, not_found, refused};
use crate::config::MAX_BACKENDS;
use crate::control::request::Request;
use crate::control::response::Response;
use crate::control::roster::{Admit, SET_DRAIN, check_backend_name, check_weight, parse_address};
use crate::http::Method;
use crate::pool::{Entrance, Hold, NewBackend};
use crate::proxy::AdminCommand;
use crate::strategy::{BadStrategy, StrategySpec};
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// The longest time to drain that can be asked for: a day.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3600);

/// What a request asks for of a pool; `path` is what follows its name.
///
/// # Errors
/// As [`route`](super::route).
pub(super) fn in_pool(request: &Request, path: &[&str]) -> Result<PoolCall, Response> {
    match path {
        [] => match request.method {
            Method::Get | Method::Head => Ok(PoolCall::Show),
            Method::Put => strategy(request),
            _ => Err(not_allowed("GET, PUT")),
        },
        ["explain"] => {
            let text = |name| request.parameter(name).map(str::to_owned);
            let question = Question {
                key: text("key"),
                backend: text("backend"),
            };
            get(request, PoolCall::Explain(question))
        }
        ["what-if"] => match request.method {
            Method::Post => what_if(request),
            _ => Err(not_allowed("POST")),
        },
        ["clear-learned"] => match request.method {
            Method::Post => Ok(PoolCall::ClearLearned),
            _ => Err(not_allowed("POST")),
        },
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
        "health" => return health_of(request, name),
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

/// How well a backend is said to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    health: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Up,
    Down,
    Auto,
}

fn health_of(request: &Request, name: &str) -> Result<PoolCall, Response> {
    if request.method != Method::Put {
        return Err(not_allowed("PUT"));
    }
    let Health { health } = body(request)?;
    let hold = match health {
        Word::Up => Some(Hold::Up),
        Word::Down => Some(Hold::Down),
        Word::Auto => None,
    };
    Ok(PoolCall::Command(name.to_owned(), AdminCommand::Hold(hold)))
}

/// What of a pool is to be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    strategy: String,
}

fn strategy(request: &Request) -> Result<PoolCall, Response> {
    let Changed { strategy } = body(request)?;
    Ok(PoolCall::Strategy(spec(&strategy)?, strategy))
}

fn spec(text: &str) -> Result<StrategySpec, Response> {
    text.parse()
        .map_err(|error: BadStrategy| invalid(format!("{text}: {error}")))
}

/// What of a pool is to be supposed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Supposed {
    strategy: Option<String>,
    servers: Option<NonZeroUsize>,
}

fn what_if(request: &Request) -> Result<PoolCall, Response> {
    let Supposed { strategy, servers } = body(request)?;
    if servers.is_some_and(|servers| servers.get() > MAX_BACKENDS) {
        return Err(invalid(format!("servers is at most {MAX_BACKENDS}")));
    }
    Ok(PoolCall::WhatIf(Otherwise {
        strategy: strategy.as_deref().map(spec).transpose()?,
        servers,
    }))
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
    check_backend_name(&name).map_err(|reason| refused(&reason))?;
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
