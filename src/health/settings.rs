//! Settings of checks: kind, timing, and what a response must look like.
//!
//! Ranges are checked where settings are read, in `config`.

use super::CheckKind;
use crate::address::Address;
use crate::http::HeadLimits;
use std::sync::Arc;
use std::time::Duration;

/// The rhythm of checks, and how many in a row matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckTiming {
    /// From one check to the next; a quarter of it while checks fail.
    pub interval: Duration,
    /// Time limit for one check, over all addresses that it tries.
    pub timeout: Duration,
    /// Passing checks in a row that end a run of failing ones.
    pub rise: u32,
    /// Failing checks in a row that matter.
    pub fall: u32,
    /// True if a response that is read after the time limit counts as none. The monitor measures
    /// response times, so there it does. The balancer believes what it reads: that it came to
    /// reading late, after a pause of its own process, says nothing about a backend.
    pub fails_late_responses: bool,
}

/// The request of an HTTP check, and the response it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheckSettings {
    /// Target of the request. Default `/ping`.
    pub path: String,
    /// Expected status, 200 to 599. Default 200.
    pub expect_status: u16,
    /// Text that the body must contain, if any. Default none.
    pub expect_body: Option<String>,
}

impl Default for HttpCheckSettings {
    fn default() -> Self {
        Self {
            path: "/ping".to_owned(),
            expect_status: 200,
            expect_body: None,
        }
    }
}

/// Everything about a check but its target.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// The kind of check.
    pub kind: CheckKind,
    /// For HTTP checks.
    pub http: HttpCheckSettings,
    /// The `Host` of an HTTP check; `None`: the name of the target.
    pub host: Option<String>,
    /// Bytes ahead of the request on each connection, such as a PROXY header.
    pub preamble: Vec<u8>,
    /// Limits on the head of a response: those of traffic.
    pub head_limits: HeadLimits,
}

impl CheckSettings {
    /// Settings for checks of this kind, with the default of everything else.
    #[must_use]
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            http: HttpCheckSettings::default(),
            host: None,
            preamble: Vec::new(),
            head_limits: HeadLimits::default(),
        }
    }
}

/// A server to be checked.
#[derive(Clone, Debug)]
pub struct CheckTarget {
    /// Its name, as in `Host`.
    pub name: String,
    /// Its addresses. Each is tried until one can be connected to.
    pub addresses: Vec<Address>,
    /// Settings of its checks.
    pub settings: Arc<CheckSettings>,
    /// Interval, and the numbers of results in a row that matter.
    pub timing: CheckTiming,
}
