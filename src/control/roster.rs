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

use crate::address::{Address, BackendAddress};
use crate::config::{Host, MAX_BACKENDS, Weight};
use crate::pool::{Entrance, Hold, NewBackend};
use crate::pool::Known;
use crate::proxy::AdminCommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Time to drain for a backend that is absent from its set.
pub(crate) const SET_DRAIN: Duration = Duration::from_secs(300);
/// Bytes of the name of a backend, an owner or a fleet.
const MAX_NAME_BYTES: usize = 255;
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
    const fn takes_part(self) -> bool {
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

/// What is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The strategy the operator chose, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,
    #[serde(default)]
    pub(crate) sets: BTreeMap<String, Set>,
    #[serde(default)]
    pub(crate) overlays: BTreeMap<String, Overlay>,
}

/// What is to be done with a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Add(NewBackend),
    Command(String, AdminCommand),
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
        self.check_fence(owner, &set)?;
        let by_name: HashMap<_, _> = known.iter().map(|it| (it.name.as_str(), it)).collect();
        let addresses = self.check(owner, &set, &by_name)?;
        self.check_rest(owner, &set, known)?;
        let is_first = !self.heard.contains(owner);
        let old = self.kept.sets.get(owner);
        let old: HashMap<_, _> = old.map_or_else(HashMap::new, |old| {
            let backends = old.backends.iter();
            backends.map(|it| (it.name.clone(), it.clone())).collect()
        });
        let mut orders = Vec::new();
        for (wanted, address) in set.backends.iter().zip(addresses) {
            let overlay = self.overlay(&wanted.name);
            match by_name.get(wanted.name.as_str()) {
                Some(known) => {
                    let before = old.get(&wanted.name);
                    self::change(wanted, before, known, overlay, &mut orders);
                }
                None => add(wanted, address, is_first, overlay, &mut orders),
            }
        }
        let stays: HashSet<_> = set.backends.iter().map(|it| it.name.as_str()).collect();
        let gone = known
            .iter()
            .filter(|it| self.owner(&it.name) == Some(owner) && !stays.contains(it.name.as_str()));
        for known in gone.filter(|it| !it.is_departing) {
            let remove = AdminCommand::Remove(SET_DRAIN);
            orders.push(Order::Command(known.name.clone(), remove));
        }
        self.accept(owner, set);
        Ok(orders)
    }

    fn accept(&mut self, owner: &str, set: Set) {
        for wanted in &set.backends {
            self.owners.insert(wanted.name.clone(), owner.to_owned());
        }
        self.heard.insert(owner.to_owned());
        let set = Set {
            force: false,
            ..set
        };
        self.kept.sets.insert(owner.to_owned(), set);
    }

    fn check_fence(&self, owner: &str, set: &Set) -> Result<(), Refused> {
        let Some(old) = self.kept.sets.get(owner) else {
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

    /// Checks a set for itself and against the names that others have. Returns the addresses.
    fn check(
        &self,
        owner: &str,
        set: &Set,
        known: &HashMap<&str, &Known>,
    ) -> Result<Vec<Address>, Refused> {
        check_name("owner", owner)?;
        check_name("fleet", &set.fleet)?;
        if !self.kept.sets.contains_key(owner) && self.kept.sets.len() >= MAX_SETS {
            return Err(Refused::Invalid(format!(
                "there are {MAX_SETS} sets already"
            )));
        }
        if set.backends.len() > MAX_BACKENDS {
            let message = format!("a pool has at most {MAX_BACKENDS} backends");
            return Err(Refused::Invalid(message));
        }
        let mut names = HashSet::new();
        let mut addresses = Vec::with_capacity(set.backends.len());
        for wanted in &set.backends {
            check_name("backend", &wanted.name)?;
            let invalid = |what: String| Refused::Invalid(format!("{}: {what}", wanted.name));
            if !names.insert(wanted.name.as_str()) {
                return Err(invalid("the set has this name twice".to_owned()));
            }
            check_weight(wanted.weight).map_err(invalid)?;
            let address = parse_address(&wanted.address).map_err(invalid)?;
            if let Some(known) = known.get(wanted.name.as_str()) {
                let holder = self.owner(&wanted.name);
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

    /// Checks that enough are left.
    fn check_rest(&self, owner: &str, set: &Set, known: &[Known]) -> Result<(), Refused> {
        let takes_part: HashMap<_, _> = set
            .backends
            .iter()
            .map(|it| (it.name.as_str(), it.admit.takes_part()))
            .collect();
        let pickable = known.iter().filter(|it| it.is_pickable);
        let (mut before, mut left) = (0, 0);
        for known in pickable {
            let is_others = self.owner(&known.name) != Some(owner);
            let stays = takes_part.get(known.name.as_str()).copied();
            before += 1;
            left += usize::from(is_others || stays.unwrap_or(false));
        }
        if set.force || left * 2 >= before {
            return Ok(());
        }
        let message = format!(
            "{left} of {before} backends that may be picked would be left; \
             set \"force\": true if that is meant"
        );
        Err(Refused::TooFew(message))
    }

    /// Removes backends that are gone from what is known of them.
    pub(crate) fn forget(&mut self, name: &str) {
        let owner = self.owners.get(name);
        let set = owner.and_then(|owner| self.kept.sets.get(owner));
        let is_wanted = set.is_some_and(|set| set.backends.iter().any(|it| it.name == name));
        if !is_wanted {
            self.owners.remove(name);
            self.kept.overlays.remove(name);
        }
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
        let mut overlay = self.overlay(name);
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
        if overlay == Overlay::default() {
            self.kept.overlays.remove(name);
        } else {
            self.kept.overlays.insert(name.to_owned(), overlay);
        }
        Ok(order)
    }

    /// The operator has chosen a strategy, as it is written.
    pub(crate) fn set_strategy(&mut self, strategy: String) {
        self.kept.strategy = Some(strategy);
    }

    /// The weight that the set of a backend gives it, when the operator takes the word back.
    pub(crate) fn weight_of_set(&self, name: &str) -> Option<u32> {
        self.wanted(name).map(|(_, wanted)| wanted.weight)
    }

    /// The operator takes back what was said of the weight of a backend.
    pub(crate) fn clear_weight(&mut self, name: &str) {
        if let Some(overlay) = self.kept.overlays.get_mut(name) {
            overlay.weight = None;
            if *overlay == Overlay::default() {
                self.kept.overlays.remove(name);
            }
        }
    }

    fn wanted(&self, name: &str) -> Option<(&str, &Wanted)> {
        let owner = self.owner(name)?;
        let set = self.kept.sets.get(owner)?;
        let wanted = set.backends.iter().find(|it| it.name == name)?;
        Some((owner, wanted))
    }

    fn overlay(&self, name: &str) -> Overlay {
        self.kept.overlays.get(name).copied().unwrap_or_default()
    }
}

/// Keeping, and showing.
impl Roster {
    /// A roster with what was kept over a restart, and what is to be done for it.
    pub(crate) fn restored(kept: Kept, known: &[Known]) -> (Self, Vec<Order>) {
        let mut roster = Self::default();
        let mut orders = Vec::new();
        let mut names: HashSet<_> = known.iter().map(|it| it.name.clone()).collect();
        for (owner, set) in &kept.sets {
            for wanted in &set.backends {
                let Ok(address) = parse_address(&wanted.address) else {
                    continue;
                };
                if !names.insert(wanted.name.clone()) {
                    continue;
                }
                let overlay = kept.overlays.get(&wanted.name).copied().unwrap_or_default();
                add(&warm(wanted), address, true, overlay, &mut orders);
                roster.owners.insert(wanted.name.clone(), owner.clone());
            }
        }
        for known in known {
            let overlay = kept.overlays.get(&known.name).copied().unwrap_or_default();
            lay_over(&known.name, overlay, &mut orders);
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
        self.kept.overlays.get(name).copied()
    }

    /// The sets in force, without their backends.
    pub(crate) fn sets_view(&self) -> Value {
        let sets = self.kept.sets.iter().map(|(owner, set)| {
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

    /// A set in force.
    pub(crate) fn set(&self, owner: &str) -> Option<&Set> {
        self.kept.sets.get(owner)
    }
}

/// As it was left: what served before a restart is known to serve.
fn warm(wanted: &Wanted) -> Wanted {
    let admit = match wanted.admit {
        Admit::Trial => Admit::Warm,
        other => other,
    };
    Wanted {
        admit,
        ..wanted.clone()
    }
}

/// Orders a backend that is new.
fn add(
    wanted: &Wanted,
    address: Address,
    may_be_warm: bool,
    overlay: Overlay,
    orders: &mut Vec<Order>,
) {
    let entrance = match wanted.admit {
        Admit::Warm if may_be_warm => Entrance::Warm,
        _ => Entrance::Trial,
    };
    orders.push(Order::Add(NewBackend {
        name: wanted.name.clone(),
        address: address.to_string(),
        addresses: vec![address],
        weight: wanted.weight,
        max_in_flight: wanted.max_in_flight.map(NonZeroU32::get),
        entrance,
    }));
    let command = |command| Order::Command(wanted.name.clone(), command);
    match wanted.admit {
        Admit::Trial | Admit::Warm => {}
        Admit::Drain => orders.push(command(AdminCommand::Drain)),
        Admit::Off => orders.push(command(AdminCommand::Disable)),
    }
    lay_over(&wanted.name, overlay, orders);
}

fn lay_over(name: &str, overlay: Overlay, orders: &mut Vec<Order>) {
    let command = |command| Order::Command(name.to_owned(), command);
    match overlay.admit {
        Some(Admit::Drain) => orders.push(command(AdminCommand::Drain)),
        Some(Admit::Off) => orders.push(command(AdminCommand::Disable)),
        Some(Admit::Trial | Admit::Warm) | None => {}
    }
    if let Some(weight) = overlay.weight {
        orders.push(command(AdminCommand::Weight(weight)));
    }
    if overlay.max_in_flight.is_some() {
        let limit = AdminCommand::MaxConnections(overlay.max_in_flight);
        orders.push(command(limit));
    }
    if overlay.health.is_some() {
        orders.push(command(AdminCommand::Hold(overlay.health)));
    }
}

/// Orders what has changed for a backend that is there. `before`: as its set had it last.
fn change(
    wanted: &Wanted,
    before: Option<&Wanted>,
    known: &Known,
    overlay: Overlay,
    orders: &mut Vec<Order>,
) {
    let mut order = |command| orders.push(Order::Command(wanted.name.clone(), command));
    let is_back = before.is_none() || known.is_departing;
    let was = before.map(|it| it.admit);
    if known.is_departing {
        // Whatever follows: it is not removed.
        order(AdminCommand::Enable);
    }
    match (wanted.admit, overlay.admit) {
        (_, Some(Admit::Drain)) if is_back => order(AdminCommand::Drain),
        (_, Some(Admit::Off)) if is_back => order(AdminCommand::Disable),
        (_, Some(_)) => {}
        (Admit::Drain, None) if is_back || was != Some(Admit::Drain) => {
            order(AdminCommand::Drain);
        }
        (Admit::Off, None) if is_back || was != Some(Admit::Off) => order(AdminCommand::Disable),
        (Admit::Trial | Admit::Warm, None) if was.is_some_and(|was| !was.takes_part()) => {
            order(AdminCommand::Enable);
        }
        (Admit::Trial | Admit::Warm | Admit::Drain | Admit::Off, None) => {}
    }
    if overlay.weight.is_none() && before.is_none_or(|it| it.weight != wanted.weight) {
        order(AdminCommand::Weight(wanted.weight));
    }
    if overlay.max_in_flight.is_none()
        && before.is_none_or(|it| it.max_in_flight != wanted.max_in_flight)
    {
        order(AdminCommand::MaxConnections(wanted.max_in_flight));
    }
}

fn check_name(what: &str, name: &str) -> Result<(), Refused> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let message = format!(
            "{what} {name:?}: a name has 1 to {MAX_NAME_BYTES} bytes and no control characters"
        );
        return Err(Refused::Invalid(message));
    }
    Ok(())
}

/// Checks a weight.
///
/// # Errors
/// It is not from 1 to 256.
pub(crate) fn check_weight(weight: u32) -> Result<(), String> {
    match weight {
        1..=256 => Ok(()),
        _ => Err(format!(
            "a weight is from 1 to {}, not {weight}",
            Weight::MAX
        )),
    }
}

/// Checks the name of a backend.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub(crate) fn check_backend_name(name: &str) -> Result<(), Refused> {
    check_name("backend", name)
}

/// The address of a backend: of IP and port, or a UNIX socket. Names are not resolved here, because
/// that would hold up the loop.
///
/// # Errors
/// It is none.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address::Tcp(address));
    }
    match text.parse::<BackendAddress>() {
        Ok(BackendAddress::Unix(path)) => Ok(Address::Unix(path)),
        Ok(BackendAddress::Tcp(at)) => match at.host() {
            Host::Ip(ip) => Ok(Address::Tcp(SocketAddr::new(*ip, at.port()))),
            Host::Name(name) => Err(format!(
                "{name} is a name, which is not resolved here; give an IP address and a port"
            )),
        },
        Err(error) => Err(error.to_string()),
    }
}
