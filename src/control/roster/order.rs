//! What is to be done with backends so that they are as a set and the operator want them.

use super::overlay::Overlay;
use super::set::{Admit, Wanted};
use crate::address::Address;
use crate::pool::{Entrance, Known, NewBackend};
use crate::proxy::AdminCommand;
use std::num::NonZeroU32;

/// What is to be done with a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Add(NewBackend),
    Command(String, AdminCommand),
}

/// Orders a backend that is new.
pub(super) fn add(
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
    overlay.lay_over(&wanted.name, orders);
}

/// Orders what has changed for a backend that is there. `before`: as its set had it last.
pub(super) fn change(
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
