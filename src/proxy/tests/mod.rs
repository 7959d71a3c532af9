//! The server, driven byte by byte: no sockets, no clock, no threads.
//!
//! [`world`] is what lies between the server and its peers, [`network`] shows it to the server as
//! a [`Network`](super::Network), and a [`stage`] is a server in such a world, made as a [`setup`]
//! says, with a clock that is moved by hand. `scenarios` tell one story each; `simulation` makes up
//! thousands.

mod invariants;
mod network;
mod regressions;
mod scenarios;
mod setup;
mod simulation;
mod stage;
mod wire;
mod world;
