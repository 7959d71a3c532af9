//! Statuses as records of a broker.
//!
//! Two forms of one JSON object. Ours is keyed by the name of the server (its token, its handle, or
//! what its agent was told) and says how it is. That of existing fleets says only that it lives:
//! `{"number": "VM_<ip>", "ip": "<ip>"}`, in a topic of its own.

use crate::fleet::input::Subject;
use crate::fleet::time::Moment;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Longest status.
const MAX_BYTES: usize = 16 * 1024;
/// Longest name of a server.
const MAX_NAME: usize = 256;

/// How a server is, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// From 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) load: Option<f64>,
    /// Whether it passes the check of the agent beside it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) check: Option<bool>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ip: Option<IpAddr>,
    #[serde(flatten)]
    report: Report,
}

/// Whose status a record is, and what it says.
///
/// # Errors
/// It is no status, or is about another server than its topic.
pub(crate) fn decode(
    topic_of: Option<IpAddr>,
    key: Option<&[u8]>,
    value: &[u8],
) -> Result<(Subject, Report), String> {
    if value.len() > MAX_BYTES {
        return Err(format!("{} bytes; {MAX_BYTES} are the most", value.len()));
    }
    let wire: Wire = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    if wire.report.load.is_some_and(|load| !load.is_finite()) {
        return Err("the load is no number".to_owned());
    }
    if let Some(owner) = topic_of {
        return match wire.ip {
            Some(ip) if ip != owner => Err(format!("{ip} writes to the topic of {owner}")),
            Some(_) | None => Ok((Subject::Ip(owner), wire.report)),
        };
    }
    let key = key.and_then(|key| std::str::from_utf8(key).ok());
    let subject = match (wire.name.or(key.map(str::to_owned)), wire.ip) {
        (Some(name), _) if !name.is_empty() && name.len() <= MAX_NAME => Subject::Name(name),
        (None, Some(ip)) => Subject::Ip(ip),
        (Some(_) | None, _) => return Err("it names no server".to_owned()),
    };
    Ok((subject, wire.report))
}

/// The status of the server of this name.
pub(crate) fn keyed(name: &str, report: &Report) -> Vec<u8> {
    write(&Wire {
        name: Some(name.to_owned()),
        number: None,
        ip: None,
        report: report.clone(),
    })
}

/// The sign of life of existing fleets.
pub(crate) fn sign_of_life(ip: IpAddr) -> Vec<u8> {
    write(&Wire {
        name: None,
        number: Some(format!("VM_{ip}")),
        ip: Some(ip),
        report: Report::default(),
    })
}

fn write(wire: &Wire) -> Vec<u8> {
    // Plain data: cannot fail.
    serde_json::to_vec(wire).unwrap_or_default()
}

/// Whether a record still says how a server is. One that was kept back somewhere says how it was.
pub(crate) fn is_news(written: Moment, read: Moment, interval: Duration) -> bool {
    read.since(written) <= interval.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn the_sign_of_life_is_as_existing_fleets_write_it() {
        let bytes = sign_of_life(SEVEN);
        assert_eq!(bytes, br#"{"number":"VM_10.0.0.7","ip":"10.0.0.7"}"#);
        let (subject, report) = decode(Some(SEVEN), None, &bytes).expect("is a status");
        assert_eq!((subject, report), (Subject::Ip(SEVEN), Report::default()));
    }

    #[test]
    fn a_keyed_status_comes_back_as_it_was_written() {
        let report = Report {
            load: Some(0.25),
            check: Some(false),
            reason: Some("refused".to_owned()),
        };
        let bytes = keyed("f00d-web-1-1", &report);
        let name = Subject::Name("f00d-web-1-1".to_owned());
        assert_eq!(decode(None, None, &bytes), Ok((name.clone(), report)));
        let (subject, _) = decode(None, Some(b"f00d-web-1-1"), b"{}").expect("has a key");
        assert_eq!(subject, name);
    }

    #[test]
    fn a_record_that_is_no_status_is_refused() {
        let long = vec![b' '; MAX_BYTES + 1];
        for (key, value) in [
            (None, b"{}".as_slice()),
            (None, b""),
            (None, b"[1]"),
            (None, br#"{"name": ""}"#),
            (Some(b"\xff".as_slice()), b"{}"),
            (Some(b"a"), b"{\"load\": \"much\"}"),
            (Some(b"a"), &long),
        ] {
            assert!(decode(None, key, value).is_err(), "{value:?}");
        }
        let other = sign_of_life([10, 0, 0, 8].into());
        assert!(decode(Some(SEVEN), None, &other).is_err());
    }

    #[test]
    fn what_was_written_three_intervals_ago_is_history() {
        let interval = Duration::from_secs(5);
        assert!(is_news(Moment(85_000), Moment(100_000), interval));
        assert!(!is_news(Moment(84_999), Moment(100_000), interval));
        // A clock that is ahead: it was just read, so it is no older than that.
        assert!(is_news(Moment(160_000), Moment(100_000), interval));
    }
}
