//! Keeps one broken connection from ending the server.
//!
//! tiny_http 0.12 panics in a connection's thread (`client.rs`, the unwrap of `remote_addr`) when
//! a client sent a request and reset the connection before it was accepted. The release profile
//! aborts on panic, so any client could end the process.
//!
//! An aborting process cannot end a single thread, but its panic hook runs first and need not
//! return: the thread is parked for good, at the price of its stack and socket. Refused: unwinding
//! for the whole workspace, which the load balancer would pay for.

use std::{panic, thread};

/// Threads of this server have names and abort as usual; tiny_http's have none.
pub(crate) fn park_broken_connections() {
    let as_usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name().is_some() {
            return as_usual(info);
        }
        eprintln!("pi-backend: gave up a connection: {info}");
        while cfg!(panic = "abort") {
            thread::park();
        }
    }));
}
