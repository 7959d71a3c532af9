//! The stand for a case: one `lb` between a client and a backend that both deal in exact bytes.
//!
//! It is kept for all cases of a theme, so that what one of them breaks is met by the next. What
//! must hold after each is checked here and nowhere else.

use crate::support::{Backend, Client, End, Lb, Wire, until};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The request that must always be served.
const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n";
const CANARY_START: &[u8] = b"GET /canary ";
/// Marks it in the log, and nothing else.
const CANARY_LOGGED: &str = " target=\"/canary\" ";
const CANARY_BODY: &str = "it sings";
/// Time limit of a response. A case that fails should not take long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The response of a backend, and its next action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: &'static str,
    pub(crate) then: Then,
}

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is good for another request.
    Stays,
    /// It is ended in order.
    Closes,
    /// It is reset.
    Breaks,
}

pub(crate) struct Stand {
    pub(crate) lb: Lb,
    pub(crate) backend: Backend,
    respond: Arc<Mutex<Answer>>,
    log: Receiver<String>,
    resting_sockets: usize,
}

/// Position up to which the connections of the backend have been checked.
pub(crate) struct Mark(Vec<usize>);

impl Stand {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A stand with further arguments to `lb`.
    pub(crate) fn with(args: &[&str]) -> Self {
        let respond = Arc::new(Mutex::new(OK));
        let script = Arc::clone(&respond);
        let backend = Backend::start(move |wire, _| serve(wire, &script));
        Self::over(backend, respond, args)
    }

    /// A stand whose backend follows `script`, except for canaries.
    pub(crate) fn scripted(script: impl Fn(&mut Wire) -> Then + Send + Sync + 'static) -> Self {
        let backend = Backend::start(move |mut wire, _| {
            loop {
                let is_canary = wire.peek(CANARY_START.len()) == CANARY_START;
                let then = if is_canary {
                    sing(&mut wire)
                } else {
                    script(&mut wire)
                };
                match then {
                    Then::Stays => {}
                    Then::Closes => return,
                    Then::Breaks => return wire.reset(),
                }
            }
        });
        Self::over(backend, Arc::new(Mutex::new(OK)), &[])
    }

    fn over(backend: Backend, respond: Arc<Mutex<Answer>>, args: &[&str]) -> Self {
        let args = [
            &[
                "--access-log",
                "text",
                "--date",
                "off",
                "--loop-detection",
                "off",
            ],
            args,
        ]
        .concat();
        let mut command = Lb::command(&[backend.address], &args);
        let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
        let stdout = BufReader::new(lb.stdout.take().expect("a pipe"));
        let (sender, log) = channel();
        // Ends with the process. The line of a canary may come when the next case is on already.
        thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            for line in lines.filter(|line| !line.contains(CANARY_LOGGED)) {
                let _ = sender.send(line);
            }
        });
        let resting_sockets = lb.usage().open_sockets();
        Self {
            lb,
            backend,
            respond,
            log,
            resting_sockets,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let client = self.lb.connect();
        client.set_patience(PATIENCE);
        client
    }

    /// Decides the response of the backend from now on.
    pub(crate) fn respond(&self, respond: Answer) {
        *self.respond.lock().unwrap() = respond;
    }

    /// The present end of what the backend was sent.
    pub(crate) fn mark(&self) -> Mark {
        let connections = 0..self.backend.connections();
        Mark(
            connections
                .map(|nth| self.backend.received(nth).len())
                .collect(),
        )
    }

    /// Bytes the backend was sent since `mark`, on all connections, but for the id of the request,
    /// which cannot be foreseen.
    pub(crate) fn arrived_since(&self, mark: &Mark) -> String {
        let mut arrived = Vec::new();
        for nth in 0..self.backend.connections() {
            let from = mark.0.get(nth).copied().unwrap_or(0);
            arrived.extend_from_slice(&self.backend.received(nth)[from..]);
        }
        let text = String::from_utf8_lossy(&arrived);
        let lines = text.split_inclusive("\r\n");
        lines
            .filter(|line| !line.starts_with("X-Request-Id: "))
            .collect()
    }

    /// The log's reason of the exchange that ended last.
    pub(crate) fn reason(&self) -> String {
        let mut line = self.log.recv_timeout(PATIENCE).expect("a line in the log");
        while let Ok(later) = self.log.try_recv() {
            line = later;
        }
        let (_, reason) = line.rsplit_once("reason=").expect("a reason");
        reason.to_owned()
    }

    /// Forgets what was logged so far.
    pub(crate) fn skip_log(&self) {
        while self.log.try_recv().is_ok() {}
    }
}

/// Checks the invariants after a case.
impl Stand {
    /// A canary on a connection of its own gets its own response; then, with `client` open or gone,
    /// `lb` is at rest, and all sockets but those of open connections are closed.
    pub(crate) fn assert_sound(&mut self, client: Option<Client>) {
        assert!(!self.lb.has_ended(), "lb has ended: {}", self.lb.stderr());
        let open = usize::from(client.is_some());
        let mut canary = self.connect();
        sings(&mut canary).expect("the canary on a new connection");
        drop(canary);
        self.assert_rests(open);
        drop(client);
        self.assert_rests(0);
    }

    fn assert_rests(&self, clients: usize) {
        until("all sockets are back", || {
            let links = self.backend.open_connections();
            self.lb.usage().open_sockets() == self.resting_sockets + clients + links
        });
        until("lb rests", || self.lb.usage().is_at_rest());
    }
}

/// Sends a canary on an open connection and expects its response.
pub(crate) fn sings(client: &mut Client) -> Result<(), String> {
    client.send(CANARY);
    match client.try_receive() {
        Ok(respond) if respond.status == 200 && respond.text() == CANARY_BODY => Ok(()),
        other => Err(format!("the canary got {other:?}")),
    }
}

const OK: Answer = Answer {
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    then: Then::Stays,
};

/// The backend: reads a whole request, responds by the script.
fn serve(mut wire: Wire, respond: &Mutex<Answer>) {
    while let Some(request) = wire.read_request() {
        if request.word(1) == "/canary" {
            if wire.try_send(canary_response().as_bytes()).is_err() {
                return;
            }
            continue;
        }
        let respond = *respond.lock().unwrap();
        if wire.try_send(respond.bytes.as_bytes()).is_err() {
            return;
        }
        match respond.then {
            Then::Stays => {}
            Then::Closes => return,
            Then::Breaks => return wire.reset(),
        }
    }
}

fn sing(wire: &mut Wire) -> Then {
    match wire.read_request() {
        Some(_) if wire.try_send(canary_response().as_bytes()).is_ok() => Then::Stays,
        _ => Then::Closes,
    }
}

fn canary_response() -> String {
    let length = CANARY_BODY.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{CANARY_BODY}")
}

/// The end of a connection, in the words of the cases.
pub(crate) fn then(end: End) -> Then {
    match end {
        End::Silent => Then::Stays,
        End::Closed => Then::Closes,
        End::Reset => Then::Breaks,
    }
}
