//! Listeners, mode and workers.

use super::settings::{Scope, Section};
use super::{ListenerSpec, Mode, Workers};

static SECTION: Section = Section {
    title: "Traffic",
    scope: Scope::Listener,
};
static GLOBAL: Section = Section {
    title: SECTION.title,
    scope: Scope::Global,
};

settings! {
    /// Listeners, mode and workers.
    #[derive(Clone, Debug)]
    pub(crate) struct TrafficSettings in draft.traffic, section SECTION;

    /// Address to accept clients on [default: 127.0.0.1:8080]
    ///
    /// IP:PORT or [IPv6]:PORT; a bare PORT is on this machine alone, *:PORT is on every IPv4
    /// address, port 0 is any free one. unix:PATH is a UNIX socket. With proxy+ in front, as in
    /// proxy+*:80, each connection must begin with a PROXY header (version 1 or 2), which names
    /// its client. The flag can be repeated.
    "listen" <"[proxy+]IP:PORT|unix:PATH"> listen: Vec<ListenerSpec> = Vec::new();

    /// What is balanced: http or tcp
    ///
    /// http balances each HTTP/1.1 request on its own and keeps connections alive on both sides;
    /// tcp balances whole connections, whatever they carry.
    "mode" <"http|tcp"> mode: Mode = Mode::Http;

    /// Threads, each with an event loop
    ///
    /// A number, or auto for one on each core. Each has its own listening sockets and
    /// connections; limits, the queue and the state of backends are shared. One is enough for most.
    "workers" <"N|auto"> workers: Workers = Workers::default(), with { section: &GLOBAL };
}
