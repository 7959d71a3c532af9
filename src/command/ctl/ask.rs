//! The requests of each command.

use super::target::{backend, path, pool, pools};
use crate::cli::{HealthWord, SetVerb, Steering, Verb};
use crate::command::admin_client::{AdminClient, Failure, encoded};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// What lb has answered, by its kind.
#[derive(Debug)]
pub(super) enum Answer {
    Status {
        status: Value,
        pools: Value,
        /// Why lb is not ready, if it is not.
        unready: Option<Failure>,
    },
    Pools(Value),
    /// Each pool with its backends.
    Backends(Vec<Value>),
    Routes(Value),
    Listeners(Value),
    Workers(Value),
    Explanation(Value),
    Picks(Value),
    WhatIf(Value),
    Text(String),
    /// What has been done, in words, and the answer.
    Done(String, Value),
    Set(Value),
}

impl Answer {
    /// As it came, a line.
    pub(super) fn as_json(&self) -> String {
        let value = match self {
            Self::Status { status, pools, .. } => {
                let mut all = status.clone();
                if let Some(all) = all.as_object_mut() {
                    all.insert("pools".to_owned(), pools["pools"].clone());
                }
                all
            }
            Self::Backends(pools) => match pools.as_slice() {
                [only] => only.clone(),
                several => json!({ "pools": several }),
            },
            Self::Text(text) => return text.clone(),
            Self::Pools(value)
            | Self::Routes(value)
            | Self::Listeners(value)
            | Self::Workers(value)
            | Self::Explanation(value)
            | Self::Picks(value)
            | Self::WhatIf(value)
            | Self::Set(value)
            | Self::Done(_, value) => value.clone(),
        };
        format!("{value}\n")
    }
}

impl Answer {
    /// What is wrong, though it could be shown.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Status { unready, .. } => unready.as_ref(),
            _ => None,
        }
    }
}

/// Whether a command only shows something.
pub(super) const fn may_be_repeated(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Status
            | Verb::Pools
            | Verb::Backends
            | Verb::Routes
            | Verb::Listeners
            | Verb::Workers
            | Verb::Explain(_)
            | Verb::Picks(_)
            | Verb::WhatIf(_)
            | Verb::Metrics
            | Verb::Set(SetVerb::Get(_))
    )
}

/// Carries out a command other than events.
///
/// # Errors
/// lb cannot be reached, or refuses.
pub(super) fn ask(client: &AdminClient, steering: &Steering) -> Result<Answer, Failure> {
    let named = steering.pool.as_deref();
    let get = |path: &str| client.get(path)?.json();
    let of_pool = || Ok(path(&pool(client, named)?));
    Ok(match &steering.verb {
        Verb::Status => {
            let (status, pools) = (get("/v1/status")?, get("/v1/pools")?);
            let unready = match client.get("/readyz") {
                Ok(_) => None,
                Err(failure @ Failure::Refused(503, _)) => Some(failure),
                Err(failure) => return Err(failure),
            };
            Answer::Status {
                status,
                pools,
                unready,
            }
        }
        Verb::Pools => Answer::Pools(get("/v1/pools")?),
        Verb::Backends => {
            let names = match named {
                Some(name) => vec![name.to_owned()],
                None => pools(client)?,
            };
            let pools = names.iter().map(|name| get(&path(name)));
            Answer::Backends(pools.collect::<Result<_, _>>()?)
        }
        Verb::Routes => Answer::Routes(get("/v1/routes")?),
        Verb::Listeners => Answer::Listeners(get("/v1/listeners")?),
        Verb::Workers => Answer::Workers(get("/v1/workers")?),
        Verb::Metrics => Answer::Text(client.get("/metrics")?.body),
        Verb::Explain(flags) => {
            let query = query("key", flags.key.as_deref());
            Answer::Explanation(get(&format!("{}/explain{query}", of_pool()?))?)
        }
        Verb::Picks(flags) => {
            let query = query("backend", flags.backend.as_deref());
            Answer::Picks(get(&format!("{}/explain{query}", of_pool()?))?)
        }
        Verb::WhatIf(flags) => {
            let wanted = json!({ "strategy": flags.strategy, "servers": flags.servers });
            let path = format!("{}/what-if", of_pool()?);
            Answer::WhatIf(
                client
                    .ask("POST", &path, Some(&wanted.to_string()))?
                    .json()?,
            )
        }
        // It is not asked for here.
        Verb::Events(_) => Answer::Text(String::new()),
        Verb::Set(verb) => set(client, &of_pool()?, verb)?,
        verb => change(client, named, verb)?,
    })
}

fn query(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!("?{name}={}", encoded(value)))
}

/// A command that changes something.
fn change(client: &AdminClient, named: Option<&str>, verb: &Verb) -> Result<Answer, Failure> {
    let send = |method: &str, path: &str, body: Option<Value>| {
        let body = body.map(|body| body.to_string());
        client.ask(method, path, body.as_deref())?.json()
    };
    let to = |name: &str, rest: &str, method: &str, body: Option<Value>| {
        let path = format!("{}{rest}", backend(client, named, name)?);
        let answer = send(method, &path, body)?;
        let state = answer["state"].as_str().unwrap_or_default();
        Ok::<_, Failure>(Answer::Done(format!("{name} is {state}"), answer))
    };
    match verb {
        Verb::Drain(it) => to(&it.backend, "/drain", "POST", None),
        Verb::Undrain(it) => to(&it.backend, "/undrain", "POST", None),
        Verb::Disable(it) => to(&it.backend, "/disable", "POST", None),
        Verb::Enable(it) => to(&it.backend, "/enable", "POST", None),
        Verb::Weight(it) => {
            let body = json!({ "weight": it.weight.0 });
            to(&it.named.backend, "/weight", "PUT", Some(body))
        }
        Verb::MaxConnections(it) => {
            let body = json!({ "max_in_flight": it.max.0 });
            to(&it.named.backend, "/max_in_flight", "PUT", Some(body))
        }
        Verb::Health(it) => {
            let word = match it.health {
                HealthWord::Up => "up",
                HealthWord::Down => "down",
                HealthWord::Auto => "auto",
            };
            let body = json!({ "health": word });
            to(&it.named.backend, "/health", "PUT", Some(body))
        }
        Verb::Remove(it) => {
            let drain = format!("?drain={}", it.drain.0.as_secs_f64());
            to(&it.named.backend, &drain, "DELETE", None)
        }
        Verb::Add(it) => {
            let mut body = json!({ "address": it.address, "weight": it.weight });
            if let Some(body) = body.as_object_mut() {
                let mut add = |key: &str, value: Value| body.insert(key.to_owned(), value);
                if let Some(name) = &it.name {
                    add("name", json!(name));
                }
                if let Some(max) = it.max_connections {
                    add("max_in_flight", json!(max));
                }
                if it.warm {
                    add("admit", json!("warm"));
                }
            }
            let path = format!("{}/backends", path(&pool(client, named)?));
            let answer = send("POST", &path, Some(body))?;
            let name = answer["name"].as_str().unwrap_or_default();
            Ok(Answer::Done(format!("{name} is added"), answer))
        }
        Verb::Strategy(it) => {
            let path = path(&pool(client, named)?);
            let answer = send("PUT", &path, Some(json!({ "strategy": it.strategy })))?;
            let of = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            let words = format!("picks by {}; before by {}", of("strategy"), of("before"));
            Ok(Answer::Done(words, answer))
        }
        Verb::ClearLearned => {
            let path = format!("{}/clear-learned", path(&pool(client, named)?));
            let answer = send("POST", &path, None)?;
            Ok(Answer::Done("learns anew".to_owned(), answer))
        }
        _ => {
            let answer = send("POST", "/v1/reload", None)?;
            let changes = answer["changes"].as_array().into_iter().flatten();
            let changes: Vec<_> = changes.filter_map(Value::as_str).collect();
            let words = match changes.as_slice() {
                [] => "reloaded: nothing has changed".to_owned(),
                changes => format!("reloaded:\n  {}", changes.join("\n  ")),
            };
            Ok(Answer::Done(words, answer))
        }
    }
}

fn set(client: &AdminClient, pool: &str, verb: &SetVerb) -> Result<Answer, Failure> {
    let path = |owner: &str| format!("{pool}/sets/{}", encoded(owner));
    let put = |owner: &str, set: &Value| {
        let answer = client
            .ask("PUT", &path(owner), Some(&set.to_string()))?
            .json()?;
        let of = |key: &str| answer[key].as_u64().unwrap_or_default();
        let words = format!(
            "term {}, revision {} is in force: {} changes",
            of("term"),
            of("revision"),
            of("changes")
        );
        Ok(Answer::Done(words, answer))
    };
    match verb {
        SetVerb::Get(it) => Ok(Answer::Set(client.get(&path(&it.owner))?.json()?)),
        SetVerb::Put(it) => {
            let mut set = read(&it.file)?;
            if let (true, Some(set)) = (it.force, set.as_object_mut()) {
                set.insert("force".to_owned(), json!(true));
            }
            put(&it.owner.owner, &set)
        }
        SetVerb::Delete(it) => {
            let there = client.get(&path(&it.owner.owner))?.json()?;
            let revision = there["revision"].as_u64().unwrap_or_default();
            let empty = json!({
                "fleet": there["fleet"],
                "term": there["term"],
                "revision": revision + 1,
                "backends": [],
                "force": it.force,
            });
            put(&it.owner.owner, &empty)
        }
    }
}

/// Reads a set.
fn read(file: &Path) -> Result<Value, Failure> {
    let shown = file.display();
    let text = match file.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => fs::read_to_string(file),
    };
    let text = text.map_err(|error| Failure::Unfit(format!("{shown}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::Unfit(format!("{shown}: {error}")))
}
