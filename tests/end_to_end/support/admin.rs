//! The admin interface of a balancer under test, as a client sees it.

use super::client::Client;
use super::lb::Lb;
use super::wait::until;
use serde_json::Value;
use std::net::SocketAddr;

/// Where the admin interface listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin(pub(crate) SocketAddr);

/// A response: status, and the body as JSON or as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Said {
    /// The words of an error.
    #[track_caller]
    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().expect("an error")
    }
}

impl Admin {
    /// That of a balancer started with `--admin 127.0.0.1:0`.
    pub(crate) fn of(lb: &Lb) -> Self {
        let line = || {
            let said = lb.stderr();
            let at = said.split("admin interface on http://").nth(1)?;
            at.split('/').next()?.parse().ok()
        };
        until("the admin interface is told", || line().is_some());
        Self(line().expect("an address"))
    }

    #[track_caller]
    pub(crate) fn get(self, path: &str) -> Said {
        self.ask("GET", path, "", "")
    }

    #[track_caller]
    pub(crate) fn post(self, path: &str, body: &str) -> Said {
        self.ask("POST", path, "", body)
    }

    #[track_caller]
    pub(crate) fn put(self, path: &str, body: &str) -> Said {
        self.ask("PUT", path, "", body)
    }

    #[track_caller]
    pub(crate) fn delete(self, path: &str) -> Said {
        self.ask("DELETE", path, "", "")
    }

    /// Asks on a connection of its own, with more header `lines`.
    #[track_caller]
    pub(crate) fn ask(self, method: &str, path: &str, lines: &str, body: &str) -> Said {
        let mut client = Client::connect(self.0);
        let length = body.len();
        let kind = match body.is_empty() || lines.contains("Content-Type") {
            true => "",
            false => "Content-Type: application/json\r\n",
        };
        let host = match lines.contains("Host:") {
            true => "",
            false => "Host: localhost\r\n",
        };
        client.send(format!(
            "{method} {path} HTTP/1.1\r\n{host}{kind}{lines}Content-Length: {length}\r\n\r\n{body}"
        ));
        let response = client.receive();
        let text = String::from_utf8(response.message.body).expect("text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Said {
            status: response.status,
            body,
        }
    }

    /// What is known of the pool.
    #[track_caller]
    pub(crate) fn pool(self) -> Value {
        let said = self.get("/v1/pools/default");
        assert_eq!(said.status, 200, "{said:?}");
        said.body
    }

    /// What is known of a backend; `Null` if it does not belong to the pool.
    #[track_caller]
    pub(crate) fn backend(self, name: &str) -> Value {
        let pool = self.pool();
        let backends = pool["backends"].as_array().expect("backends");
        let found = backends.iter().find(|it| it["name"] == name);
        found.cloned().unwrap_or_default()
    }
}
