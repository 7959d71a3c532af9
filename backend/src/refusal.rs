//! Requests that cannot be answered: the status and a sentence that says what would be right.
//!
//! What the client sent is quoted, cut short and with control characters escaped, so a sentence
//! is always one printable line.

use std::fmt;

use crate::pi::Precision;

/// The most characters of a client's text that a sentence repeats.
const QUOTED_CHARS: usize = 40;

/// Why a request got no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: the path is not a number of terms within the limits.
    Precision(String),
    /// 400: `/?first=A&second=B` without this one.
    Missing(&'static str),
    /// 400: this parameter is not a whole number that fits 64 bits.
    NotWhole(&'static str, String),
    /// 404
    NoSuchPath(String),
    /// 405
    Method(String),
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Refusal::Precision(_) | Refusal::Missing(_) | Refusal::NotWhole(..) => 400,
            Refusal::NoSuchPath(_) => 404,
            Refusal::Method(_) => 405,
        }
    }

    /// The status in words.
    pub(crate) fn reason(&self) -> &'static str {
        match self.status() {
            404 => "Not found",
            405 => "Method not allowed",
            _ => "Bad request",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Precision(got) => write!(
                f,
                "The precision is a whole number of terms from 1 to {}, not {}.",
                Precision::MAX,
                quoted(got)
            ),
            Refusal::Missing(name) => {
                write!(
                    f,
                    "The parameter {name} is missing: ask for /?first=2&second=3."
                )
            }
            Refusal::NotWhole(name, got) => write!(
                f,
                "The parameter {name} is a whole number of at most 64 bits, not {}.",
                quoted(got)
            ),
            Refusal::NoSuchPath(path) => {
                write!(
                    f,
                    "There is nothing at {}; / lists what there is.",
                    quoted(path)
                )
            }
            Refusal::Method(method) => {
                write!(f, "The method is GET or HEAD, not {}.", quoted(method))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    match text
        .char_indices()
        .nth(QUOTED_CHARS)
        .and_then(|(cut, _)| text.get(..cut))
    {
        Some(head) => format!("\"{}...\"", head.escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_value_and_what_would_be_right() {
        assert_eq!(
            Refusal::Precision("0".to_owned()).to_string(),
            "The precision is a whole number of terms from 1 to 100000, not \"0\"."
        );
    }

    #[test]
    fn a_sentence_stays_one_short_printable_line() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(40)), format!("\"{}\"", "x".repeat(40)));
        assert_eq!(
            quoted(&"x".repeat(41)),
            format!("\"{}...\"", "x".repeat(40))
        );
    }
}
