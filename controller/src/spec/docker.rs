//! Containers: what a container is made of, and which engine runs it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A container as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DockerTemplate {
    pub(crate) engine: EngineUrl,
    pub(crate) image: String,
    /// Empty: that of the image.
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where the container listens.
    pub(crate) port: u16,
    pub(crate) memory_mib: Option<u64>,
    /// A network of the engine; `None`: its default one.
    pub(crate) network: Option<String>,
    /// Where the image is built from, if it is. What it is called says what is in it.
    #[serde(skip)]
    pub(crate) build: Option<BuildFrom>,
}

/// A folder with a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuildFrom {
    Folder(PathBuf),
    /// What was sent last over the API.
    Upload,
}

/// The API of a Docker engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum EngineUrl {
    /// A socket of this machine.
    Unix(String),
    Tcp {
        host: String,
        port: u16,
    },
}

impl Default for EngineUrl {
    fn default() -> Self {
        Self::Unix("/var/run/docker.sock".to_owned())
    }
}

impl FromStr for EngineUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text
            .strip_prefix("unix://")
            .filter(|it| it.starts_with('/'))
        {
            return Ok(Self::Unix(path.to_owned()));
        }
        let tcp = text
            .strip_prefix("http://")
            .and_then(|rest| rest.trim_end_matches('/').rsplit_once(':'))
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match tcp {
            Some((host, port)) if !host.is_empty() => Ok(Self::Tcp {
                host: host.to_owned(),
                port,
            }),
            Some(_) | None => Err("it is unix:///PATH or http://HOST:PORT".to_owned()),
        }
    }
}

impl TryFrom<String> for EngineUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EngineUrl> for String {
    fn from(url: EngineUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_a_socket_or_an_address() {
        for text in ["unix:///run/docker.sock", "http://10.0.0.7:2375"] {
            let url: EngineUrl = text.parse().expect("is right");
            assert_eq!(url.to_string(), text);
        }
        for wrong in [
            "",
            "unix://docker.sock",
            "tcp://h:1",
            "http://h",
            "http://:1",
        ] {
            assert!(wrong.parse::<EngineUrl>().is_err(), "{wrong}");
        }
    }
}
