//! `lb` is a load balancer: an event loop that accepts clients, picks a backend for each request
//! by what the backends really deliver, and relays.
//!
//! # Using it
//!
//! A [`Config`](config::Config) that exists cannot be wrong; a [`Balancer`] made from one is bound
//! and then runs, on this thread or on one of its own.
//!
//! ```
//! use lb::{Balancer, config::Config, observe::Summary};
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
//! What to hold on to: [`Balancer`], [`Handle`] and [`Running`]; [`config`]; the
//! [`Strategy`](balance::Strategy) trait and what it sees, for a rule of your own (see
//! `examples/custom_strategy.rs`); [`observe::Snapshot`]; [`monitor::Monitor`], which watches
//! servers without balancing; and [`HeartbeatSender`], for servers that tell of themselves.
//! Everything else is public so that it can be read, benched and driven from tests; it is the
//! inside, and changes without notice.
//!
//! # The tour of one request
//!
//! ```text
//! accept -> parse -> pick -> connect -> relay -> record -> log
//! net       http     balance  net       relay    observe   observe
//! server             upstream server    server   server    net
//! ```
//!
//! 1. **Accept.** `net` waits for events and accepts; it makes every system call there is and
//!    decides nothing about requests. The connection goes to
//!    [`Server::accepted`](server::Server::accepted).
//! 2. **Parse.** An event says that bytes have come. They are read into the one buffer of the loop,
//!    and [`http::HeadParser`] finds the head and what it means: how long the body is, whether the
//!    connection goes on. It refuses what two recipients could read differently.
//! 3. **Pick.** [`Upstream::pick`](upstream::Upstream::pick) asks the
//!    [`Strategy`](balance::Strategy) for one of its candidates and hands out a
//!    [`Lease`](upstream::Lease). Until the lease is settled, the exchange counts at its backend.
//! 4. **Connect.** The server takes an idle link to that backend from the pool, without a system
//!    call, or opens one. A backend that cannot be reached is left out and another one picked.
//! 5. **Relay.** Two [`Flow`](relay::Flow)s, one for each direction, move bytes and follow the
//!    framing of the body, so that both connections can serve again. Long bodies go through a pipe
//!    and never visit user space.
//! 6. **Record.** The lease is settled with its [`Outcome`](balance::Outcome), from which the
//!    strategy learns, and the exchange ends in exactly one [`Record`](observe::Record).
//! 7. **Log.** Counters and access log learn from that record, and from nothing else.
//!
//! In TCP mode the whole connection is one exchange: parsing is left out, the rest is the same.
//!
//! # The map
//!
//! | module | owns | refuses to know |
//! |---|---|---|
//! | [`config`] | settings, their ranges and their words | whether a port is free |
//! | [`http`] | the wire format of HTTP/1.1 | sockets, backends, time |
//! | [`balance`] | how one of several backends is chosen | requests, addresses, sockets |
//! | [`upstream`] | who may be picked, what is in flight where | how a choice is made |
//! | [`health`] | what is asked in an active check, and when | sockets, what becomes of backends |
//! | [`monitor`] | watching from the terminal: what is checked when, what is told | system calls |
//! | [`relay`] | moving bytes with bounded memory | what a head is, what a backend is |
//! | [`heartbeat`] | what servers say of themselves, and how long they may be silent | sockets, what becomes of backends |
//! | [`timers`] | deadlines and one coarse wheel for all of them | whose they are |
//! | [`server`] | every connection and exchange, from accept to record | system calls, the clock |
//! | [`observe`] | records, counters, access log, summary | where any of it is written |
//! | [`error`] | what can go wrong, whose fault it is, what is answered | how it came about |
//! | [`time`] | instants as values | where they come from |
//! | [`clock`] | the only reading of a clock | what the time is for |
//! | `net` | sockets, events, pipes, descriptors: all system calls | what the bytes mean |
//!
//! Several [workers](config::Config::workers) are several servers, each with an upstream, a strategy
//! and connections of its own, on a thread of its own. They share three small things:
//! [`upstream::Board`] (what is in flight at each backend), [`server::Lines`] (who waits, since
//! when), and, in `net`, how many connections each has. What the first decides about backends, the
//! others hear as a [`server::Message`]. A worker that is alone has none of this.
//!
//! Only `net` and [`clock`] touch the outside. The rest takes bytes, readiness and `now`, and
//! gives back actions, so that a test can drive a session byte by byte and run an hour in a
//! second. The bans that keep it so are in `clippy.toml`.

pub mod address;
pub mod balance;
mod balancer;
pub mod clock;
pub mod config;
pub mod error;
pub mod health;
pub mod heartbeat;
pub mod http;
pub mod monitor;
mod net;
pub mod observe;
pub mod proxy_protocol;
pub mod relay;
pub mod server;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod time;
pub mod timers;
pub mod upstream;

pub use balancer::{Balancer, Ended, Handle, Running};
pub use net::{HeartbeatSender, Reachability, SenderHandle, Vitals};

/// The examples of the README are compiled and run with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
