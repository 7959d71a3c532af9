//! Settings that are one of a few words.
//!
//! Owns how such a word is looked up and refused, so that all of them read the same way.

use super::{AccessLogFormat, ConfigError, ForwardedFor, ProxyVersion};
use std::str::FromStr;

/// The unit that is balanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each HTTP/1.1 request on its own; client and backend connections are kept alive.
    #[default]
    Http,
    /// Each TCP connection, byte for byte.
    Tcp,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Http, Self::Tcp];

    /// The word for it, as in `--mode WORD`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

impl FromStr for Mode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        choose(text, "mode", &Self::ALL.map(|mode| (mode, mode.name())))
    }
}

impl FromStr for AccessLogFormat {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let formats = Self::ALL.map(|format| (format, format.name()));
        choose(text, "format", &formats)
    }
}

/// Ways of passing on the client's address, as in `--x-forwarded-for WORD`.
const FORWARDED_FOR: [(ForwardedFor, &str); 3] = [
    (ForwardedFor::Append, "append"),
    (ForwardedFor::Replace, "replace"),
    (ForwardedFor::Leave, "leave"),
];

/// The word for a treatment of X-Forwarded-For.
pub(super) fn forwarded_for_name(treatment: ForwardedFor) -> Option<String> {
    let mut words = FORWARDED_FOR.iter();
    let word = words.find(|(known, _)| *known == treatment);
    word.map(|(_, name)| (*name).to_owned())
}

/// Parses the way the client's address is passed on.
///
/// # Errors
/// Another word than `append`, `replace` or `leave`.
pub fn parse_forwarded_for(text: &str) -> Result<ForwardedFor, ConfigError> {
    choose(text, "treatment", &FORWARDED_FOR)
}

/// Reads a version of the PROXY protocol.
///
/// # Errors
/// Another word than `v1` or `v2`.
pub fn parse_proxy_version(text: &str) -> Result<ProxyVersion, ConfigError> {
    let versions = [(ProxyVersion::V1, "v1"), (ProxyVersion::V2, "v2")];
    choose(text, "version", &versions)
}

/// Reads `on` or `off`.
///
/// # Errors
/// Another word.
pub fn parse_switch(text: &str) -> Result<bool, ConfigError> {
    choose(text, "setting", &[(true, "on"), (false, "off")])
}

/// The choice that `text` names, in any case of letters. `what` is the word for all of them.
pub(super) fn choose<T: Copy>(
    text: &str,
    what: &str,
    choices: &[(T, &'static str)],
) -> Result<T, ConfigError> {
    let named = choices
        .iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(text));
    match named {
        Some(&(choice, _)) => Ok(choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|&(_, name)| name).collect();
            let remedy = format!("use one of {}", names.join(", "));
            Err(ConfigError::new(format!("unknown {what}"), remedy).with_value(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_in_any_case() {
        for mode in Mode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
            assert_eq!(mode.name().to_uppercase().parse(), Ok(mode));
        }
        for format in AccessLogFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
    }

    #[test]
    fn treatments_and_switches_are_words() {
        for (treatment, name) in FORWARDED_FOR {
            assert_eq!(parse_forwarded_for(name), Ok(treatment));
        }
        assert_eq!(parse_proxy_version("V2"), Ok(ProxyVersion::V2));
        assert_eq!(parse_switch("ON"), Ok(true));
        assert_eq!(parse_switch("off"), Ok(false));
        assert_eq!(
            parse_switch("yes").unwrap_err().to_string(),
            "'yes': unknown setting; use one of on, off"
        );
    }

    #[test]
    fn other_words_are_refused_with_the_choice() {
        let mode = "udp".parse::<Mode>().unwrap_err();
        assert_eq!(
            mode.to_string(),
            "'udp': unknown mode; use one of http, tcp"
        );
        let format = "".parse::<AccessLogFormat>().unwrap_err();
        assert_eq!(
            format.to_string(),
            "'': unknown format; use one of off, text, json"
        );
    }
}
