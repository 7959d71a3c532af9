//! The routes of a listener, and what holds for requests that they lead to.

use crate::config::Timeouts;
use crate::pool::PoolId;
use crate::route::{RouteTable, Target};

/// The routes of a listener.
#[derive(Debug)]
pub struct Routes {
    /// Finds the route of a request.
    pub table: RouteTable<Target>,
    /// The pool for requests without a route; `None`: they get a 404.
    pub otherwise: Option<PoolId>,
    /// The timeouts of exchanges with each pool, by its number.
    pub timeouts: Vec<Timeouts>,
}

impl Routes {
    /// The timeouts of an exchange with a pool.
    pub(super) fn timeouts_with(&self, pool: PoolId) -> Option<&Timeouts> {
        self.timeouts.get(usize::from(pool.number()))
    }
}
