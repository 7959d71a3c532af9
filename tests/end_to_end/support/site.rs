//! A balancer whose one route does something besides choosing a pool.

use super::{Client, Lb, TempFile};
use std::net::SocketAddr;
use std::process::Stdio;

/// A balancer with one pool, `web`, of this backend, and one route to it.
pub(crate) struct Site {
    pub(crate) lb: Lb,
    _file: TempFile,
}

impl Site {
    /// `route` is what the route says besides its pool, `more` is above it.
    pub(crate) fn new(backend: SocketAddr, more: &str, route: &str) -> Self {
        Self::leading(backend, more, &format!("pool = \"web\"\n{route}"))
    }

    /// The same, with a route that leads elsewhere.
    pub(crate) fn leading(backend: SocketAddr, more: &str, route: &str) -> Self {
        let config = format!(
            "{more}\n[[listener]]\nlisten = \"127.0.0.1:0\"\npool = \"web\"\n\
             [[route]]\npath = \"/x\"\n{route}\n[pool.web]\nbackends = [\"{backend}\"]\n"
        );
        Self::of(&config)
    }

    pub(crate) fn of(config: &str) -> Self {
        let file = TempFile::new("policies", config);
        let flags = ["--config", file.path()];
        let lb = Lb::spawn(Lb::command(&[], &flags).stdout(Stdio::null()));
        Self { lb, _file: file }
    }

    pub(crate) fn connect(&self) -> Client {
        self.lb.connect()
    }
}

/// The status of a response, and the word for what went wrong.
pub(crate) fn verdict(client: &mut Client, target: &str, lines: &str) -> (u16, String) {
    let response = client.get_with(target, lines);
    let text = response.text();
    let word = text.rsplit_once('(').map_or("", |(_, word)| word);
    (
        response.status,
        word.trim_end().trim_end_matches(')').to_owned(),
    )
}

pub(crate) fn refusal(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}
