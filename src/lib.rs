//! `lb` is a load balancer: an event loop that accepts clients, picks a backend for each request
//! by what the backends really deliver, and relays.
//!
//! # Using it
//!
//! A [`Config`](config::Config) that exists is valid. A [`Balancer`] made from one is bound, and
//! then runs on this thread or on threads of its own.
//!
//! ```
//! use lb::{Balancer, config::Config, telemetry::Summary};
//!
//! let mut config = Config::new(["127.0.0.1:5000".parse()?, "127.0.0.1:5001=2".parse()?])?;
//! config.set_listeners(["127.0.0.1:0".parse()?])?;
//! let running = Balancer::bind(&config)?.spawn()?;
//! println!("serving on {:?}", running.addresses());
//! let ended = running.stop()?;
//! println!("{}", Summary(&ended.snapshot));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | run, observe, command and stop a balancer | [`Balancer`], [`Running`], [`Handle`] |
//! | settings | [`config`] |
//! | errors | [`config::ConfigError`], [`BindError`], [`AdminError`] |
//! | a strategy of your own | [`strategy::Strategy`]; `examples/custom_strategy.rs` |
//! | counters and response times | [`telemetry::Snapshot`], [`telemetry::Summary`] |
//! | changes of state of the backends | [`life_cycle::StateChange`] |
//! | checking servers without balancing | [`monitor::Monitor`] |
//! | reporting a server's health from inside | [`HeartbeatSender`], [`heartbeat`] |
//!
//! Everything else is private. `default-features = false` leaves out the command line and the
//! simulator: the library alone needs no clap or toml.
//!
//! # The tour of one request
//!
//! ```text
//! accept -> parse -> pick -> connect -> relay     -> record    -> log
//! worker    http     pool    proxy      transport    telemetry    net
//! ```
//!
//! 1. **Accept.** A `worker` waits for events and accepts the connection. Only `net` makes
//!    system calls. The connection goes to `Proxy::accepted`.
//! 2. **Parse.** A readable event arrives. The bytes are read into the loop's one scratch buffer,
//!    and `HeadParser` finds the head, its body length and whether the connection persists.
//!    Ambiguous requests are rejected.
//! 3. **Pick.** `Backends::pick` asks the [`Strategy`](strategy::Strategy) for one
//!    of its candidates and returns a `Lease`. The exchange counts as in flight at
//!    that backend until the lease is settled.
//! 4. **Connect.** The proxy takes an idle connection to the backend, which costs no system call,
//!    or opens one. If the backend cannot be reached, another one is picked.
//! 5. **Relay.** Two `Flow`s, one per direction, move bytes and follow the body
//!    framing, so that both connections can be reused. Long bodies are spliced through a pipe.
//! 6. **Record.** The lease is settled with its [`Outcome`](strategy::Outcome), from which the
//!    strategy learns, and the exchange ends in exactly one `Record`.
//! 7. **Log.** Metrics and access log learn from that record and from nothing else.
//!
//! In TCP mode the whole connection is one exchange; parsing is skipped.
//!
//! # The modules
//!
//! | module | owns | does not know |
//! |---|---|---|
//! | [`config`] | settings, their ranges and their spelling | whether a port is free |
//! | `worker` | the phases of an event loop, accepting, commands from other threads | requests |
//! | `control` | the admin interface, and whose each backend is | other workers |
//! | `discovery` | backends found in files and by DNS: what is wanted of a pool | files, sockets |
//! | `proxy` | every connection and exchange, from accept to record | system calls, the clock |
//! | `pool` | the backends: life cycle, outliers, exchanges in flight | the choice among them |
//! | [`strategy`] | the choice among candidates | requests, addresses, sockets |
//! | `health` | active checks: requests, expectations, times | sockets, the life cycle |
//! | [`heartbeat`] | heartbeats: wire format and failure detector | sockets, the life cycle |
//! | [`monitor`] | `lb ping` and `lb monitor`: checks without balancing | balancing |
//! | [`telemetry`] | records, metrics, access log, summary | their destination |
//! | `route` | which pool, redirect or response a request is led to | pools, sockets |
//! | `http` | the wire format of HTTP/1.1 | sockets, backends, time |
//! | `tls` | TLS over a transport, certificates and the choice among them | listeners, requests |
//! | `transport` | sockets as state, flows, buffers: bytes with bounded memory | heads, backends |
//! | `shared` | what workers share: load, queue, connection limit | sockets, requests |
//! | `net` | all system calls: sockets, events, pipes, descriptors | what the bytes mean |
//! | `timers` | deadlines on one coarse wheel | their owners |
//! | `proxy_protocol` | PROXY v1 and v2 headers | connections |
//! | [`error`] | faults: side to blame, status, log word | their causes |
//! | `address`, `syntax` | addresses and their notation; tokens, digits | settings |
//! | [`time`], `clock` | instants as values; the only place that reads a clock | |
//!
//! With several [workers](config::Config::workers) each has a `proxy`, a `pool`, a strategy and
//! connections of its own on a thread of its own. They share only what `shared` holds. The first
//! worker decides about backends; the others follow by `proxy::Message`.
//!
//! Only `net` and `clock` reach outside, and the library that `tls` stands on, for random bytes. Everything else takes bytes, readiness and `now`, and
//! returns actions, so a test can drive a session byte by byte and simulate an hour in a second.
//! The bans in `clippy.toml` enforce it.

#[cfg(not(target_os = "linux"))]
compile_error!("lb runs on Linux alone: it is built on epoll, splice and /proc");

mod address;
mod balancer;
mod clock;
pub mod config;
mod control;
mod discovery;
pub mod error;
mod health;
pub mod heartbeat;
mod http;
mod ids;
#[cfg(test)]
mod layers;
pub mod monitor;
mod net;
mod plural;
mod pool;
mod proxy;
mod proxy_protocol;
mod route;
mod shared;
#[cfg(feature = "simulate")]
mod simulate;
pub mod strategy;
mod syntax;
pub mod telemetry;
pub mod time;
mod timers;
mod tls;
mod transport;
mod worker;

pub use balancer::{
    AdminError, Balancer, Ended, Handle, Latecomer, RefusedLatecomer, ReloadError, ReloadSource,
    Reloaded, Running,
};
pub use discovery::DiscoveryEvent;
pub use net::{
    BindError, BindErrorKind, HeartbeatSender, Passed, Reachability, SenderHandle, Sockets, Vitals,
};
pub use pool::{Entrance, Hold, NotAdded};
pub use proxy::BackendRef;

pub mod life_cycle {
    //! States of backends, and the events that report their changes.
    //!
    //! [`Handle::events`](crate::Handle::events) delivers a [`StateChange`] for each.

    pub use crate::health::CheckFailure;
    pub use crate::http::{BadChunk, BadResponse};
    pub use crate::pool::{Cause, Grounds, LimitChange, State, StateChange};
}

/// The parts that the `lb` command, the benches and the tests are built on. They may change in any
/// release.
#[doc(hidden)]
pub mod internal {
    pub mod address {
        pub use crate::address::*;
    }
    pub mod clock {
        pub use crate::clock::*;
    }
    pub mod config {
        pub use crate::config::internal::*;
    }
    pub mod health {
        pub use crate::health::*;
    }
    pub mod heartbeat {
        pub use crate::heartbeat::internal::*;
    }
    pub mod http {
        pub use crate::http::*;
    }
    pub mod ids {
        pub use crate::ids::*;
    }
    pub mod plural {
        pub use crate::plural::*;
    }
    pub mod pool {
        pub use crate::pool::*;
    }
    pub mod proxy {
        pub use crate::proxy::*;
    }
    pub mod proxy_protocol {
        pub use crate::proxy_protocol::*;
    }
    pub mod route {
        pub use crate::route::*;
    }
    pub mod shared {
        pub use crate::shared::*;
    }
    #[cfg(feature = "simulate")]
    pub mod simulate {
        pub use crate::simulate::*;
    }
    pub mod strategy {
        pub use crate::strategy::internal::*;
    }
    pub mod telemetry {
        pub use crate::telemetry::internal::*;
    }
    pub mod timers {
        pub use crate::timers::*;
    }
    pub mod tls {
        pub use crate::tls::*;
    }
    pub mod transport {
        pub use crate::transport::*;
    }
}

/// The examples of the README are compiled and run with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
