//! `lb`: a load balancer.

pub mod balance;
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod observe;
pub mod time;
