//! A server that does as a script says, and remembers what it was sent.

use super::message::Message;
use super::wire::Wire;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};

/// A scripted server; it stops listening and breaks its connections with the value.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: Weak<TcpStream>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Backend {
    /// Runs `script` for each connection, on a thread of its own, with the number of the
    /// connection, from 0 up; when it returns, the connection is closed.
    pub(crate) fn start(script: impl Fn(Wire, usize) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script)
    }

    fn start_at(at: &str, script: impl Fn(Wire, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener, &Arc::new(script))
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// As [`echo`](Self::echo), at this address.
    pub(crate) fn echo_at(at: &str) -> Self {
        Self::start_at(at, answered(echo))
    }

    /// Responds to each request with the bytes that `answer` makes of it.
    pub(crate) fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(answered(answer))
    }

    /// Responds to each request with `200`, its own method and target as the body, a space between
    /// them, and its `X-Request-Id`.
    pub(crate) fn echo() -> Self {
        Self::answering(echo)
    }

    /// Reads a request on each connection, responds with `part` and closes.
    pub(crate) fn breaking_off(part: &'static str) -> Self {
        Self::start(move |mut wire, _| {
            if wire.read_request().is_some() {
                wire.send(part);
            }
        })
    }

    /// Reads a request on each connection, responds with `part` and breaks the connection.
    pub(crate) fn resetting(part: &'static str) -> Self {
        Self::start(move |mut wire, _| {
            if wire.read_request().is_some() {
                wire.send(part);
                wire.reset();
            }
        })
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Connections whose script has not ended.
    pub(crate) fn open_connections(&self) -> usize {
        let connections = self.shared.connections.lock().unwrap();
        let open = connections.iter().filter(|c| c.stream.strong_count() > 0);
        open.count()
    }

    /// Bytes that arrived so far on the connection of this number, exactly; the first MiB of them.
    pub(crate) fn received(&self, nth: usize) -> Vec<u8> {
        let connections = self.shared.connections.lock().unwrap();
        connections[nth].received.lock().unwrap().clone()
    }

    /// Bytes that arrived on all connections, as text, one after another.
    pub(crate) fn received_text(&self) -> String {
        let all = (0..self.connections()).map(|nth| self.received(nth));
        String::from_utf8_lossy(&all.collect::<Vec<_>>().concat()).into_owned()
    }

    /// Number of times `text` arrived, on all connections.
    pub(crate) fn times_received(&self, text: &str) -> usize {
        self.received_text().matches(text).count()
    }
}

/// The script of a server that responds to each request.
fn answered(
    answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(Wire, usize) + Send + Sync + 'static {
    move |mut wire, _| {
        while let Some(request) = wire.read_request() {
            if wire.try_send(&answer(&request)).is_err() {
                return;
            }
        }
    }
}

/// The response of [`Backend::echo`].
pub(crate) fn echo(request: &Message) -> Vec<u8> {
    let body = format!("{} {}", request.word(0), request.word(1));
    let id = request.field("x-request-id").unwrap_or("-");
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nX-Request-Id: {id}\r\nContent-Length: {length}\r\n\r\n");
    match request.word(0) {
        "HEAD" => head.into_bytes(),
        _ => (head + &body).into_bytes(),
    }
}

impl Shared {
    fn accept(
        &self,
        listener: &TcpListener,
        script: &Arc<impl Fn(Wire, usize) + Send + Sync + 'static>,
    ) {
        for stream in listener.incoming() {
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            let stream = Arc::new(stream.expect("a connection"));
            let received = Arc::default();
            let wire = Wire::new(Arc::clone(&stream), Arc::clone(&received));
            let mut connections = self.connections.lock().unwrap();
            let nth = connections.len();
            // Only the script holds the connection: it is closed when the script returns.
            let stream = Arc::downgrade(&stream);
            connections.push(Connection { stream, received });
            drop(connections);
            let script = Arc::clone(script);
            thread::spawn(move || script(wire, nth));
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which closes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for connection in self.shared.connections.lock().unwrap().iter() {
            if let Some(stream) = connection.stream.upgrade() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}
