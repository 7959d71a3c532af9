//! The control plane of the first worker: the admin interface, and who may change what.
//!
//! Pure but for the sockets it is lent: events, bytes and `now` go in, responses and orders to the
//! proxy come out. It runs on the loop of the first worker, within limits of its own, and knows
//! nothing of how the other workers are asked.
//!
//! | file | owns |
//! |---|---|
//! | `conns` | connections: limits, timeouts, subscribers |
//! | `request`, `response` | one request and one response |
//! | `guard` | tokens, `Host`, `Origin` |
//! | `route` | which request asks for what |
//! | `roster` | whose each backend is: sets of programs, the operator's word above them |
//! | `journal` | the events of the last while, by number |
//! | `view` | a pool as JSON |
//! | `live` | the figures of all pools, several times a second |
//! | `recent` | the last exchanges, while somebody watches |
//! | `explain` | why a backend would be picked, as JSON |
//! | `topology` | listeners and routes as JSON |
//! | `page` | the files of the dashboard |
//! | `openmetrics` | the metrics as OpenMetrics text |
//! | `state` | what is kept over a restart |

pub(crate) mod conns;
pub(crate) mod explain;
pub(crate) mod guard;
pub(crate) mod journal;
pub(crate) mod live;
pub(crate) mod openmetrics;
pub(crate) mod page;
pub(crate) mod recent;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod roster;
pub(crate) mod route;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod topology;
pub(crate) mod view;
