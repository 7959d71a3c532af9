//! Sets: all the backends that one owner wants in a pool, declared whole, and their fences.

use super::Refused;
use super::syntax::{check_name, check_weight, parse_address};
use crate::address::Address;
use crate::config::MAX_BACKENDS;
use crate::pool::Known;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

/// Sets at once.
const MAX_SETS: usize = 64;

/// How a backend of a set takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Admit {
    /// By a trial exchange, then slow start.
    #[default]
    Trial,
    /// As `trial`, and with its whole share at once in the first set after a start of lb.
    Warm,
    /// It gets nothing new and finishes what it has.
    Drain,
    /// It gets nothing.
    Off,
}

impl Admit {
    pub(super) const fn takes_part(self) -> bool {
        matches!(self, Self::Trial | Self::Warm)
    }
}

/// A backend of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) address: String,
    #[serde(default = "one")]
    pub(crate) weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_in_flight: Option<NonZeroU32>,
    #[serde(default)]
    pub(crate) admit: Admit,
}

impl Wanted {
    /// As it was left: what served before a restart is known to serve.
    pub(super) fn warm(&self) -> Self {
        let admit = match self.admit {
            Admit::Trial => Admit::Warm,
            other => other,
        };
        Self {
            admit,
            ..self.clone()
        }
    }
}

const fn one() -> u32 {
    1
}

/// A set as its owner declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    pub(crate) fleet: String,
    pub(crate) term: u64,
    pub(crate) revision: u64,
    /// Whether it may leave less than half of the backends.
    #[serde(default, skip_serializing)]
    pub(crate) force: bool,
    pub(crate) backends: Vec<Wanted>,
}

impl Set {
    /// The backends, by name.
    pub(super) fn by_name(&self) -> HashMap<&str, &Wanted> {
        let backends = self.backends.iter();
        backends.map(|it| (it.name.as_str(), it)).collect()
    }

    /// Checks a set of `owner` for itself, and against the backends that others have, `holder` being
    /// the owner of one. Returns the addresses.
    fn check<'o>(
        &self,
        owner: &str,
        known: &HashMap<&str, &Known>,
        holder: impl Fn(&str) -> Option<&'o str>,
    ) -> Result<Vec<Address>, Refused> {
        check_name("fleet", &self.fleet)?;
        if self.backends.len() > MAX_BACKENDS {
            let message = format!("a pool has at most {MAX_BACKENDS} backends");
            return Err(Refused::Invalid(message));
        }
        let mut names = HashSet::new();
        let mut addresses = Vec::with_capacity(self.backends.len());
        for wanted in &self.backends {
            check_name("backend", &wanted.name)?;
            let invalid = |what: String| Refused::Invalid(format!("{}: {what}", wanted.name));
            if !names.insert(wanted.name.as_str()) {
                return Err(invalid("the set has this name twice".to_owned()));
            }
            check_weight(wanted.weight).map_err(invalid)?;
            let address = parse_address(&wanted.address).map_err(invalid)?;
            if let Some(known) = known.get(wanted.name.as_str()) {
                let holder = holder(&wanted.name);
                if holder != Some(owner) {
                    let whose = holder.unwrap_or("lb's flags or the operator");
                    return Err(invalid(format!("a backend of {whose} has this name")));
                }
                if known.address != address.to_string() {
                    let at = &known.address;
                    return Err(invalid(format!(
                        "it is at {at}; give a backend at another address another name"
                    )));
                }
            }
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// Checks that enough backends are left, `is_own` being those of the owner of the set.
    fn check_rest(&self, known: &[Known], is_own: impl Fn(&str) -> bool) -> Result<(), Refused> {
        let wanted = self.by_name();
        let (mut before, mut left) = (0, 0);
        for known in known.iter().filter(|it| it.is_pickable) {
            let name = known.name.as_str();
            let stays = wanted.get(name).is_some_and(|it| it.admit.takes_part());
            before += 1;
            left += usize::from(stays || !is_own(name));
        }
        if self.force || left * 2 >= before {
            return Ok(());
        }
        let message = format!(
            "{left} of {before} backends that may be picked would be left; \
             set \"force\": true if that is meant"
        );
        Err(Refused::TooFew(message))
    }
}

/// The sets in force, by owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sets(BTreeMap<String, Set>);

impl Sets {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Set)> {
        self.0.iter().map(|(owner, set)| (owner.as_str(), set))
    }

    /// The set of an owner.
    pub(super) fn get(&self, owner: &str) -> Option<&Set> {
        self.0.get(owner)
    }

    /// What the set of an owner says of a backend.
    pub(super) fn wanted(&self, owner: &str, name: &str) -> Option<&Wanted> {
        let set = self.0.get(owner)?;
        set.backends.iter().find(|it| it.name == name)
    }

    /// Checks whether a set of `owner` may come into force, `holder` being the owner of a backend.
    /// Returns the addresses of its backends.
    ///
    /// # Errors
    /// It is refused.
    pub(super) fn check<'o>(
        &self,
        owner: &str,
        set: &Set,
        known: &[Known],
        holder: impl Fn(&str) -> Option<&'o str>,
    ) -> Result<Vec<Address>, Refused> {
        self.check_fence(owner, set)?;
        check_name("owner", owner)?;
        if !self.0.contains_key(owner) && self.0.len() >= MAX_SETS {
            let message = format!("there are {MAX_SETS} sets already");
            return Err(Refused::Invalid(message));
        }
        let by_name = known.iter().map(|it| (it.name.as_str(), it)).collect();
        let addresses = set.check(owner, &by_name, &holder)?;
        set.check_rest(known, |name| holder(name) == Some(owner))?;
        Ok(addresses)
    }

    fn check_fence(&self, owner: &str, set: &Set) -> Result<(), Refused> {
        let Some(old) = self.0.get(owner) else {
            return Ok(());
        };
        let message = if old.fleet != set.fleet {
            format!("the sets of {owner} are of the fleet {}", old.fleet)
        } else if (set.term, set.revision) < (old.term, old.revision) {
            format!(
                "set {} of term {} is older than {} of term {}, which is in force",
                set.revision, set.term, old.revision, old.term
            )
        } else {
            return Ok(());
        };
        Err(Refused::Fenced {
            fleet: old.fleet.clone(),
            term: old.term,
            revision: old.revision,
            message,
        })
    }

    /// Puts a set into force. It was checked.
    pub(super) fn accept(&mut self, owner: &str, set: Set) {
        let set = Set {
            force: false,
            ..set
        };
        self.0.insert(owner.to_owned(), set);
    }

    /// The sets without their backends, for people.
    pub(super) fn shown(&self) -> Value {
        let sets = self.0.iter().map(|(owner, set)| {
            json!({
                "owner": owner,
                "fleet": set.fleet,
                "term": set.term,
                "revision": set.revision,
                "backends": set.backends.len(),
            })
        });
        Value::Array(sets.collect())
    }
}
