//! The fleet control plane of lb: keeps, heals and scales the servers behind it.
//!
//! The binaries are [`controller`] and [`agent`]. One turn of the controller:
//!
//! ```text
//! inputs -> step -> commit -> store -> acts -> inputs
//! agents    fleet   fleet     store    provider, lb_link
//! lbs
//! listings
//! ```
//!
//! | module | owns | refuses to know |
//! |---|---|---|
//! | `spec` | `fleet.toml` into services that cannot be wrong | the world |
//! | `fleet` | automata, reconciling, budgets, holds, evidence, commits | sockets, clocks, SQL |
//! | `scale` | policies: from observations to a number | what launches a server |
//! | `store` | rows, and the receipt for a commit | rules |
//! | `provider`, `unit` | units: launched, listed, stopped | why |
//! | `agent` | one server from beside it | the fleet |
//! | `bus` | statuses over a broker | what follows from them |
//! | `lb_link` | the words of lb's admin API | rules |
//! | `import` | files of existing fleets into `fleet.toml` | running fleets |
//! | `api` | HTTP, sessions, compatible services | rules |
//! | `page` | the built pages of controller and agent | what they show |
//! | `failpoint` | places to crash at, for tests | why |
//! | `shell` | commits, then acts, then feeds back | rules |
//! | `simulate` | policies in virtual time | - |

#![cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "what only Kafka makes or reads")
)]

mod agent;
mod api;
mod bus;
mod check;
mod clock;
mod controller;
mod ctl;
mod failpoint;
mod fleet;
mod http_client;
mod import;
mod lb_link;
mod page;
mod problem;
mod proto;
mod provider;
mod scale;
mod shell;
mod simulate;
mod spec;
mod store;
mod unit;

pub use agent::agent;
pub use controller::controller;
