//! Rules as rows of tables, and how a row is tried.
//!
//! A table is tried to its end, so that one run names every rule that is not kept.

use super::stand::{Answer, Stand, Then, sings, then};
use crate::support::Client;

/// `{id}` in expected bytes: the client's data in a request for host `a`.
const IDENTITY: &str = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\n\
                        X-Forwarded-Proto: http\r\nX-Forwarded-Port: {port}\r\n";

/// A request that is refused without asking a backend, and after which nothing is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) rule: &'static str,
    /// The rule's section: of RFC 9112 by default.
    pub(crate) section: &'static str,
    pub(crate) asks: &'static str,
    pub(crate) status: u16,
    /// The reason in the access log and in the response.
    pub(crate) reason: &'static str,
}

/// A request and a response that are passed on, byte by byte as said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    pub(crate) rule: &'static str,
    /// The rule's section: of RFC 9112 by default.
    pub(crate) section: &'static str,
    pub(crate) asks: &'static str,
    /// Bytes for the backend.
    pub(crate) arrives: &'static str,
    pub(crate) answers: Answer,
    /// Bytes for the client.
    pub(crate) receives: &'static str,
    /// The fate of the client connection.
    pub(crate) then: Then,
}

/// The simplest row: the others say how they differ.
pub(crate) const PLAIN: Relayed = Relayed {
    rule: "a request and its answer pass",
    section: "1",
    asks: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    arrives: "GET / HTTP/1.1\r\nHost: a\r\n{id}\r\n",
    answers: stays("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    then: Then::Stays,
};

/// A response after which the backend reads on.
pub(crate) const fn stays(bytes: &'static str) -> Answer {
    let then = Then::Stays;
    Answer { bytes, then }
}

/// A response after which the backend ends the connection.
pub(crate) const fn closes(bytes: &'static str) -> Answer {
    let then = Then::Closes;
    Answer { bytes, then }
}

/// A response after which the backend resets the connection.
pub(crate) const fn breaks(bytes: &'static str) -> Answer {
    let then = Then::Breaks;
    Answer { bytes, then }
}

/// Tries every row of a table of refusals.
#[track_caller]
pub(crate) fn assert_refused(stand: &mut Stand, table: &[Refused]) {
    try_all(stand, table, |row| (row.rule, row.section), refuse);
}

/// Tries every row of a table of exchanges.
#[track_caller]
pub(crate) fn assert_relayed(stand: &mut Stand, table: &[Relayed]) {
    try_all(stand, table, |row| (row.rule, row.section), relay);
}

#[track_caller]
fn try_all<Row>(
    stand: &mut Stand,
    table: &[Row],
    name: impl Fn(&Row) -> (&'static str, &'static str),
    attempt: impl Fn(&Stand, &Row) -> Result<Option<Client>, String>,
) {
    let mut broken = Vec::new();
    for row in table {
        let (rule, section) = name(row);
        println!("{rule} ({section})");
        let client = attempt(stand, row).unwrap_or_else(|error| {
            broken.push(format!("{rule} ({section}): {error}"));
            None
        });
        stand.assert_sound(client);
    }
    assert!(broken.is_empty(), "not kept:\n{}", broken.join("\n"));
}

fn refuse(stand: &Stand, row: &Refused) -> Result<Option<Client>, String> {
    let mark = stand.mark();
    stand.skip_log();
    let mut client = stand.connect();
    client.send(row.asks);
    let answer = client
        .try_receive()
        .map_err(|broken| format!("{broken:?}"))?;
    let (rest, end) = client.read_to_end();
    let (reason, page) = (stand.reason(), answer.text());
    same("status", row.status, answer.status)?;
    same("reason", row.reason, reason.as_str())?;
    same("the reason is told", true, page.contains(row.reason))?;
    same("Connection", Some("close"), answer.field("connection"))?;
    same("version", "HTTP/1.1", answer.message.word(0))?;
    same("the connection", (Then::Closes, 0), (then(end), rest.len()))?;
    same("the backend got", "", stand.arrived_since(&mark).as_str())?;
    Ok(None)
}

fn relay(stand: &Stand, row: &Relayed) -> Result<Option<Client>, String> {
    stand.respond(row.answers);
    let mark = stand.mark();
    let mut client = stand.connect();
    client.send(row.asks);
    let (received, end) = match row.then {
        Then::Stays => {
            let mut received = Vec::new();
            let end = client.read_exact(row.receives.len(), &mut received);
            (received, end.err().map_or(Then::Stays, then))
        }
        Then::Closes | Then::Breaks => {
            let (received, end) = client.read_to_end();
            (received, then(end))
        }
    };
    let received = String::from_utf8_lossy(&received);
    same("the client got", row.receives, &*received)?;
    same("the connection", row.then, end)?;
    let port = stand.lb.address.port().to_string();
    let arrives = row
        .arrives
        .replace("{id}", IDENTITY)
        .replace("{port}", &port)
        .replace("{backend}", &stand.backend.address.to_string());
    same("the backend got", &*arrives, &*stand.arrived_since(&mark))?;
    match row.then {
        Then::Stays => {
            sings(&mut client)?;
            Ok(Some(client))
        }
        Then::Closes | Then::Breaks => Ok(None),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected:?}, found {found:?}")),
    }
}
