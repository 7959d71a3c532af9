//! A section `[service.NAME]`: what is launched, how many, how it is checked.

use super::Reader;
use super::raw::{RawBounds, RawService};
use crate::fleet::id::{PoolName, ServiceName};
use crate::spec::span::{Problem, nearest};
use crate::spec::{Bounds, Check, ExecCommands, PortRange, ServiceSpec, Template, Timing};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use toml::Spanned;

/// Maximum of servers of one service.
const MAX_SERVERS: usize = 4_096;

impl Reader<'_> {
    pub(super) fn service(
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

    fn template(&mut self, raw: &RawService, place: &Range<usize>) -> Option<Template> {
        let provider = raw.provider.as_ref().map_or("process", |it| it.get_ref());
        if provider != "docker" {
            self.no_docker_keys(raw);
        }
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
            "docker" => self.docker(raw, place),
            "exec" => self.exec(raw, place),
            other => {
                let known = ["process", "docker", "exec", "fixed"];
                let meant = nearest(other, &known)
                    .map_or(format!("there are {}", known.join(", ")), |name| {
                        format!("did you mean {name}?")
                    });
                if let Some(at) = &raw.provider {
                    self.wrong(at, format!("there is no provider {other:?}: {meant}"));
                }
                None
            }
        }
    }

    fn process(&mut self, raw: &RawService, place: &Range<usize>) -> Option<Template> {
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

    fn exec(&mut self, raw: &RawService, place: &Range<usize>) -> Option<Template> {
        let mut command = |key: &str, given: &Option<Spanned<Vec<String>>>| {
            let Some(command) = given else {
                let text = format!("provider exec needs {key} = [\"PROGRAM\", \"ARGUMENT\", ...]");
                self.problems.push(Problem::at(place.clone(), text));
                return None;
            };
            if command.get_ref().first().is_none_or(String::is_empty) {
                self.wrong(command, format!("{key} is empty"));
            }
            Some(command.get_ref().clone())
        };
        let launch = command("launch", &raw.launch);
        let list = command("list", &raw.list);
        let stop = command("stop", &raw.stop);
        if let Some(at) = &raw.command {
            self.wrong(at, "command belongs to provider process");
        }
        if let Some(at) = raw.ports.as_ref().or(raw.host.as_ref()) {
            self.wrong(at, "the launch or list command tells the address");
        }
        if let Some(at) = raw.check.as_ref().filter(|it| it.get_ref() == "none") {
            self.wrong(at, "a server of provider exec needs a check: tcp or a path");
        }
        Some(Template::Exec(ExecCommands {
            launch: launch?,
            list: list?,
            stop: stop?,
            environment: raw.environment.clone(),
            directory: Some(match &raw.directory {
                Some(directory) => self.path(directory),
                None => self.folder.to_owned(),
            }),
        }))
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
        let given = raw.servers.as_ref();
        let RawBounds { min, desired, max } =
            given.map_or_else(RawBounds::default, |at| *at.get_ref());
        let desired = desired.or(min).unwrap_or(1);
        let min = min.unwrap_or(desired.min(1));
        let max = max.unwrap_or(desired.max(min));
        if let Some(at) = given {
            if !(min <= desired && desired <= max) {
                self.wrong(
                    at,
                    format!("min {min}, desired {desired}, max {max}: each at most the next"),
                );
            }
            if max > MAX_SERVERS {
                self.wrong(at, format!("max is at most {MAX_SERVERS}"));
            }
            if singleton && max != 1 {
                self.wrong(at, "a singleton has max = 1");
            }
        }
        // A singleton is replaced only once it is gone.
        if let Some(Template::Process {
            ports: Some(range), ..
        }) = template
            && !singleton
            && max < MAX_SERVERS
            && range.len() <= max
        {
            let text = format!(
                "{} ports are too few for {max} servers: one more than max is needed to replace one",
                range.len()
            );
            let place = given
                .map(Spanned::span)
                .or(raw.ports.as_ref().map(Spanned::span));
            self.problems
                .extend(place.map(|place| Problem::at(place, text)));
        }
        Bounds { min, desired, max }
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
