//! `lb`: a load balancer.

pub mod balance;
mod balancer;
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
mod net;
pub mod observe;
pub mod relay;
pub mod server;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod time;
pub mod timers;
pub mod upstream;

pub use balancer::{Balancer, Ended, Handle, Running};
