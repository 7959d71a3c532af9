//! The error of a configuration that cannot be used.
//!
//! Owns its kind and its message: the flag, its value, the problem, the remedy. Does not know where
//! it is printed. The message is one line, whatever bytes the value holds.

use crate::address::AddressError;
use crate::syntax::Printable;
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// A configuration that cannot be used, and the remedy.
///
/// Displays as `--flag 'value': problem; remedy`, where flag and value may be missing; one in a file
/// as `FILE:LINE:COLUMN: key 'value': problem; remedy`. Parsers know
/// only the value; their callers add the flag by [`with_flag`](Self::with_flag):
///
/// ```
/// let invalid = lb::config::ConfigError::new("the port is in use", "choose another")
///     .with_flag("--listen")
///     .with_value("127.0.0.1:8080");
/// assert_eq!(
///     invalid.to_string(),
///     "--listen '127.0.0.1:8080': the port is in use; choose another"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    /// `FILE:LINE:COLUMN`, if it is in a file.
    place: Option<Box<str>>,
    flag: Option<Cow<'static, str>>,
    value: Option<String>,
    problem: Cow<'static, str>,
    remedy: Cow<'static, str>,
}

impl ConfigError {
    /// States the problem and the remedy, each without capital or full stop.
    pub fn new(
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: ConfigErrorKind::Invalid,
            place: None,
            flag: None,
            value: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Says what kind of error it is; [`Invalid`](ConfigErrorKind::Invalid) unless said.
    #[must_use]
    pub fn with_kind(self, kind: ConfigErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the kind of error.
    #[must_use]
    pub const fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// The setting, as it is written on the command line, if one is at fault.
    #[must_use]
    pub fn flag(&self) -> Option<&str> {
        self.flag.as_deref()
    }

    /// Names the setting as it is written on the command line, as in `--listen`.
    #[must_use]
    pub fn with_flag(self, flag: impl Into<Cow<'static, str>>) -> Self {
        Self {
            flag: Some(flag.into()),
            ..self
        }
    }

    /// Names no setting.
    #[cfg(feature = "file")]
    pub(super) fn without_flag(self) -> Self {
        Self { flag: None, ..self }
    }

    /// Says where in a file it is.
    #[cfg(feature = "file")]
    pub(super) fn with_place(self, place: String) -> Self {
        Self {
            place: Some(place.into()),
            ..self
        }
    }

    /// Says the problem in other words.
    #[cfg(feature = "file")]
    pub(super) fn map_problem(self, map: impl FnOnce(&str) -> String) -> Self {
        Self {
            problem: map(&self.problem).into(),
            ..self
        }
    }

    /// Says the remedy in other words.
    #[cfg(feature = "file")]
    pub(super) fn map_remedy(self, map: impl FnOnce(&str) -> String) -> Self {
        Self {
            remedy: map(&self.remedy).into(),
            ..self
        }
    }

    /// Quotes the value it had, unless one is quoted already.
    #[cfg(feature = "file")]
    pub(super) fn with_value_if_none(self, value: &str) -> Self {
        match self.value {
            Some(_) => self,
            None => self.with_value(value),
        }
    }

    /// Quotes the value it had.
    #[must_use]
    pub fn with_value(self, value: impl Display) -> Self {
        Self {
            value: Some(value.to_string()),
            ..self
        }
    }
}

/// The kind of a [`ConfigError`]: wrong by itself, or refused by the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A value is malformed, unknown or out of range.
    Invalid,
    /// A setting is missing.
    Missing,
    /// Settings contradict each other.
    Conflict,
    /// A file cannot be read or written.
    File,
    /// Another failure of the system.
    System,
}

impl ConfigErrorKind {
    /// Returns whether the configuration is wrong by itself, on every machine; otherwise the system
    /// refuses it, here and now.
    #[must_use]
    pub const fn is_usage(self) -> bool {
        matches!(self, Self::Invalid | Self::Missing | Self::Conflict)
    }
}

impl From<AddressError> for ConfigError {
    fn from(error: AddressError) -> Self {
        let (value, problem, remedy) = error.into_parts();
        Self {
            kind: ConfigErrorKind::Invalid,
            place: None,
            flag: None,
            value,
            problem,
            remedy,
        }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}: ", Printable(place))?;
        }
        match (&self.flag, &self.value) {
            (Some(flag), Some(value)) => write!(f, "{} '{}': ", Printable(flag), Printable(value))?,
            (Some(flag), None) => write!(f, "{}: ", Printable(flag))?,
            (None, Some(value)) => write!(f, "'{}': ", Printable(value))?,
            (None, None) => {}
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_the_parts_that_are_set() {
        let bare = ConfigError::new("no room", "make some");
        assert_eq!(bare.to_string(), "no room; make some");
        let value = bare.clone().with_value(7);
        assert_eq!(value.to_string(), "'7': no room; make some");
        let flag = bare.with_flag("--max");
        assert_eq!(flag.to_string(), "--max: no room; make some");
        assert_eq!(
            flag.with_value(7).to_string(),
            "--max '7': no room; make some"
        );
    }

    #[test]
    fn is_one_line_whatever_flag_and_value() {
        let invalid = ConfigError::new("bad", "mend it")
            .with_flag("--\n")
            .with_value("a\nb\r\u{1b}[31m'é");
        assert_eq!(
            invalid.to_string(),
            "--\\n 'a\\nb\\r\\u{1b}[31m'é': bad; mend it"
        );
    }
}
