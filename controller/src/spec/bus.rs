//! The status bus: where it is, which topics are read, and how old a status may be.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// Longest name that Kafka takes for a topic.
const MAX_TOPIC: usize = 249;
/// Stands for the address of a server in the name of a topic.
const PLACE: &str = "{ip}";

/// The bus as a specification gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusSpec {
    pub(crate) at: BusUrl,
    /// From one status of a server to the next. What is older than three of them is history.
    pub(crate) interval: Duration,
    /// A server that is silent for longer is suspected.
    pub(crate) silent: Duration,
}

/// `kafka://HOST:PORT[,HOST:PORT ...]/TOPIC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusUrl {
    /// Each is HOST:PORT; any of them tells the others.
    pub(crate) brokers: Vec<String>,
    pub(crate) topics: Topics,
}

/// How statuses are laid out over topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topics {
    /// One topic; the key of a record is the name of the server.
    Keyed(String),
    /// A topic for each server, named by its address: `{ip}_status`.
    PerServer { before: String, after: String },
}

impl Topics {
    /// Whether statuses are read from this topic; with whose they are, if the name says so.
    pub(crate) fn matches(&self, topic: &str) -> Option<Option<IpAddr>> {
        match self {
            Self::Keyed(name) => (name == topic).then_some(None),
            Self::PerServer { before, after } => {
                let middle = topic.strip_prefix(before)?.strip_suffix(after)?;
                Some(Some(middle.parse().ok()?))
            }
        }
    }

    /// The topic that a server at `ip` writes to.
    pub(crate) fn of(&self, ip: IpAddr) -> String {
        match self {
            Self::Keyed(name) => name.clone(),
            Self::PerServer { before, after } => format!("{before}{ip}{after}"),
        }
    }
}

impl FromStr for BusUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "it is kafka://HOST:PORT[,HOST:PORT...][/TOPIC], with {ip} in TOPIC for a topic \
                    per server";
        let rest = text.strip_prefix("kafka://").ok_or(form)?;
        let (brokers, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
        let is_address = |it: &String| {
            it.rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if let Some(wrong) = brokers.iter().find(|it| !is_address(it)) {
            return Err(format!("{wrong:?} is no HOST:PORT; {form}"));
        }
        let topic = if topic.is_empty() { "lb-status" } else { topic };
        let plain = topic.replacen(PLACE, "", 1);
        let valid = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
        if !plain.chars().all(valid) || plain.len() + "255.255.255.255".len() > MAX_TOPIC {
            return Err(format!(
                "topic {topic:?} has something else than letters, digits, '.', '_' and '-', or is \
                 too long"
            ));
        }
        let topics = match topic.split_once(PLACE) {
            Some((before, after)) => Topics::PerServer {
                before: before.to_owned(),
                after: after.to_owned(),
            },
            None => Topics::Keyed(topic.to_owned()),
        };
        Ok(Self { brokers, topics })
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/", self.brokers.join(","))?;
        match &self.topics {
            Topics::Keyed(name) => f.write_str(name),
            Topics::PerServer { before, after } => write!(f, "{before}{PLACE}{after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_brokers_and_topics() {
        let url: BusUrl = "kafka://a:9092,[::1]:9093".parse().expect("is right");
        assert_eq!(url.brokers, ["a:9092", "[::1]:9093"]);
        assert_eq!(url.topics, Topics::Keyed("lb-status".to_owned()));
        let text = "kafka://k:1/{ip}_status";
        let url: BusUrl = text.parse().expect("is right");
        assert_eq!(url.to_string(), text);
        let ip: IpAddr = [10, 0, 0, 7].into();
        assert_eq!(url.topics.of(ip), "10.0.0.7_status");
        assert_eq!(url.topics.matches("10.0.0.7_status"), Some(Some(ip)));
        for other in ["_status", "host_status", "10.0.0.7_states", "10.0.0.7"] {
            assert_eq!(url.topics.matches(other), None, "{other}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_with_what_would_be_right() {
        for wrong in [
            "",
            "amqp://a:1",
            "kafka://",
            "kafka://a",
            "kafka://a:1,:2",
            "kafka://a:1/b c",
            "kafka://a:1/{ip}{ip}",
            "kafka://a:99999/t",
        ] {
            assert!(wrong.parse::<BusUrl>().is_err(), "{wrong}");
        }
    }
}
