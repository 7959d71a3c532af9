//! `fleet.toml`: read with the place of every value, and checked whole: all mistakes at once.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the one file that it is about"
)]

use super::service::{Bounds, Check, Mode, PortRange, ServiceSpec, Template, Timing};
use super::span::{Problem, Report, nearest};
use crate::fleet::id::{PoolName, ServiceName};
use crate::scale::{Days, Floor, Policy, Tracking, minutes};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// Most servers of one service.
const MOST_SERVERS: usize = 4_096;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    controller: RawController,
    #[serde(default)]
    service: BTreeMap<Spanned<String>, Spanned<RawService>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawController {
    listen: Option<Spanned<String>>,
    database: Option<Spanned<String>>,
    state: Option<PathBuf>,
    #[serde(default)]
    lbs: Vec<Spanned<String>>,
    lb_token_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    heartbeats: Vec<Spanned<String>>,
    heartbeat_key_file: Option<PathBuf>,
    compat_listen: Option<Spanned<String>>,
    compat_service: Option<Spanned<String>>,
    compat_agent_port: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    provider: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<PathBuf>,
    host: Option<Spanned<String>>,
    ports: Option<Spanned<String>>,
    addresses: Option<Spanned<Vec<Spanned<String>>>>,
    check: Option<Spanned<String>>,
    pool: Option<Spanned<String>>,
    weight: Option<Spanned<u32>>,
    max_in_flight: Option<Spanned<u32>>,
    servers: Option<Spanned<RawBounds>>,
    surge: Option<Spanned<usize>>,
    singleton: Option<Spanned<bool>>,
    scale: Option<Spanned<RawScale>>,
    start_timeout: Option<Spanned<f64>>,
    stop_grace: Option<Spanned<f64>>,
    drain_timeout: Option<Spanned<f64>>,
    hang_after: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBounds {
    min: Option<usize>,
    desired: Option<usize>,
    max: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScale {
    policy: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
    threshold: Option<Spanned<f64>>,
    concurrency: Option<Spanned<f64>>,
    service_seconds: Option<Spanned<f64>>,
    #[serde(default)]
    floors: Vec<Spanned<RawFloor>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFloor {
    days: Option<String>,
    from: String,
    to: String,
    min: usize,
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

    fn controller(
        &mut self,
        raw: RawController,
        services: &[ServiceSpec],
    ) -> Option<ControllerSpec> {
        let listen = match &raw.listen {
            Some(at) => self.address(at, "listen")?,
            None => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091),
        };
        let token_file = raw.token_file.map(|path| self.path(&path));
        if let (Some(at), None, false) = (&raw.listen, &token_file, listen.ip().is_loopback()) {
            self.wrong(at, "the API listens beyond loopback only with token_file");
        }
        let database = match &raw.database {
            None => self.path(Path::new("fleet.db")),
            Some(at) => match at.get_ref().strip_prefix("sqlite:") {
                Some(path) if !path.is_empty() => self.path(Path::new(path)),
                Some(_) | None => {
                    let text = format!("database is {:?}; it is sqlite:FILE", at.get_ref());
                    self.wrong(at, text);
                    return None;
                }
            },
        };
        let lb_token = raw.lb_token_file.map(|path| self.path(&path));
        let lbs: Vec<LbSpec> = raw
            .lbs
            .iter()
            .filter_map(|at| self.lb(at, lb_token.clone()))
            .collect();
        let compat_service = raw.compat_service.and_then(|at| {
            let known = services.iter().find(|it| it.name.as_str() == at.get_ref());
            if known.is_none() {
                let text = format!(
                    "compat_service is {:?}: there is no such service",
                    at.get_ref()
                );
                self.wrong(&at, text);
            }
            known.map(|service| service.name.clone())
        });
        let compat_listen = match &raw.compat_listen {
            Some(at) => Some(self.address(at, "compat_listen")?),
            None => None,
        };
        let only = match services {
            [only] => Some(only.name.clone()),
            _ => None,
        };
        let compat_service = compat_service.or(only);
        if let (Some(at), None) = (&raw.compat_listen, &compat_service) {
            self.wrong(
                at,
                "compat_listen needs compat_service: the service that it is about",
            );
        }
        for at in &raw.heartbeats {
            if at
                .get_ref()
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err())
            {
                self.wrong(
                    at,
                    format!("heartbeats has {:?}; it is HOST:PORT", at.get_ref()),
                );
            }
        }
        Some(ControllerSpec {
            listen,
            database,
            state: self.path(raw.state.as_deref().unwrap_or(Path::new("fleet-state"))),
            lbs,
            token_file,
            heartbeats: raw
                .heartbeats
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            heartbeat_key_file: raw.heartbeat_key_file.map(|path| self.path(&path)),
            compat_listen,
            compat_service,
            compat_agent_port: raw.compat_agent_port.unwrap_or(8080),
        })
    }

    fn lb(&mut self, at: &Spanned<String>, token_file: Option<PathBuf>) -> Option<LbSpec> {
        let url = at.get_ref().trim_end_matches('/');
        let host_port = url
            .strip_prefix("http://")
            .and_then(|rest| rest.rsplit_once(':'));
        let parsed = host_port.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = parsed.filter(|(host, _)| !host.is_empty()) else {
            let text = format!(
                "lbs has {:?}; it is http://HOST:PORT, an admin API of lb",
                at.get_ref()
            );
            self.wrong(at, text);
            return None;
        };
        Some(LbSpec {
            url: url.to_owned(),
            host: host.to_owned(),
            port,
            token_file,
        })
    }

    fn service(
        &mut self,
        name: &Spanned<String>,
        raw: Spanned<RawService>,
        has_lbs: bool,
    ) -> Option<ServiceSpec> {
        let before = self.problems.len();
        let text = name.get_ref();
        let valid = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        if text.is_empty() || text.len() > 40 || !text.chars().all(valid) {
            self.wrong(name, "a service is called by 1 to 40 of a-z, 0-9 and -");
        }
        let place = raw.span();
        let raw = raw.into_inner();
        let template = self.template(&raw, &place);
        let check = self.check(&raw, template.as_ref());
        if let (Some(pool), false) = (&raw.pool, has_lbs) {
            self.wrong(
                pool,
                "a pool needs lbs in [controller]: nothing would serve it",
            );
        }
        let singleton = raw.singleton.as_ref().is_some_and(|it| *it.get_ref());
        let bounds = self.bounds(&raw, template.as_ref(), singleton);
        let (policy, mode) = self.scale(raw.scale.as_ref());
        let defaults = Timing::default();
        let timing = Timing {
            start: self.span("start_timeout", raw.start_timeout.as_ref(), defaults.start),
            stop_grace: self.span("stop_grace", raw.stop_grace.as_ref(), defaults.stop_grace),
            drain: self.span("drain_timeout", raw.drain_timeout.as_ref(), defaults.drain),
            hang_after: self.span("hang_after", raw.hang_after.as_ref(), defaults.hang_after),
        };
        if let Some(weight) = raw
            .weight
            .as_ref()
            .filter(|it| !(1..=256).contains(it.get_ref()))
        {
            self.wrong(weight, "weight is from 1 to 256");
        }
        let surge = raw.surge.as_ref().map_or(1, |it| *it.get_ref());
        if let Some(at) = raw.surge.as_ref().filter(|it| *it.get_ref() > 64) {
            self.wrong(at, "surge is at most 64");
        }
        let template = template.filter(|_| self.problems.len() == before)?;
        Some(ServiceSpec {
            name: ServiceName::new(name.get_ref().clone()),
            template,
            check,
            pool: raw.pool.map(|pool| PoolName::new(pool.into_inner())),
            weight: raw.weight.map_or(1, Spanned::into_inner),
            max_in_flight: raw.max_in_flight.map(Spanned::into_inner),
            bounds,
            surge,
            singleton,
            policy,
            mode,
            timing,
        })
    }

    fn template(&mut self, raw: &RawService, place: &std::ops::Range<usize>) -> Option<Template> {
        let provider = raw.provider.as_ref().map_or("process", |it| it.get_ref());
        match provider {
            "process" => self.process(raw, place),
            "fixed" => {
                let Some(list) = &raw.addresses else {
                    let text = "provider fixed needs addresses = [\"IP:PORT\", ...]";
                    self.problems.push(Problem::at(place.clone(), text));
                    return None;
                };
                let addresses: Vec<SocketAddr> = list
                    .get_ref()
                    .iter()
                    .filter_map(|at| self.address(at, "addresses"))
                    .collect();
                if addresses.is_empty() {
                    self.wrong(list, "addresses is empty");
                }
                Some(Template::Fixed { addresses })
            }
            other => {
                let known = ["process", "fixed"];
                let meant = nearest(other, &known).map_or("process or fixed".to_owned(), |name| {
                    format!("did you mean {name}?")
                });
                if let Some(at) = &raw.provider {
                    self.wrong(at, format!("there is no provider {other:?}: {meant}"));
                }
                None
            }
        }
    }

    fn process(&mut self, raw: &RawService, place: &std::ops::Range<usize>) -> Option<Template> {
        let Some(command) = &raw.command else {
            let text = "provider process needs command = [\"PROGRAM\", \"ARGUMENT\", ...]";
            self.problems.push(Problem::at(place.clone(), text));
            return None;
        };
        if command.get_ref().first().is_none_or(String::is_empty) {
            self.wrong(command, "command is empty");
        }
        let host = match &raw.host {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(at) => match at.get_ref().parse() {
                Ok(host) => host,
                Err(_) => {
                    self.wrong(at, "host is an IP address of this machine");
                    return None;
                }
            },
        };
        let mut texts = command.get_ref().iter().chain(raw.environment.values());
        let wants_port = texts.any(|text| text.contains("{port}"));
        let ports = match &raw.ports {
            Some(at) => {
                let range = ports(at.get_ref());
                if range.is_none() {
                    let text = format!(
                        "ports is {:?}; it is FIRST-LAST, as 5000-5099",
                        at.get_ref()
                    );
                    self.wrong(at, text);
                }
                if !wants_port {
                    self.wrong(at, "ports is given, and nothing in command has {port}");
                }
                range
            }
            None if wants_port => Some(PortRange {
                first: 5000,
                last: 5099,
            }),
            None => None,
        };
        if let (Some(pool), None) = (&raw.pool, &ports) {
            self.wrong(
                pool,
                "a server of a pool needs a port: write {port} into command",
            );
        }
        Some(Template::Process {
            command: command.get_ref().clone(),
            environment: raw.environment.clone(),
            directory: raw.directory.as_deref().map(|path| self.path(path)),
            host,
            ports,
        })
    }

    fn check(&mut self, raw: &RawService, template: Option<&Template>) -> Check {
        let has_port = !matches!(template, Some(Template::Process { ports: None, .. }));
        match &raw.check {
            None if has_port => Check::Tcp,
            None => Check::None,
            Some(at) => match at.get_ref().as_str() {
                "none" => Check::None,
                "announced" => Check::Announced,
                _ if !has_port => {
                    self.wrong(at, "a check needs a port: write {port} into command");
                    Check::None
                }
                "tcp" => Check::Tcp,
                path if path.starts_with('/') && path.bytes().all(|it| it.is_ascii_graphic()) => {
                    Check::Http(path.to_owned())
                }
                other => {
                    self.wrong(
                        at,
                        format!("check is {other:?}; it is a path, tcp, announced or none"),
                    );
                    Check::None
                }
            },
        }
    }

    fn bounds(&mut self, raw: &RawService, template: Option<&Template>, singleton: bool) -> Bounds {
        if let Some(Template::Fixed { addresses }) = template {
            if let Some(at) = &raw.servers {
                self.wrong(
                    at,
                    "fixed servers are as many as addresses: leave servers out",
                );
            }
            let count = addresses.len();
            return Bounds {
                min: count,
                desired: count,
                max: count,
            };
        }
        let Some(at) = &raw.servers else {
            return Bounds {
                min: 1,
                desired: 1,
                max: 1,
            };
        };
        let RawBounds { min, desired, max } = *at.get_ref();
        let desired = desired.or(min).unwrap_or(1);
        let min = min.unwrap_or(desired.min(1));
        let max = max.unwrap_or(desired.max(min));
        if !(min <= desired && desired <= max) {
            self.wrong(
                at,
                format!("min {min}, desired {desired}, max {max}: each at most the next"),
            );
        }
        if max > MOST_SERVERS {
            self.wrong(at, format!("max is at most {MOST_SERVERS}"));
        }
        if singleton && max != 1 {
            self.wrong(at, "a singleton has max = 1");
        }
        if let Some(Template::Process {
            ports: Some(range), ..
        }) = template
            && max < MOST_SERVERS
            && range.len() <= max
        {
            let text = format!(
                "{} ports are too few for {max} servers: one more than max is needed to replace one",
                range.len()
            );
            self.wrong(at, text);
        }
        Bounds { min, desired, max }
    }

    fn scale(&mut self, raw: Option<&Spanned<RawScale>>) -> (Policy, Mode) {
        let Some(at) = raw else {
            return (Policy::Fixed { floors: Vec::new() }, Mode::Live);
        };
        let raw = at.get_ref();
        let floors: Vec<Floor> = raw.floors.iter().filter_map(|at| self.floor(at)).collect();
        let word = raw.policy.as_ref().map_or("tracking", |it| it.get_ref());
        let positive = |reader: &mut Self, it: &Option<Spanned<f64>>, key: &str| {
            let it = it.as_ref()?;
            if !(it.get_ref().is_finite() && *it.get_ref() > 0.0) {
                reader.wrong(it, format!("{key} is above 0"));
            }
            Some(*it.get_ref())
        };
        let threshold = positive(self, &raw.threshold, "threshold");
        let concurrency = positive(self, &raw.concurrency, "concurrency");
        let service_seconds = positive(self, &raw.service_seconds, "service_seconds");
        if let (Some(at), true) = (&raw.threshold, word != "mean-load") {
            self.wrong(at, "threshold belongs to policy mean-load");
        }
        if let (Some(at), true) = (&raw.concurrency, word != "tracking") {
            self.wrong(at, "concurrency belongs to policy tracking");
        }
        let policy = match word {
            "fixed" => Policy::Fixed { floors: Vec::new() },
            "schedule" => {
                if floors.is_empty() && raw.floors.is_empty() {
                    self.wrong(
                        at,
                        "policy schedule needs floors = [{ days, from, to, min }]",
                    );
                }
                Policy::Fixed { floors }
            }
            "mean-load" => {
                let threshold = threshold.unwrap_or(0.6);
                if threshold > 1.0 {
                    self.wrong(at, "threshold is a load, at most 1");
                }
                Policy::MeanLoad { threshold, floors }
            }
            "tracking" => Policy::Tracking {
                settings: Tracking {
                    concurrency: concurrency.unwrap_or(1.0),
                    service_seconds,
                },
                floors,
            },
            other => {
                let known = ["fixed", "schedule", "mean-load", "tracking"];
                let meant = nearest(other, &known)
                    .map_or(format!("there are {}", known.join(", ")), |name| {
                        format!("did you mean {name}?")
                    });
                if let Some(at) = &raw.policy {
                    self.wrong(at, format!("there is no policy {other:?}: {meant}"));
                }
                Policy::Fixed { floors: Vec::new() }
            }
        };
        let mode = match raw.mode.as_ref().map(|it| it.get_ref().as_str()) {
            None | Some("live") => Mode::Live,
            Some("advise") => Mode::Advise,
            Some(other) => {
                let text = format!("mode is {other:?}; it is live or advise");
                if let Some(at) = &raw.mode {
                    self.wrong(at, text);
                }
                Mode::Live
            }
        };
        (policy, mode)
    }

    fn floor(&mut self, at: &Spanned<RawFloor>) -> Option<Floor> {
        let raw = at.get_ref();
        let days = match Days::parse(raw.days.as_deref().unwrap_or("daily")) {
            Ok(days) => days,
            Err(text) => {
                self.wrong(at, text);
                return None;
            }
        };
        match (minutes(&raw.from), minutes(&raw.to)) {
            (Some(from), Some(to)) => Some(Floor {
                days,
                from,
                to,
                min: raw.min,
            }),
            _ => {
                self.wrong(at, "from and to are HH:MM, in UTC");
                None
            }
        }
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
                Template::Process { ports: None, .. } | Template::Fixed { .. } => None,
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

fn ports(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = PortRange {
        first: first.trim().parse().ok()?,
        last: last.trim().parse().ok()?,
    };
    (range.first > 0 && range.first <= range.last).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[controller]
listen = "127.0.0.1:9091"
lbs = ["http://127.0.0.1:9090"]

[service.web]
command = ["pi-backend", "--port", "{port}"]
check = "/ping"
pool = "default"
servers = { min = 2, desired = 4, max = 8 }
scale = { policy = "tracking", concurrency = 1 }
"#;

    fn problems(source: &str) -> String {
        match parse(source, Path::new("/etc/lb")) {
            Ok(spec) => panic!("nothing is wrong with {spec:?}"),
            Err(problems) => Report::new(Path::new("fleet.toml"), source, problems).to_string(),
        }
    }

    #[test]
    fn the_file_of_the_demo_is_read() {
        let spec = parse(GOOD, Path::new("/etc/lb")).expect("is right");
        let [web] = spec.services.as_slice() else {
            panic!("one service")
        };
        assert_eq!(
            web.bounds,
            Bounds {
                min: 2,
                desired: 4,
                max: 8
            }
        );
        assert_eq!(web.check, Check::Http("/ping".into()));
        assert_eq!(spec.controller.database, Path::new("/etc/lb/fleet.db"));
        assert_eq!(spec.controller.lbs.len(), 1);
        assert_eq!(web.policy.word(), "tracking");
    }

    #[test]
    fn each_mistake_is_named_with_its_place_and_what_would_be_right() {
        let service = |line: &str| {
            format!(
                "[controller]\nlbs = [\"http://h:1\"]\n[service.web]\ncommand = [\"x\", \"{{port}}\"]\n{line}\n"
            )
        };
        for (source, expected) in [
            (
                service("comand = 1"),
                "fleet.toml:5:1: unknown key comand: did you mean command?",
            ),
            (
                service("check = \"ping\""),
                ":5:9: check is \"ping\"; it is a path, tcp, announced or none",
            ),
            (
                service("servers = { min = 3, desired = 2, max = 8 }"),
                "min 3, desired 2, max 8",
            ),
            (
                service("servers = { max = 200 }"),
                "100 ports are too few for 200 servers",
            ),
            (
                service("scale = { policy = \"traking\" }"),
                "did you mean tracking?",
            ),
            (
                service("scale = { mode = \"dry\" }"),
                "it is live or advise",
            ),
            (
                service("scale = { policy = \"fixed\", threshold = 0.5 }"),
                "belongs to policy mean-load",
            ),
            (service("scale = { policy = \"schedule\" }"), "needs floors"),
            (
                service("scale = { floors = [{ from = \"8\", to = \"9:00\", min = 1 }] }"),
                "HH:MM",
            ),
            (
                service("provider = \"proces\""),
                "there is no provider \"proces\": did you mean process?",
            ),
            (service("provider = \"fixed\""), "needs addresses"),
            (
                service("ports = \"5000\"\nservers = { desired = 1 }"),
                "1 ports are too few for 1",
            ),
            (service("ports = \"x\""), "FIRST-LAST"),
            (
                service("start_timeout = 0"),
                "start_timeout is 0; it is seconds",
            ),
            (
                service("singleton = true\nservers = { max = 2 }"),
                "a singleton has max = 1",
            ),
            (service("weight = 0"), "weight is from 1 to 256"),
            (service("host = \"localhost\""), "host is an IP address"),
            ("[service.web]\n".into(), "needs command"),
            (
                "[service.Web]\ncommand = [\"x\"]\n".into(),
                "a-z, 0-9 and -",
            ),
            (
                "[service.web]\ncommand = [\"x\"]\npool = \"p\"\n".into(),
                "a pool needs lbs",
            ),
            (
                "[service.web]\ncommand = [\"x\"]\ncheck = \"/\"\n".into(),
                "a check needs a port",
            ),
            (
                "[controller]\nlisten = \"0.0.0.0:1\"\n".into(),
                "only with token_file",
            ),
            ("[controller]\nlisten = \"9091\"\n".into(), "it is IP:PORT"),
            (
                "[controller]\ndatabase = \"mysql:x\"\n".into(),
                "it is sqlite:FILE",
            ),
            (
                "[controller]\nlbs = [\"127.0.0.1:9090\"]\n".into(),
                "http://HOST:PORT",
            ),
            (
                "[controller]\ncompat_listen = \"127.0.0.1:1\"\n".into(),
                "needs compat_service",
            ),
            ("[controller\n".into(), "fleet.toml:1:"),
            (
                "[service.a]\ncommand = [\"{port}\"]\n[service.b]\ncommand = [\"{port}\"]\n".into(),
                "services a and b share ports",
            ),
        ] {
            let report = problems(&source);
            assert!(
                report.contains(expected),
                "{source}\n{report}\nlacks {expected:?}"
            );
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let report = problems(
            "[service.a]\ncommand = [\"{port}\"]\nweight = 0\ncheck = \"x\"\nstart_timeout = -1\n",
        );
        assert_eq!(report.matches("fleet.toml:").count(), 3, "{report}");
    }

    #[test]
    fn members_that_exist_are_as_many_as_their_addresses() {
        let source =
            "[service.old]\nprovider = \"fixed\"\naddresses = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n";
        let spec = parse(source, Path::new(".")).expect("is right");
        assert_eq!(
            spec.services[0].bounds,
            Bounds {
                min: 2,
                desired: 2,
                max: 2
            }
        );
    }
}
