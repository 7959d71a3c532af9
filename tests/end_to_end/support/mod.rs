//! The harness of the end-to-end tests: the real `lb` between real sockets.
//!
//! [`Lb`] is the process under test. Behind it stand [`Pi`] servers, or [`Backend`]s that do as
//! a script says; before it stand [`Client`]s. Everything listens on a port the system chose,
//! ends with its value, and waits with a deadline: a test that hangs fails and says for what it
//! waited. Nothing in here knows what `lb` should do; that is the tests' to say.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "real sockets and real time are what these tests are about"
)]

mod admin;
mod backend;
mod client;
mod content;
mod crowd;
mod dns_server;
mod lb;
pub(crate) mod message;
mod no_server;
mod pi;
mod process;
#[cfg(feature = "tls")]
mod secure;
mod sender;
mod site;
mod temp_file;
mod wait;
mod wire;

pub(crate) use admin::{Admin, Said};
pub(crate) use backend::{Backend, echo};
pub(crate) use client::{Client, listens};
pub(crate) use content::{Content, Matcher};
pub(crate) use crowd::ask_at_once;
pub(crate) use dns_server::{DnsServer, Manner};
pub(crate) use lb::{IN_ORDER, Lb};
pub(crate) use message::Response;
pub(crate) use no_server::{Deaf, Refusing};
pub(crate) use pi::Pi;
pub(crate) use process::socket_buffer_bytes;
#[cfg(feature = "tls")]
pub(crate) use secure::{Identity, SecureClient};
pub(crate) use sender::Sender;
pub(crate) use site::{Site, refusal, verdict};
pub(crate) use temp_file::TempFile;
pub(crate) use wait::{Gate, Progress, Stopwatch, stays, take, until};
pub(crate) use wire::{End, Wire};
