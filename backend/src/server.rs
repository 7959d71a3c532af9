//! The sockets: listens, hands requests to the workers, sends their answers.
//!
//! tiny_http reads each connection in a thread of its own and queues the requests; the workers
//! here take them one at a time. With one worker (the default) the server is a queue with one
//! place to be served, the simplest thing a load balancer can be measured against. All requests
//! pass through the queue, `/ping` too: a probe of an overloaded server is meant to be slow.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tiny_http::{Header, Request, Response, Server};

use crate::answer::Answer;
use crate::format::Format;
use crate::knock::Knocker;
use crate::refusal::Refusal;
use crate::routes::route;

/// Connections that may wait to be accepted; std's 128 is less than a load test opens at once.
const ACCEPT_QUEUE: i32 = 1024;

/// The most bytes of a client's `X-Request-Id` that are echoed.
const REQUEST_ID_BYTES: usize = 128;

/// What every worker knows.
pub(crate) struct Service {
    /// Sent as `X-Served-By`; visible ASCII.
    pub(crate) name: String,
    pub(crate) term_cost: Duration,
}

/// A server that listens and has answered nobody yet.
pub(crate) struct Start {
    server: Server,
    /// With the real port when port 0 was asked for.
    pub(crate) address: SocketAddr,
}

/// Opens the listening socket. The error is a sentence that names the address.
pub(crate) fn listen(address: SocketAddr) -> Result<Start, String> {
    let error = |error: io::Error| format!("cannot listen on {address}: {}", in_words(&error));
    let listener = open(address).map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    let server = Server::from_listener(listener, None)
        .map_err(|error| format!("cannot serve {address}: {error}"))?;
    Ok(Start { server, address })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restarted server gets its port back while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    // Inherited by accepted connections. tiny_http writes head and body in pieces, and without
    // this the second piece of a page waits 40 ms for the client's delayed ACK.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_QUEUE)?;
    Ok(socket.into())
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted (ports below 1024 need root)".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}

/// Serves until a worker stops, and returns why it did.
pub(crate) fn serve(start: Start, service: Service, threads: NonZeroU8) -> io::Error {
    match start_workers(start, service, threads) {
        // Only the first to stop is heard: the process ends with it.
        Ok(stops) => stops
            .recv()
            .unwrap_or_else(|_| io::Error::other("the workers are gone")),
        Err(error) => error,
    }
}

fn start_workers(
    start: Start,
    service: Service,
    threads: NonZeroU8,
) -> io::Result<Receiver<io::Error>> {
    let knocker = Knocker::start(start.address)?;
    let shared = Arc::new((start.server, service));
    let (stopped, stops) = mpsc::channel();
    for _ in 0..threads.get() {
        let (shared, knocker, stopped) = (Arc::clone(&shared), knocker.clone(), stopped.clone());
        thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || {
                let (server, service) = &*shared;
                // Fails when another worker was heard first.
                let _ = stopped.send(work(server, service, &knocker));
            })?;
    }
    Ok(stops)
}

/// One worker: takes requests one after another.
fn work(server: &Server, service: &Service, knocker: &Knocker) -> io::Error {
    loop {
        match server.recv() {
            Ok(request) => {
                knocker.ask();
                // A client that has gone away is its own loss.
                let _ = answer(request, service);
            }
            Err(error) => return error,
        }
    }
}

fn answer(request: Request, service: &Service) -> io::Result<()> {
    let asked = route(request.method().as_str(), request.url());
    let answer = Answer::work_out(asked, service.term_cost);
    let format = match answer {
        // Probes compare the word, whatever they say they accept.
        Answer::Pong => Format::Text,
        _ => Format::from_accept(value(&request, "Accept").unwrap_or_default()),
    };
    let mut response = Response::from_string(format.write(&answer, &service.name))
        .with_status_code(answer.status());
    for (name, value) in headers(&request, &answer, format, service) {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

fn headers<'a>(
    request: &'a Request,
    answer: &Answer,
    format: Format,
    service: &'a Service,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let allow = matches!(answer, Answer::Refused(Refusal::Method(_))).then_some("GET, HEAD");
    let request_id = value(request, "X-Request-Id").filter(|id| may_echo(id));
    [
        ("Content-Type", Some(format.content_type())),
        ("Cache-Control", Some("no-store")),
        ("Vary", Some("Accept")),
        ("X-Served-By", Some(service.name.as_str())),
        ("X-Request-Id", request_id),
        ("Allow", allow),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// tiny_http ends a line at CR LF only, so a bare CR or LF can be inside a value; echoing it
/// would let a client split the answer.
fn may_echo(id: &str) -> bool {
    id.len() <= REQUEST_ID_BYTES && id.bytes().all(|b| matches!(b, b' '..=b'~'))
}

fn value<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    let header = request
        .headers()
        .iter()
        .find(|header| header.field.equiv(name))?;
    Some(header.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_request_ids_of_fair_length_are_echoed() {
        assert!(may_echo("7f3a-01"));
        assert!(may_echo(&"x".repeat(128)));
        assert!(!may_echo(&"x".repeat(129)));
        assert!(!may_echo("a\nSet-Cookie: b"));
    }
}
