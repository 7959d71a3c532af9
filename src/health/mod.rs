//! Active health checks: what to send, what passes, when to check again.
//!
//! [`Checker`] schedules the checks of many targets, for the balancer and for `lb monitor` alike:
//! readiness, opened sockets and `now` go in, [`CheckAction`]s come out (open a socket, a check
//! has finished). It owns the connections and deadlines of checks. It makes no system call and
//! does not know what follows from a result.
//!
//! | file | owns |
//! |---|---|
//! | [`checker`](Checker) | the checks of many targets: deadlines, sockets, results |
//! | `schedule` | when one target is checked next, and runs of passing or failing checks |
//! | `address_order` | which of several addresses is tried first, and for how long |
//! | `check_attempt` | one check on its socket |
//! | [`kind`](CheckKind) | the registry of kinds |
//! | `tcp`, `http`, `ping` | one kind each: its conversation and its entry |
//! | [`icmp`] | the bytes of echo messages |
//! | [`settings`](CheckSettings) | settings of checks |
//! | [`failure`](CheckFailure) | why a check failed |

mod address_order;
mod check_attempt;
mod checker;
mod failure;
mod http;
pub mod icmp;
mod kind;
mod ping;
mod schedule;
#[cfg(test)]
pub(crate) mod script;
mod settings;
mod tcp;

pub use checker::{CheckAction, CheckFinished, CheckId, Checker, OpenSocket};
pub use failure::{CheckFailure, CheckResult};
pub use kind::{CheckKind, CheckTransport};
pub use schedule::CheckStreak;
pub use settings::{CheckSettings, CheckTarget, CheckTiming, HttpCheckSettings};

use std::fmt::Debug;

/// The conversation of one check: bytes in, bytes out, and a result.
///
/// A trait object rather than an enum: a kind of check costs one file that way, and a check is
/// far too rare for the allocation to matter.
pub trait Check: Debug + Send {
    /// The connection is established.
    fn connected(&mut self) -> Option<CheckResult> {
        None
    }

    /// Bytes that remain to be sent.
    fn to_send(&self) -> &[u8] {
        b""
    }

    /// The first `count` of them were sent.
    fn sent(&mut self, _count: usize) {}

    /// Bytes of a stream, or one message, came in.
    fn received(&mut self, bytes: &[u8]) -> Option<CheckResult>;

    /// The connection has ended, or nothing can be sent.
    ///
    /// # Errors
    /// The check does not pass on what came until then.
    fn ended(&mut self) -> CheckResult;
}
