//! The check by connecting: a server that accepts passes.
//!
//! It tells a process that is gone from one that is there. It cannot see a process hang: the
//! kernel accepts connections on its behalf.

use super::kind::{CheckRequest, CheckTransport, KindEntry};
use super::{Check, CheckFailure, CheckResult};

pub(super) const KIND: KindEntry = KindEntry {
    name: "tcp",
    about: "connects; sees that a process listens, not that it responds",
    transport: CheckTransport::Connection,
    detects_hangs: false,
    begin: |_: &CheckRequest<'_>| Box::new(TcpCheck),
};

#[derive(Debug)]
struct TcpCheck;

impl Check for TcpCheck {
    fn connected(&mut self) -> Option<CheckResult> {
        Some(Ok(()))
    }

    fn received(&mut self, _bytes: &[u8]) -> Option<CheckResult> {
        None
    }

    fn ended(&mut self) -> CheckResult {
        Err(CheckFailure::BrokenOff)
    }
}
