//! One request and its response, or one tunnel: the automaton that ties a client to a backend.
//!
//! [`Exchange::step`] is its transition function. On every event (bytes, room, a connection) the
//! same function is called: it does what the present phase allows and returns what comes next. It
//! touches sockets only through its flows, and knows neither the other exchanges nor the system.
//!
//! | file | owns |
//! |---|---|
//! | `asked` | a request as routes and policies see it |
//! | `applied` | the policy of a route, as it applies to one exchange |
//! | `state` | phases, the attempt under way, what the record will say |
//! | `step` | the transition function; moving request and response |
//! | `hold` | request bodies that are taken in before a backend is picked |
//! | `request` | from a request head to an exchange |
//! | `routed` | requests that routes decide on |
//! | `connection` | connections of TCP mode that routes decide on |
//! | `response` | reading a response head, and what follows from it |
//! | `tunnel` | both directions of a tunnel |
//! | `failure` | what follows when an exchange cannot go on: retry, local reply, cut |
//! | `finish` | the record, and what becomes of the client connection |
//! | `timeout` | what an exchange waits for, and how long |
//! | `log_fields` | the request in the client's own words, for the access log |

mod applied;
mod asked;
mod connection;
mod failure;
mod finish;
mod hold;
mod log_fields;
mod request;
mod response;
mod routed;
mod state;
mod step;
mod timeout;
mod tunnel;

pub(super) use failure::{AttemptEnd, Cut};
pub(super) use finish::CloseMode;
pub(super) use request::{RequestContext, key_of_address, source_of};
#[cfg(test)]
pub(super) use state::ExchangeStats;
pub(super) use state::{Attempt, Exchange, Phase, Reuse};
pub(super) use step::{ExchangeIo, Step};
pub(super) use timeout::TimeoutStatus;
