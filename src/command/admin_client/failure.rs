//! Why an admin interface could not be asked, or refuses: one line with the remedy.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value indexed by a name is null where it has none"
)]

use lb::config::BackendAddress;
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::io;

/// Why there is no answer, or none of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// lb cannot be reached, or does not answer in time.
    Unreachable(String),
    /// lb refuses: the status, and its words with what they ask for.
    Refused(u16, String),
    /// What answers is not the admin interface of a lb, or of another version.
    Strange(String),
    /// What was asked for makes no sense here.
    Unfit(String),
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Refused(_, text) | Self::Unfit(text) => text.fmt(f),
            Self::Strange(text) => {
                write!(f, "not the admin interface of this version of lb: {text}")
            }
        }
    }
}

impl Failure {
    pub(super) fn unreachable(address: &BackendAddress, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                "is lb running with --admin there? Name the address by --admin or LB_ADMIN"
            }
            io::ErrorKind::PermissionDenied => "the socket is another user's",
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "it does not answer; a longer --timeout may help"
            }
            _ => "name the address by --admin or LB_ADMIN",
        };
        Self::Unreachable(format!("{address} cannot be reached: {error}; {remedy}"))
    }

    pub(super) fn lost(error: &io::Error) -> Self {
        Self::Unreachable(match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "lb did not answer in time; a longer --timeout may help".to_owned()
            }
            io::ErrorKind::UnexpectedEof => "lb closed the connection without an answer".to_owned(),
            _ => format!("the connection to lb was lost: {error}"),
        })
    }

    /// The refusal in a response. `had_token`: the request had one.
    pub(super) fn refused(status: u16, body: &str, had_token: bool) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if let Some(reasons) = body["reasons"].as_array() {
            let reasons: Vec<_> = reasons.iter().filter_map(Value::as_str).collect();
            return Self::Refused(status, format!("not ready: {}", reasons.join("; ")));
        }
        let Some(message) = body["error"]["message"].as_str() else {
            return Self::Strange(format!("it answers with status {status}"));
        };
        let mut text = message.to_owned();
        if let Some(errors) = body["errors"].as_array() {
            for error in errors.iter().filter_map(Value::as_str) {
                text.push_str("\n  ");
                text.push_str(error);
            }
        }
        if let (Some(fleet), Some(term), Some(revision)) = (
            body["fleet"].as_str(),
            body["term"].as_u64(),
            body["revision"].as_u64(),
        ) {
            text.push_str(&format!(
                "; in force: fleet {fleet}, term {term}, revision {revision}"
            ));
        }
        text.push_str(match (status, body["error"]["code"].as_str()) {
            (401, _) if had_token => "; give the file with its tokens by --token-file",
            (401, _) => "; give its file by --token-file or LB_ADMIN_TOKEN_FILE",
            (422, Some("too_few")) => "; --force puts it in force all the same",
            (503, Some("busy")) => "; ask again",
            _ => "",
        });
        Self::Refused(status, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_there_and_what_to_do() {
        for (status, body, had_token, text) in [
            (
                401,
                r#"{"error":{"code":"unauthorized","message":"a token is needed"}}"#,
                false,
                "a token is needed; give its file by --token-file or LB_ADMIN_TOKEN_FILE",
            ),
            (
                409,
                r#"{"error":{"code":"fenced","message":"older"},"fleet":"f","term":3,"revision":9}"#,
                true,
                "older; in force: fleet f, term 3, revision 9",
            ),
            (
                422,
                r#"{"error":{"code":"too_few","message":"1 of 4 left"}}"#,
                true,
                "1 of 4 left; --force puts it in force all the same",
            ),
            (
                422,
                r#"{"error":{"code":"refused","message":"refused"},"errors":["a","b"]}"#,
                true,
                "refused\n  a\n  b",
            ),
            (
                503,
                r#"{"ready":false,"reasons":["pool a: no backend"]}"#,
                false,
                "not ready: pool a: no backend",
            ),
        ] {
            let expected = Failure::Refused(status, text.to_owned());
            assert_eq!(Failure::refused(status, body, had_token), expected);
        }
        let strange = Failure::refused(502, "<html>", false).to_string();
        assert!(strange.contains("status 502"), "{strange}");
    }
}
