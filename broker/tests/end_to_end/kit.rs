//! A server on a free port, and clients for it.

use lb_broker::announcement::WhenFull;
use lb_broker::client::{Client, ClientError, Options, Received};
use lb_broker::codec::{Children, Format, Message, Payload};
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::server::{Notice, Notifier, Server, Settings, Store};
use lb_broker::value::Value;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// More than anything takes here, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; ends with this value.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) notifier: Notifier,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), AccessRules::open(), None)
    }

    pub(crate) fn limited(limits: Limits) -> Self {
        Self::with(limits, AccessRules::open(), None)
    }

    pub(crate) fn with(limits: Limits, rules: AccessRules, store: Option<Store>) -> Self {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || {
            let listen = SocketAddr::from(([127, 0, 0, 1], 0));
            let settings = Settings {
                listen,
                limits,
                rules,
                store,
                send_buffer: None,
            };
            let server = Server::new(settings).unwrap();
            sender.send((server.address(), server.notifier())).unwrap();
            server.run().unwrap();
        });
        let (address, notifier) = receiver.recv_timeout(PATIENCE).unwrap();
        Self {
            address,
            notifier,
            thread: Some(thread),
        }
    }

    pub(crate) fn options(&self, format: Format) -> Options {
        options(self.address, format)
    }

    pub(crate) fn client(&self, format: Format) -> Client {
        Client::connect(&self.options(format)).unwrap()
    }

    /// A connection that has not said anything.
    pub(crate) fn raw(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn stop(&mut self) {
        self.notifier.tell(Notice::Stop);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

/// How a client without wishes connects.
pub(crate) fn options(address: SocketAddr, format: Format) -> Options {
    Options {
        address: address.to_string(),
        format,
        when_full: WhenFull::DropOldest,
        name: None,
        token: None,
        timeout: PATIENCE,
    }
}

/// What clients do in most tests.
pub(crate) trait Shortcuts {
    fn publish(&mut self, topic: &str, value: &Value);
    fn subscribe(&mut self, topic: &str) -> Vec<Received>;
    fn message(&mut self) -> Received;
    fn silent(&mut self) -> bool;
    fn list(&mut self) -> Vec<String>;
    fn refusal(&mut self, request: Message<'_>, expected: &str) -> String;
}

impl Shortcuts for Client {
    /// Publishes and waits for the acknowledgement.
    fn publish(&mut self, topic: &str, value: &Value) {
        let payload = Payload::of(value);
        let message = Message::new("publish").text("topic", topic);
        let message = message.children(Children::Value(&payload));
        self.request(message, "published", |_| {}).unwrap();
    }

    /// Subscribes, and returns what came before the acknowledgement.
    fn subscribe(&mut self, topic: &str) -> Vec<Received> {
        let mut early = Vec::new();
        let message = Message::new("subscribe").text("topic", topic);
        self.request(message, "subscribed", |received| early.push(received))
            .unwrap();
        early
    }

    fn message(&mut self) -> Received {
        let received = self.wait_before(Instant::now() + PATIENCE).unwrap();
        assert_eq!(received.method(), "message", "{received:?}");
        received
    }

    /// Nothing comes before the reply to a request that is made now.
    fn silent(&mut self) -> bool {
        let mut is_silent = true;
        self.request(Message::new("ping"), "pong", |_| is_silent = false)
            .unwrap();
        is_silent
    }

    fn list(&mut self) -> Vec<String> {
        let topics = self
            .request(Message::new("list"), "topics", |_| {})
            .unwrap();
        let text = |topic: &Value| match topic {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        topics.list("topics").iter().map(text).collect()
    }

    /// The code of the refusal of a request.
    fn refusal(&mut self, request: Message<'_>, expected: &str) -> String {
        match self.request(request, expected, |_| {}) {
            Err(ClientError::Refused { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until something holds; each look is a round trip, so it does not spin.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
    }
}

/// Raises this process's limit on descriptors to at least `count`.
pub(crate) fn allow_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let current = Some(count);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    }
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-broker-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
