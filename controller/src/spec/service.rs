//! A service: a template, a count, rules. Every value is within its range.

use super::docker::DockerTemplate;
use crate::fleet::id::{PoolName, ServiceName, TemplateId};
use crate::scale::Policy;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a service is: where its servers come from, how many, and by which rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceSpec {
    pub(crate) name: ServiceName,
    pub(crate) template: Template,
    pub(crate) check: Check,
    /// The pool that its servers serve in, at every lb; `None`: no lb knows them.
    pub(crate) pool: Option<PoolName>,
    pub(crate) weight: u32,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) bounds: Bounds,
    /// Servers beyond the maximum while old ones are replaced.
    pub(crate) surge: usize,
    /// Never two at a time, not even for a moment.
    pub(crate) singleton: bool,
    pub(crate) policy: Policy,
    pub(crate) mode: Mode,
    pub(crate) timing: Timing,
}

/// How many servers: `min <= desired <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: usize,
    pub(crate) desired: usize,
    pub(crate) max: usize,
}

impl Bounds {
    pub(crate) fn clamp(self, want: usize) -> usize {
        want.clamp(self.min, self.max)
    }
}

/// Whether the scaler's want is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Live,
    /// Decisions are made, recorded and shown, and change nothing.
    Advise,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From the launch until the server is ready.
    pub(crate) start: Duration,
    /// From SIGTERM to SIGKILL.
    pub(crate) stop_grace: Duration,
    /// Longest drain of a server that is healthy.
    pub(crate) drain: Duration,
    /// How long two vantage points must agree that a server hangs.
    pub(crate) hang_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
            drain: Duration::from_secs(300),
            hang_after: Duration::from_secs(10),
        }
    }
}

/// How a server is asked whether it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Check {
    /// A connection is accepted.
    Tcp,
    /// `GET` of this path is answered with 2xx or 3xx.
    Http(String),
    /// It says so itself, by `onConnect`.
    Announced,
    /// Runs, and that is all that can be known: it has no address.
    None,
}

/// Where servers come from. A change of the template is a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Template {
    /// A process on this machine, run by `lb-agent`.
    Process {
        command: Vec<String>,
        environment: BTreeMap<String, String>,
        directory: Option<PathBuf>,
        host: IpAddr,
        /// The ports that `{port}` is taken from; `None`: the command has no `{port}`.
        ports: Option<PortRange>,
    },
    /// Servers elsewhere, launched, listed and stopped by commands of the user.
    Exec(ExecCommands),
    /// Containers of a Docker engine.
    Docker(DockerTemplate),
    /// Servers that exist already: registered and watched, never launched.
    Fixed { addresses: Vec<SocketAddr> },
}

/// The commands of provider `exec`, each a program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecCommands {
    pub(crate) launch: Vec<String>,
    pub(crate) list: Vec<String>,
    pub(crate) stop: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) directory: Option<PathBuf>,
}

/// Kinds of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProviderKind {
    Process,
    Docker,
    Exec,
    Fixed,
}

impl ProviderKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Exec => "exec",
            Self::Fixed => "fixed",
        }
    }

    /// Whether a server of it can be replaced by a new one.
    pub(crate) fn launches(self) -> bool {
        match self {
            Self::Process | Self::Docker | Self::Exec => true,
            Self::Fixed => false,
        }
    }

    /// Whether an `lb-agent` runs beside each of its servers. The controller checks the others itself.
    pub(crate) fn has_agents(self) -> bool {
        match self {
            Self::Process => true,
            Self::Docker | Self::Exec | Self::Fixed => false,
        }
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl PortRange {
    pub(crate) fn len(self) -> usize {
        usize::from(self.last.saturating_sub(self.first)) + 1
    }
}

/// A launch as it is stored and repeated, byte for byte: nothing in it is looked up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Request {
    Process {
        command: Vec<String>,
        environment: BTreeMap<String, String>,
        directory: Option<PathBuf>,
        address: Option<SocketAddr>,
        check: Check,
        stop_grace_ms: u64,
        singleton: bool,
    },
    Docker(DockerTemplate),
    Exec(ExecCommands),
    Fixed {
        address: SocketAddr,
    },
}

impl Request {
    /// Where the server will listen, as far as that is settled before it runs.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Process { address, .. } => *address,
            Self::Docker(_) | Self::Exec(_) => None,
            Self::Fixed { address } => Some(*address),
        }
    }
}

impl ServiceSpec {
    pub(crate) fn provider(&self) -> ProviderKind {
        match self.template {
            Template::Process { .. } => ProviderKind::Process,
            Template::Docker(_) => ProviderKind::Docker,
            Template::Exec(_) => ProviderKind::Exec,
            Template::Fixed { .. } => ProviderKind::Fixed,
        }
    }

    /// Digest of what a running server was made from.
    pub(crate) fn template_id(&self) -> TemplateId {
        // Members that exist already are one version, however many they become.
        let text = match &self.template {
            Template::Fixed { .. } => "fixed".to_owned(),
            // Serializing plain data to a string cannot fail.
            whole @ (Template::Process { .. } | Template::Docker(_)) => {
                serde_json::to_string(&(whole, &self.check)).unwrap_or_default()
            }
            // How units are listed and stopped says nothing about what they are.
            Template::Exec(exec) => {
                let made_of = (&exec.launch, &exec.environment, &exec.directory);
                serde_json::to_string(&(made_of, &self.check)).unwrap_or_default()
            }
        };
        let digest = Sha256::digest(text.as_bytes());
        TemplateId::new(
            digest
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    }

    /// The launch of one server that listens at `address`.
    pub(crate) fn render(&self, address: Option<SocketAddr>) -> Option<Request> {
        match &self.template {
            Template::Process {
                command,
                environment,
                directory,
                ..
            } => {
                let filled = |text: &String| match address {
                    Some(at) => text
                        .replace("{port}", &at.port().to_string())
                        .replace("{host}", &at.ip().to_string()),
                    None => text.clone(),
                };
                Some(Request::Process {
                    command: command.iter().map(filled).collect(),
                    environment: environment
                        .iter()
                        .map(|(key, value)| (key.clone(), filled(value)))
                        .collect(),
                    directory: directory.clone(),
                    address,
                    check: self.check.clone(),
                    stop_grace_ms: u64::try_from(self.timing.stop_grace.as_millis())
                        .unwrap_or(u64::MAX),
                    singleton: self.singleton,
                })
            }
            Template::Docker(template) => Some(Request::Docker(template.clone())),
            Template::Exec(commands) => Some(Request::Exec(commands.clone())),
            Template::Fixed { .. } => address.map(|address| Request::Fixed { address }),
        }
    }

    /// The most units that may exist at a time, those that are going included.
    pub(crate) fn most_units(&self) -> usize {
        self.bounds.max + if self.singleton { 0 } else { self.surge }
    }
}
