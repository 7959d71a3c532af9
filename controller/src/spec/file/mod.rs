//! `fleet.toml`: read with the place of every value, and checked whole: all mistakes at once.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the one file that it is about"
)]

mod controller;
mod docker;
mod raw;
mod scale;
mod service;
#[cfg(test)]
mod tests;

use super::bus::BusSpec;
use super::service::{ServiceSpec, Template};
use super::span::{Problem, Report, nearest};
use crate::fleet::id::ServiceName;
use raw::RawFile;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FleetSpec {
    pub(crate) controller: ControllerSpec,
    pub(crate) services: Vec<ServiceSpec>,
}

/// The controller itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ControllerSpec {
    pub(crate) listen: SocketAddr,
    pub(crate) database: PathBuf,
    /// Run directories of processes and the secrets of agents.
    pub(crate) state: PathBuf,
    pub(crate) lbs: Vec<LbSpec>,
    /// The token that callers of the API must show; needed beyond loopback.
    pub(crate) token_file: Option<PathBuf>,
    /// Where heartbeats of agents go: the `--heartbeat-listen` of each lb.
    pub(crate) heartbeats: Vec<String>,
    pub(crate) heartbeat_key_file: Option<PathBuf>,
    /// Serves the two services and the HTTP routes of existing fleets.
    pub(crate) compat_listen: Option<SocketAddr>,
    /// The service that compatible calls are about.
    pub(crate) compat_service: Option<ServiceName>,
    /// The port at which compatible agents answer `ping`.
    pub(crate) compat_agent_port: u16,
    /// Where servers say how they are, beside the sessions of their agents.
    pub(crate) bus: Option<BusSpec>,
}

/// The admin API of one lb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LbSpec {
    /// As it is written, without a slash at the end.
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) token_file: Option<PathBuf>,
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, with its places.
pub(crate) fn read(path: &Path) -> Result<FleetSpec, Report> {
    let failed = |text: String| Report::new(path, "", vec![Problem::new(text)]);
    let source = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    parse(&source, folder.unwrap_or(Path::new(".")))
        .map_err(|problems| Report::new(path, &source, problems))
}

/// Reads the text of a file that is not written yet.
///
/// # Errors
/// Everything that is wrong with it, with its places.
pub(crate) fn check(source: &str) -> Result<FleetSpec, Report> {
    parse(source, Path::new("."))
        .map_err(|problems| Report::new(Path::new("fleet.toml"), source, problems))
}

/// Reads the text of a file; paths in it are relative to `folder`.
fn parse(source: &str, folder: &Path) -> Result<FleetSpec, Vec<Problem>> {
    let raw: RawFile = toml::from_str(source).map_err(|error| {
        let text = explain(error.message());
        vec![match error.span() {
            Some(span) => Problem::at(span, text),
            None => Problem::new(text),
        }]
    })?;
    let mut reader = Reader {
        problems: Vec::new(),
        folder,
    };
    let has_lbs = !raw.controller.lbs.is_empty();
    let mut services = Vec::new();
    for (name, service) in raw.service {
        services.extend(reader.service(&name, service, has_lbs));
    }
    let controller = reader.controller(raw.controller, &services);
    reader.check_ports(&services);
    match controller {
        Some(controller) if reader.problems.is_empty() => Ok(FleetSpec {
            controller,
            services,
        }),
        Some(_) | None => Err(reader.problems),
    }
}

/// Adds the name that was probably meant to the words of the parser.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or(message);
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.to_owned();
    };
    let Some((word, rest)) = rest.split_once('`') else {
        return message.to_owned();
    };
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    match nearest(word, &known) {
        Some(name) => format!("unknown key {word}: did you mean {name}?"),
        None => format!("unknown key {word}: there are {}", known.join(", ")),
    }
}

struct Reader<'a> {
    problems: Vec<Problem>,
    folder: &'a Path,
}

impl Reader<'_> {
    fn wrong<T>(&mut self, at: &Spanned<T>, text: impl Into<String>) {
        self.problems.push(Problem::at(at.span(), text));
    }

    /// A path of the file, relative to its folder.
    fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    fn address(&mut self, at: &Spanned<String>, key: &str) -> Option<SocketAddr> {
        let address = at.get_ref().parse().ok();
        if address.is_none() {
            let text = format!(
                "{key} is {:?}; it is IP:PORT, as 127.0.0.1:9091",
                at.get_ref()
            );
            self.wrong(at, text);
        }
        address
    }

    fn span(&mut self, key: &str, at: Option<&Spanned<f64>>, default: Duration) -> Duration {
        let Some(at) = at else { return default };
        let seconds = *at.get_ref();
        if !(0.1..=86_400.0).contains(&seconds) {
            self.wrong(
                at,
                format!("{key} is {seconds}; it is seconds, from 0.1 to 86400"),
            );
            return default;
        }
        Duration::from_secs_f64(seconds)
    }

    /// Two services must not hand out the same ports.
    fn check_ports(&mut self, services: &[ServiceSpec]) {
        let ranges: Vec<_> = services
            .iter()
            .filter_map(|it| match &it.template {
                Template::Process {
                    host,
                    ports: Some(ports),
                    ..
                } => Some((&it.name, host, ports)),
                Template::Process { ports: None, .. }
                | Template::Docker(_)
                | Template::Exec(_)
                | Template::Fixed { .. } => None,
            })
            .collect();
        for (nth, (name, host, ports)) in ranges.iter().enumerate() {
            for (other, other_host, others) in ranges.iter().skip(nth + 1) {
                if host == other_host && ports.first <= others.last && others.first <= ports.last {
                    let text =
                        format!("services {name} and {other} share ports: give each its own");
                    self.problems.push(Problem::new(text));
                }
            }
        }
    }
}
