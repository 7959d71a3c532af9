//! Routes as they are configured.

use crate::ids::PoolId;
use crate::route::{Pattern, Policy, Target};
use std::sync::Arc;

/// A route of a listener: what it fits, and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteConfig {
    /// What it fits: one of these.
    pub(crate) patterns: Vec<Pattern>,
    /// What it leads to.
    pub(crate) target: Target,
    /// What else holds for its requests, counted over all listeners and workers.
    pub(crate) policy: Option<Arc<Policy>>,
}

impl RouteConfig {
    /// The pools it leads to.
    pub(crate) fn pools(&self) -> Vec<PoolId> {
        match &self.target {
            Target::Pool(pool) => vec![*pool],
            Target::Split(split) => split.pools().collect(),
            Target::Redirect(_) | Target::Respond(_) | Target::Reject(_) => Vec::new(),
        }
    }
}
