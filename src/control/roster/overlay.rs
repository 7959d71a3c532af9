//! What the operator says of backends, above what their sets say.

use super::order::Order;
use super::set::Admit;
use crate::pool::Hold;
use crate::proxy::AdminCommand;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// What the operator says of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overlay {
    /// Drained or disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admit: Option<Admit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_in_flight: Option<NonZeroU32>,
    /// How well it is, whatever is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Hold>,
}

impl Overlay {
    /// Orders what the operator says of the backend of this name.
    pub(super) fn lay_over(self, name: &str, orders: &mut Vec<Order>) {
        let command = |command| Order::Command(name.to_owned(), command);
        match self.admit {
            Some(Admit::Drain) => orders.push(command(AdminCommand::Drain)),
            Some(Admit::Off) => orders.push(command(AdminCommand::Disable)),
            Some(Admit::Trial | Admit::Warm) | None => {}
        }
        if let Some(weight) = self.weight {
            orders.push(command(AdminCommand::Weight(weight)));
        }
        if self.max_in_flight.is_some() {
            let limit = AdminCommand::MaxConnections(self.max_in_flight);
            orders.push(command(limit));
        }
        if self.health.is_some() {
            orders.push(command(AdminCommand::Hold(self.health)));
        }
    }
}

/// What the operator says of each backend, by name. One of which nothing is said has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Overlays(BTreeMap<String, Overlay>);

impl Overlays {
    /// What is said of a backend; `None`: nothing.
    pub(super) fn find(&self, name: &str) -> Option<Overlay> {
        self.0.get(name).copied()
    }

    /// The same; the default: nothing.
    pub(super) fn of(&self, name: &str) -> Overlay {
        self.find(name).unwrap_or_default()
    }

    /// The operator says this now.
    pub(super) fn set(&mut self, name: &str, overlay: Overlay) {
        if overlay == Overlay::default() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), overlay);
        }
    }
}
