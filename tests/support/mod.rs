//! The harness of the end-to-end tests: the real `lb` between real sockets.
//!
//! [`Lb`] is the process under test. Behind it stand [`Pi`] servers, or [`Backend`]s that do as
//! a script says; before it stand [`Client`]s. Everything listens on a port the system chose,
//! ends with its value, and waits with a deadline: a test that hangs fails and says for what it
//! waited. Nothing in here knows what `lb` should do; that is the tests' to say.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test file is a program of its own and uses a part of the harness"
)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "real sockets and real time are what these tests are about"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod backend;
mod client;
mod content;
mod lb;
mod message;
mod nobody;
mod pi;
mod process;
mod wait;
mod wire;

pub(crate) use backend::{Backend, echo};
pub(crate) use client::{Client, listens};
pub(crate) use content::{Content, Matcher};
pub(crate) use lb::{Ended, Lb};
pub(crate) use message::{Broken, Message, Response};
pub(crate) use nobody::{Deaf, Refusing};
pub(crate) use pi::Pi;
pub(crate) use process::{Usage, most_socket_buffers};
pub(crate) use wait::{Gate, Progress, Stopwatch, stays, take, until};
pub(crate) use wire::{End, Wire};
