//! How many servers are wanted: policies, from what was observed to a number and its reasons.
//!
//! A policy is pure: a window of observations and counts go in, a want comes out. Bounds, budgets
//! and holds are applied outside and are alike for all. Nothing here knows what launches a server.

mod policy;
mod schedule;
mod tracking;
mod window;

pub(crate) use policy::{Policy, Scaler};
pub(crate) use schedule::{Days, Floor, minutes};
pub(crate) use tracking::{Tracking, UTILISATION};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Traffic of one pool at one lb over a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) span: Duration,
    /// Requests that came, shed and queued ones included.
    pub(crate) arrivals: f64,
    pub(crate) responses: f64,
    /// Sum of the durations of these responses.
    pub(crate) response_seconds: f64,
    /// Sum over the servers of the time with at least one request in flight.
    pub(crate) busy_seconds: f64,
    /// Requests in the queue at the end of the span.
    pub(crate) queued: f64,
}

/// How many servers there are. Those that are being drained are in none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) serving: usize,
    /// On their way to serving.
    pub(crate) coming: usize,
    /// Wanted now.
    pub(crate) want: usize,
    pub(crate) min: usize,
    pub(crate) desired: usize,
    pub(crate) max: usize,
    /// A rollout is under way: a doubled count must not be taken for capacity.
    pub(crate) is_rolling: bool,
}

impl Counts {
    fn clamp(self, want: usize) -> usize {
        want.clamp(self.min.min(self.max), self.max)
    }
}

/// How many are wanted, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) want: usize,
    /// The arithmetic, one step a line.
    pub(crate) reasons: Vec<String>,
}

impl Decision {
    pub(crate) fn why(&self) -> String {
        self.reasons.join("; ")
    }
}
