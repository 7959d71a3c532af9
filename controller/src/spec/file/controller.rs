//! The section `[controller]`.

use super::raw::RawController;
use super::{ControllerSpec, LbSpec, Reader};
use crate::spec::{BusSpec, BusUrl, ServiceSpec, Topics};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

impl Reader<'_> {
    pub(super) fn controller(
        &mut self,
        raw: RawController,
        services: &[ServiceSpec],
    ) -> Option<ControllerSpec> {
        let listen = match &raw.listen {
            Some(at) => self.address(at, "listen")?,
            None => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091),
        };
        let token_file = raw.token_file.as_ref().map(|path| self.path(path));
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
        let lb_token = raw.lb_token_file.as_ref().map(|path| self.path(path));
        let lbs: Vec<LbSpec> = raw
            .lbs
            .iter()
            .filter_map(|at| self.lb(at, lb_token.clone()))
            .collect();
        let compat_service = raw.compat_service.as_ref().and_then(|at| {
            let known = services.iter().find(|it| it.name.as_str() == at.get_ref());
            if known.is_none() {
                let text = format!(
                    "compat_service is {:?}: there is no such service",
                    at.get_ref()
                );
                self.wrong(at, text);
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
        let bus = self.bus(&raw);
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
            bus,
        })
    }

    fn bus(&mut self, raw: &RawController) -> Option<BusSpec> {
        let Some(at) = &raw.bus else {
            for (key, given) in [
                ("bus_interval", &raw.bus_interval),
                ("bus_silent", &raw.bus_silent),
            ] {
                if let Some(given) = given {
                    self.wrong(given, format!("{key} is about a bus, and no bus is given"));
                }
            }
            return None;
        };
        let url = match at.get_ref().parse::<BusUrl>() {
            Ok(url) => url,
            Err(why) => {
                self.wrong(at, format!("bus is {:?}: {why}", at.get_ref()));
                return None;
            }
        };
        if cfg!(not(feature = "kafka")) {
            self.wrong(at, "bus is given, and this program was built without Kafka");
        }
        let second = Duration::from_secs(1);
        let interval = self.span("bus_interval", raw.bus_interval.as_ref(), 5 * second);
        let usual = match url.topics {
            Topics::Keyed(_) => 3 * interval,
            // What existing fleets go by.
            Topics::PerServer { .. } => 16 * interval,
        };
        let silent = self.span("bus_silent", raw.bus_silent.as_ref(), usual);
        if let Some(given) = raw.bus_silent.as_ref().filter(|_| silent < 2 * interval) {
            let text = "bus_silent is at least two intervals: one status may be late";
            self.wrong(given, text);
        }
        Some(BusSpec {
            at: url,
            interval,
            silent,
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
}
