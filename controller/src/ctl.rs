//! `lb-controller ctl`: the client of the HTTP API, for people and scripts.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it reads files and opens sockets"
)]

use crate::http_client::{self, Target};
use crate::provider::pack;
use clap::{Parser, Subcommand};
use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Time limit of a call.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Where the controller listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9091")]
    controller: String,
    /// File with the token of the API
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the answer as it came
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Services and servers, holds and lbs
    Status,
    /// The last events
    Events {
        /// So many
        #[arg(long, default_value_t = 40)]
        limit: u64,
    },
    /// The last decisions of a service's scaling policy, with their arithmetic
    Decisions { service: String },
    /// Want so many servers
    Scale { service: String, want: usize },
    /// Want one server more
    Create { service: String },
    /// Drain and stop a server; one fewer is wanted unless that is below the minimum
    Remove {
        server: u64,
        /// Do not wait for its requests
        #[arg(long)]
        now: bool,
    },
    /// Drain, stop and start a server again
    Restart { server: u64 },
    /// Take a drain back
    CancelDrain { server: u64 },
    /// Start a quarantined server again
    Retry { server: u64 },
    /// Do nothing voluntary, for one service or all
    Pause {
        service: Option<String>,
        /// The reason, shown while it lasts
        #[arg(long, default_value = "paused by an operator")]
        why: String,
    },
    /// End a pause
    Resume { service: Option<String> },
    /// Want no server of a service at all
    Stop { service: String },
    /// End a stop
    Start { service: String },
    /// Read the specification again
    Apply {
        /// Also if it lets most of what serves go
        #[arg(long)]
        force: bool,
    },
    /// Build the Dockerfile of a folder, and put it in the place of a service's image
    Deploy {
        /// A service with build = "upload"
        service: String,
        folder: PathBuf,
    },
}

/// Makes the call and prints the answer.
pub(crate) async fn run(args: Args) -> Result<(), String> {
    let target = target(&args)?;
    let (method, path, body) = request(&args.verb);
    let mut body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let mut limit = LIMIT;
    match &args.verb {
        Verb::Apply { .. } => limit = crate::api::deploy::LIMIT,
        Verb::Deploy { folder, .. } => {
            limit = crate::api::deploy::LIMIT;
            body = Bytes::from(pack(folder)?);
        }
        _ => {}
    }
    let answer = http_client::call(&target, method, &path, body, limit)
        .await
        .map_err(|error| {
            format!(
                "{}: {error}: is lb-controller running there?",
                args.controller
            )
        })?;
    let value: Value = serde_json::from_slice(&answer.body).map_err(|_| {
        format!(
            "{} is answered with {} and no JSON: is it lb-controller?",
            path, answer.status
        )
    })?;
    if !(200..300).contains(&answer.status) {
        let text = value
            .pointer("/error/message")
            .and_then(Value::as_str)
            .unwrap_or("refused");
        return Err(text.to_owned());
    }
    if args.json {
        println!("{value:#}");
    } else {
        show(&args.verb, &value);
    }
    Ok(())
}

fn target(args: &Args) -> Result<Target, String> {
    let wrong = || format!("--controller {}: it is HOST:PORT", args.controller);
    let (host, port) = args.controller.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let token = match &args.token_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(
                text.map_err(|error| format!("{}: {error}", path.display()))?
                    .trim()
                    .to_owned(),
            )
        }
    };
    Ok(Target {
        host: host.to_owned(),
        port,
        token,
    })
}

fn request(verb: &Verb) -> (Method, String, Option<Value>) {
    let post = |path: String| (Method::POST, path, None);
    match verb {
        Verb::Status => (Method::GET, "/v1/fleet".into(), None),
        Verb::Events { limit } => (Method::GET, format!("/v1/events?limit={limit}"), None),
        Verb::Decisions { service } => (
            Method::GET,
            format!("/v1/services/{service}/decisions?limit=20"),
            None,
        ),
        Verb::Scale { service, want } => (
            Method::POST,
            format!("/v1/services/{service}/scale"),
            Some(json!({ "want": want })),
        ),
        Verb::Create { service } => post(format!("/v1/services/{service}/create")),
        Verb::Remove { server, now } => (
            Method::DELETE,
            format!("/v1/servers/{server}?now={now}"),
            None,
        ),
        Verb::Restart { server } => post(format!("/v1/servers/{server}/restart")),
        Verb::CancelDrain { server } => post(format!("/v1/servers/{server}/cancel-drain")),
        Verb::Retry { server } => post(format!("/v1/servers/{server}/retry")),
        Verb::Pause { service, why } => {
            let path = service.as_ref().map_or("/v1/pause".to_owned(), |it| {
                format!("/v1/services/{it}/pause")
            });
            (Method::POST, path, Some(json!({ "why": why })))
        }
        Verb::Resume { service } => post(service.as_ref().map_or("/v1/resume".to_owned(), |it| {
            format!("/v1/services/{it}/resume")
        })),
        Verb::Stop { service } => post(format!("/v1/services/{service}/stop")),
        Verb::Start { service } => post(format!("/v1/services/{service}/start")),
        Verb::Apply { force } => post(format!("/v1/apply?force={force}")),
        Verb::Deploy { service, .. } => post(format!("/v1/services/{service}/deploy")),
    }
}

fn show(verb: &Verb, value: &Value) {
    match verb {
        Verb::Status => show_status(value),
        Verb::Events { .. } => {
            for event in list(value, "events") {
                let (at, place) = (number(event, "at"), place(event));
                println!("{at:>14} {place:<12} {}", text(event, "text"));
            }
        }
        Verb::Decisions { .. } => {
            for decision in list(value, "decisions") {
                let reasons: Vec<&str> = list(decision, "reasons")
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                println!(
                    "{:>14} {:>4}  {}",
                    number(decision, "at"),
                    number(decision, "want"),
                    reasons.join("; ")
                );
            }
        }
        Verb::Scale { .. }
        | Verb::Create { .. }
        | Verb::Remove { .. }
        | Verb::Restart { .. }
        | Verb::CancelDrain { .. }
        | Verb::Retry { .. }
        | Verb::Pause { .. }
        | Verb::Resume { .. }
        | Verb::Stop { .. }
        | Verb::Start { .. }
        | Verb::Apply { .. }
        | Verb::Deploy { .. } => {
            for built in list(value, "built") {
                println!("{}\nbuilt {}", text(built, "log"), text(built, "image"));
            }
            println!("{}", text(value, "done"));
        }
    }
}

fn place(event: &Value) -> String {
    let service = text(event, "service");
    match event.get("server").and_then(Value::as_u64) {
        Some(server) => format!("{service}-{server}"),
        None => service.to_owned(),
    }
}

fn show_status(value: &Value) {
    println!(
        "{:<16} {:<10} {:>4} {:>7} {:>5}  policy",
        "service", "state", "want", "serving", "units"
    );
    for it in list(value, "services") {
        println!(
            "{:<16} {:<10} {:>4} {:>7} {:>5}  {}",
            text(it, "name"),
            text(it, "state"),
            number(it, "want"),
            number(it, "serving"),
            number(it, "units"),
            text(it, "policy")
        );
    }
    println!(
        "\n{:>6} {:<16} {:<12} {:<22} {:>5} {:>9}  held against it",
        "server", "name", "state", "address", "load", "in flight"
    );
    for it in list(value, "servers") {
        let load = it
            .get("load")
            .and_then(Value::as_f64)
            .map_or("-".to_owned(), |it| format!("{:.0} %", it * 100.0));
        let against: Vec<&str> = list(it, "suspicions")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let cause = text(it, "cause");
        println!(
            "{:>6} {:<16} {:<12} {:<22} {load:>5} {:>9}  {cause}{}",
            number(it, "id"),
            text(it, "name"),
            text(it, "state"),
            text(it, "address"),
            number(it, "in_flight"),
            against.join("; ")
        );
    }
    for hold in list(value, "holds") {
        println!(
            "\nhold {} {}: {}",
            text(hold, "kind"),
            text(hold, "service"),
            text(hold, "why")
        );
    }
    for lb in list(value, "lbs") {
        if lb.get("is_reachable").and_then(Value::as_bool) != Some(true) {
            println!(
                "\n{} does not answer: {}",
                text(lb, "name"),
                text(lb, "trouble")
            );
        }
        for pool in list(lb, "pools")
            .iter()
            .filter(|it| it.get("refused").is_some())
        {
            println!(
                "\n{} refuses the set of {}: {}",
                text(lb, "name"),
                text(pool, "pool"),
                text(pool, "refused")
            );
        }
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}
