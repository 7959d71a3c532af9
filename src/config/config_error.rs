//! The one way in which `lb` says that what it was told cannot be done.
//!
//! Owns the sentence: which flag, the value it had, what is wrong with it, what would be right.
//! Knows nothing of where it is printed. Whatever the value holds, the sentence is one line.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};

/// A setting that cannot be used, and what to do about it.
///
/// Displays as `--flag 'value': problem; remedy`, where flag and value may be missing. The
/// parsers know only the value; who knows the flag adds it with [`with_flag`](Self::with_flag).
/// Failures to start, such as a port in use, are told in the same form:
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
    flag: Option<Cow<'static, str>>,
    value: Option<String>,
    problem: Cow<'static, str>,
    remedy: Cow<'static, str>,
}

impl ConfigError {
    /// Says what is wrong and what would be right, each without capital or full stop.
    pub fn new(
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            flag: None,
            value: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Names the setting as it is written on the command line, as in `--listen`.
    #[must_use]
    pub fn with_flag(self, flag: impl Into<Cow<'static, str>>) -> Self {
        Self {
            flag: Some(flag.into()),
            ..self
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

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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

/// Text from outside with its control characters escaped, so that it can neither break the line
/// nor drive the terminal.
struct Printable<'a>(&'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_as_much_as_it_was_told() {
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
