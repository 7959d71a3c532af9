//! Where the access log goes, and the names of its fields.

use super::{ConfigError, HostPort, nearest};
use crate::telemetry::LOG_FIELDS;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

/// What stands in front of the address of a syslog.
const SYSLOG: &str = "syslog:";

/// Where the lines of the access log go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    #[default]
    Stdout,
    /// A file, which is appended to. One that is renamed or removed is made anew.
    File(PathBuf),
    /// A syslog: a datagram for each line.
    Syslog(SyslogAddress),
}

/// Where a syslog listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// At a UNIX socket for datagrams, as `/dev/log` is.
    Unix(PathBuf),
    /// At a host, by UDP.
    Udp(HostPort),
}

impl FromStr for LogTarget {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let error = || {
            let remedy = "give stdout, a path with a slash in it, syslog:PATH or syslog:HOST:PORT";
            ConfigError::new("no place for a log", remedy).with_value(text)
        };
        if text == "stdout" {
            return Ok(Self::Stdout);
        }
        let Some(address) = text.strip_prefix(SYSLOG) else {
            let is_path = text.contains('/') && !text.ends_with('/');
            return is_path.then(|| Self::File(text.into())).ok_or_else(error);
        };
        let address = match address.starts_with('/') {
            true => SyslogAddress::Unix(address.into()),
            false => SyslogAddress::Udp(address.parse().map_err(|_| error())?),
        };
        Ok(Self::Syslog(address))
    }
}

impl Display for LogTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Syslog(SyslogAddress::Unix(path)) => write!(f, "{SYSLOG}{}", path.display()),
            Self::Syslog(SyslogAddress::Udp(at)) => write!(f, "{SYSLOG}{at}"),
        }
    }
}

/// The name of a field of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFieldName(usize);

impl LogFieldName {
    /// Its place in the table of fields.
    pub(crate) const fn place(self) -> usize {
        self.0
    }
}

impl FromStr for LogFieldName {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let found = LOG_FIELDS.iter().position(|field| field.name == text);
        found.map(Self).ok_or_else(|| {
            let names = LOG_FIELDS.iter().map(|field| field.name);
            let remedy = match nearest(text, names.clone()) {
                Some(name) => format!("did you mean {name}?"),
                None => format!("use some of {}", names.collect::<Vec<_>>().join(", ")),
            };
            ConfigError::new("no field of the access log", remedy).with_value(text)
        })
    }
}

impl Display for LogFieldName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(LOG_FIELDS.get(self.0).map_or("", |field| field.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_shown_as_it_is_read() {
        for text in [
            "stdout",
            "/var/log/lb/access.log",
            "./access.log",
            "syslog:/dev/log",
            "syslog:127.0.0.1:514",
            "syslog:logs.example:5514",
        ] {
            let target: LogTarget = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        for text in ["stdot", "", "/var/log/", "syslog:", "syslog:logs.example"] {
            let error = text.parse::<LogTarget>().unwrap_err().to_string();
            assert!(error.contains("no place for a log"), "{error}");
        }
    }

    #[test]
    fn a_field_that_is_none_is_refused_with_the_nearest() {
        assert_eq!(
            "status".parse::<LogFieldName>().unwrap().to_string(),
            "status"
        );
        let error = "statuss".parse::<LogFieldName>().unwrap_err().to_string();
        assert!(error.ends_with("did you mean status?"), "{error}");
        let error = "x".parse::<LogFieldName>().unwrap_err().to_string();
        assert!(error.contains("use some of time, client,"), "{error}");
    }
}
