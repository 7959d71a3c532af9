//! Whose each backend is: the sets that programs declare, and the operator's word above them.
//!
//! A *set* is all the backends that one owner wants in the pool. It is declared whole, again and
//! again: what is new is added, what is absent drains and goes, what has changed is changed. A
//! repeated set changes nothing, so a lost answer costs one more request. Refused: adding and
//! removing one by one as the protocol for programs; it cannot be repeated blindly and drifts.
//!
//! *Fences*: a set of an older (term, revision), or of another fleet under the same owner, is
//! refused. So is one that would leave less than half of the backends that may be picked, unless it
//! is forced: an empty database must not empty a pool.
//!
//! *Overlay*: what the operator says of a backend (drained, disabled, weight, limit) holds until the
//! operator takes it back, whatever its set says. Backends of others (flags, the operator, another
//! set) are never touched by a set.
//!
//! Pure: it sees what the pool [knows](Known) and returns [`Order`]s, all of which are carried out,
//! or nothing has changed.

mod order;
mod overlay;
mod set;
mod syntax;
#[cfg(test)]
mod tests;

pub(crate) use order::Order;
pub(crate) use overlay::{Overlay, Overlays};
pub(crate) use set::{Admit, Set, Sets, Wanted};
pub(crate) use syntax::{check_backend_name, check_weight, parse_address};

use crate::pool::Known;
use crate::proxy::AdminCommand;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Time to drain for a backend that is absent from its set.
pub(crate) const SET_DRAIN: Duration = Duration::from_secs(300);

/// What is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The strategy the operator chose, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,
    #[serde(default)]
    pub(crate) sets: Sets,
    #[serde(default)]
    pub(crate) overlays: Overlays,
}

/// Why a set, or a command, is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It cannot be read, or not be carried out as it is.
    Invalid(String),
    /// A later set, or one of another fleet, is in force.
    Fenced {
        fleet: String,
        term: u64,
        revision: u64,
        message: String,
    },
    /// Too few backends would be left.
    TooFew(String),
    /// The backend belongs to a set, which decides about that.
    OfSet(String),
}

/// Whose each backend is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    kept: Kept,
    /// The owner of each backend that has one, by name.
    owners: HashMap<String, String>,
    /// Owners that have declared a set since the start.
    heard: HashSet<String>,
}

/// Sets.
impl Roster {
    /// Takes a set of `owner`. Returns what is to be done.
    ///
    /// # Errors
    /// It is refused; nothing has changed.
    pub(crate) fn put(
        &mut self,
        owner: &str,
        set: Set,
        known: &[Known],
    ) -> Result<Vec<Order>, Refused> {
        let sets = &self.kept.sets;
        let addresses = sets.check(owner, &set, known, |name| self.owner(name))?;
        let by_name: HashMap<_, _> = known.iter().map(|it| (it.name.as_str(), it)).collect();
        let is_first = !self.heard.contains(owner);
        let old = sets.get(owner).map(Set::by_name).unwrap_or_default();
        let mut orders = Vec::new();
        for (wanted, address) in set.backends.iter().zip(addresses) {
            let name = wanted.name.as_str();
            let overlay = self.kept.overlays.of(name);
            match by_name.get(name) {
                Some(known) => {
                    let before = old.get(name).copied();
                    order::change(wanted, before, known, overlay, &mut orders);
                }
                None => order::add(wanted, address, is_first, overlay, &mut orders),
            }
        }
        let stays = set.by_name();
        let gone = known
            .iter()
            .filter(|it| self.owner(&it.name) == Some(owner) && !stays.contains_key(&*it.name));
        for known in gone.filter(|it| !it.is_departing) {
            let remove = AdminCommand::Remove(SET_DRAIN);
            orders.push(Order::Command(known.name.clone(), remove));
        }
        for wanted in &set.backends {
            self.owners.insert(wanted.name.clone(), owner.to_owned());
        }
        self.heard.insert(owner.to_owned());
        self.kept.sets.accept(owner, set);
        Ok(orders)
    }

    /// Removes backends that are gone from what is known of them.
    pub(crate) fn forget(&mut self, name: &str) {
        if self.wanted(name).is_none() {
            self.owners.remove(name);
            self.kept.overlays.set(name, Overlay::default());
        }
    }

    fn wanted(&self, name: &str) -> Option<(&str, &Wanted)> {
        let owner = self.owner(name)?;
        Some((owner, self.kept.sets.wanted(owner, name)?))
    }
}

/// The operator.
impl Roster {
    /// Takes a command of the operator. Returns what is to be done.
    ///
    /// # Errors
    /// The set of the backend decides about that.
    pub(crate) fn command(
        &mut self,
        name: &str,
        command: AdminCommand,
    ) -> Result<AdminCommand, Refused> {
        let wanted = self.wanted(name);
        let mut overlay = self.kept.overlays.of(name);
        let order = match command {
            AdminCommand::Drain => {
                overlay.admit = Some(Admit::Drain);
                command
            }
            AdminCommand::Disable => {
                overlay.admit = Some(Admit::Off);
                command
            }
            AdminCommand::Enable => {
                if let Some((owner, wanted)) = wanted.filter(|(_, it)| !it.admit.takes_part()) {
                    let word = match wanted.admit {
                        Admit::Off => "off",
                        _ => "drain",
                    };
                    let message = format!("the set of {owner} says {word} of {name}");
                    return Err(Refused::OfSet(message));
                }
                overlay.admit = None;
                command
            }
            AdminCommand::Weight(weight) => {
                overlay.weight = wanted.map(|_| weight);
                command
            }
            AdminCommand::MaxConnections(max) => {
                overlay.max_in_flight = max.filter(|_| wanted.is_some());
                let of_set = wanted.and_then(|(_, wanted)| wanted.max_in_flight);
                AdminCommand::MaxConnections(max.or(of_set))
            }
            AdminCommand::Hold(hold) => {
                overlay.health = hold;
                command
            }
            AdminCommand::Remove(_) => {
                if let Some((owner, _)) = wanted {
                    let message = format!(
                        "{name} belongs to the set of {owner}, which would add it again: \
                         drain or disable it"
                    );
                    return Err(Refused::OfSet(message));
                }
                overlay = Overlay::default();
                command
            }
        };
        self.kept.overlays.set(name, overlay);
        Ok(order)
    }

    /// The operator has chosen a strategy, as it is written.
    pub(crate) fn set_strategy(&mut self, strategy: String) {
        self.kept.strategy = Some(strategy);
    }

    /// The configuration has chosen another strategy since the operator did.
    pub(crate) fn clear_strategy(&mut self) {
        self.kept.strategy = None;
    }

    /// The weight that the set of a backend gives it, when the operator takes the word back.
    pub(crate) fn weight_of_set(&self, name: &str) -> Option<u32> {
        self.wanted(name).map(|(_, wanted)| wanted.weight)
    }

    /// The operator takes back what was said of the weight of a backend.
    pub(crate) fn clear_weight(&mut self, name: &str) {
        let overlay = self.kept.overlays.of(name);
        let weight = None;
        let overlay = Overlay { weight, ..overlay };
        self.kept.overlays.set(name, overlay);
    }
}

/// Keeping, and showing.
impl Roster {
    /// A roster with what was kept over a restart, and what is to be done for it.
    pub(crate) fn restored(kept: Kept, known: &[Known]) -> (Self, Vec<Order>) {
        let mut roster = Self::default();
        let mut orders = Vec::new();
        let mut names: HashSet<_> = known.iter().map(|it| it.name.clone()).collect();
        for (owner, set) in kept.sets.iter() {
            for wanted in &set.backends {
                let Ok(address) = parse_address(&wanted.address) else {
                    continue;
                };
                if !names.insert(wanted.name.clone()) {
                    continue;
                }
                let overlay = kept.overlays.of(&wanted.name);
                order::add(&wanted.warm(), address, true, overlay, &mut orders);
                roster.owners.insert(wanted.name.clone(), owner.to_owned());
            }
        }
        for known in known {
            let overlay = kept.overlays.of(&known.name);
            overlay.lay_over(&known.name, &mut orders);
        }
        roster.kept = kept;
        (roster, orders)
    }

    /// What is to be kept over a restart.
    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The owner of a backend; `None`: lb's flags, or the operator.
    pub(crate) fn owner(&self, name: &str) -> Option<&str> {
        self.owners.get(name).map(String::as_str)
    }

    /// A backend was added by an owner that declares no set here.
    pub(crate) fn note_owner(&mut self, name: &str, owner: &str) {
        self.owners.insert(name.to_owned(), owner.to_owned());
    }

    /// What the operator says of a backend.
    pub(crate) fn overlay_view(&self, name: &str) -> Option<Overlay> {
        self.kept.overlays.find(name)
    }

    /// The sets in force, without their backends.
    pub(crate) fn sets_view(&self) -> Value {
        self.kept.sets.shown()
    }

    /// A set in force.
    pub(crate) fn set(&self, owner: &str) -> Option<&Set> {
        self.kept.sets.get(owner)
    }
}
