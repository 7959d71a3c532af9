//! The keys of `fleet.toml`, as they are written: each value with its place.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) controller: RawController,
    #[serde(default)]
    pub(super) service: BTreeMap<Spanned<String>, Spanned<RawService>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawController {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) database: Option<Spanned<String>>,
    pub(super) state: Option<PathBuf>,
    #[serde(default)]
    pub(super) lbs: Vec<Spanned<String>>,
    pub(super) lb_token_file: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) heartbeats: Vec<Spanned<String>>,
    pub(super) heartbeat_key_file: Option<PathBuf>,
    pub(super) compat_listen: Option<Spanned<String>>,
    pub(super) compat_service: Option<Spanned<String>>,
    pub(super) compat_agent_port: Option<u16>,
    pub(super) bus: Option<Spanned<String>>,
    pub(super) bus_interval: Option<Spanned<f64>>,
    pub(super) bus_silent: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawService {
    pub(super) provider: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: Option<PathBuf>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) ports: Option<Spanned<String>>,
    pub(super) launch: Option<Spanned<Vec<String>>>,
    pub(super) list: Option<Spanned<Vec<String>>>,
    pub(super) stop: Option<Spanned<Vec<String>>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) build: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) memory_mib: Option<Spanned<u64>>,
    pub(super) network: Option<Spanned<String>>,
    pub(super) engine: Option<Spanned<String>>,
    pub(super) addresses: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) check: Option<Spanned<String>>,
    pub(super) pool: Option<Spanned<String>>,
    pub(super) weight: Option<Spanned<u32>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
    pub(super) servers: Option<Spanned<RawBounds>>,
    pub(super) surge: Option<Spanned<usize>>,
    pub(super) singleton: Option<Spanned<bool>>,
    pub(super) scale: Option<Spanned<RawScale>>,
    pub(super) start_timeout: Option<Spanned<f64>>,
    pub(super) stop_grace: Option<Spanned<f64>>,
    pub(super) drain_timeout: Option<Spanned<f64>>,
    pub(super) hang_after: Option<Spanned<f64>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBounds {
    pub(super) min: Option<usize>,
    pub(super) desired: Option<usize>,
    pub(super) max: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScale {
    pub(super) policy: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) threshold: Option<Spanned<f64>>,
    pub(super) concurrency: Option<Spanned<f64>>,
    pub(super) service_seconds: Option<Spanned<f64>>,
    pub(super) utilisation: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) floors: Vec<Spanned<RawFloor>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFloor {
    pub(super) days: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) min: usize,
}
