//! A client of the admin interface: one request on a connection of its own, or a stream of events.
//!
//! It blocks, each answer within a time limit. Heads are read by the parser that lb itself uses.

mod failure;
mod stream;
mod token;
mod wire;

pub(crate) use failure::Failure;
#[cfg(feature = "top")]
pub(crate) use stream::Event;
pub(crate) use stream::Events;

use crate::cli::AdminFlags;
use lb::config::BackendAddress;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use wire::Wire;

/// Bytes of a path that are written as they are (RFC 3986, unreserved).
const UNRESERVED: &[u8] = b"-._~";

/// How to reach an admin interface.
#[derive(Clone, Debug)]
pub(crate) struct AdminClient {
    address: BackendAddress,
    token: Option<String>,
    timeout: Duration,
}

/// An answer with a status of success.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.body)
            .map_err(|_| Failure::Strange("its answer is not JSON".to_owned()))
    }
}

impl AdminClient {
    /// # Errors
    /// The token file cannot be used.
    pub(crate) fn new(flags: &AdminFlags) -> Result<Self, Failure> {
        let token = flags.token_file.as_deref().map(token::read).transpose()?;
        Ok(Self {
            address: flags.admin.clone(),
            token,
            timeout: flags.timeout.0,
        })
    }

    /// # Errors
    /// lb cannot be reached, does not answer in time, or refuses.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path, None)
    }

    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut wire = self.connect()?;
        wire.send(&self.request(method, path, body))?;
        let head = wire.head()?;
        let body = wire.body(&head)?;
        match head.status {
            200..300 => Ok(Answer { body }),
            status => Err(Failure::refused(status, &body, self.token.is_some())),
        }
    }

    /// The events of a stream, as they come.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn stream(&self, path: &str) -> Result<Events, Failure> {
        let mut wire = self.connect()?;
        wire.send(&self.request("GET", path, None))?;
        let head = wire.head()?;
        if head.status == 200 {
            return Ok(Events::new(wire));
        }
        let body = wire.body(&head)?;
        Err(Failure::refused(head.status, &body, self.token.is_some()))
    }

    fn connect(&self) -> Result<Wire, Failure> {
        Wire::connect(&self.address, self.timeout)
            .map_err(|error| Failure::unreachable(&self.address, &error))
    }

    fn request(&self, method: &str, path: &str, body: Option<&str>) -> String {
        let host = match &self.address {
            BackendAddress::Tcp(address) => address.to_string(),
            BackendAddress::Unix(_) => "localhost".to_owned(),
        };
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        // Writing to a string cannot fail.
        if let Some(token) = &self.token {
            let _ = write!(text, "Authorization: Bearer {token}\r\n");
        }
        match body {
            Some(body) => {
                let length = body.len();
                let _ = write!(
                    text,
                    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
            None => text.push_str("Content-Length: 0\r\n\r\n"),
        }
        text
    }
}

/// A name as one segment of a path, or as a value of a query.
pub(crate) fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(encoded("web-1.example~_"), "web-1.example~_");
        assert_eq!(encoded("unix:/run/a b"), "unix%3A%2Frun%2Fa%20b");
        assert_eq!(encoded("ä?"), "%C3%A4%3F");
    }
}
