//! The routes of a listener, and what holds for requests that they lead to.

use crate::config::Timeouts;
use crate::pool::PoolId;
use crate::route::{Policy, RouteTable, Target};
use std::sync::Arc;

/// The routes of a listener.
#[derive(Debug)]
pub struct Routes {
    /// Finds the route of a request.
    pub table: RouteTable<Destination>,
    /// The pool for requests without a route; `None`: they get a 404.
    pub otherwise: Option<PoolId>,
    /// The timeouts of exchanges with each pool, by its number.
    pub timeouts: Vec<Timeouts>,
}

/// What a route leads to, and under what conditions.
#[derive(Clone, Debug)]
pub struct Destination {
    /// What it leads to.
    pub target: Target,
    /// What else holds for its requests; `None`: nothing.
    pub policy: Option<Arc<Policy>>,
}

impl Routes {
    /// The timeouts of an exchange with a pool.
    pub(super) fn timeouts_with(&self, pool: PoolId) -> Option<&Timeouts> {
        self.timeouts.get(usize::from(pool.number()))
    }
}
