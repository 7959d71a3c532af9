//! The roster by itself: sets, what the operator says, and what is kept.

use super::*;
use crate::control::state;
use crate::pool::Entrance;

fn wanted(name: &str, admit: Admit) -> Wanted {
    Wanted {
        name: name.to_owned(),
        address: "127.0.0.1:9".to_owned(),
        weight: 1,
        max_in_flight: None,
        admit,
    }
}

fn set(revision: u64, backends: &[Wanted]) -> Set {
    Set {
        fleet: "f".to_owned(),
        term: 1,
        revision,
        force: false,
        backends: backends.to_vec(),
    }
}

fn known(name: &str) -> Known {
    Known {
        name: name.to_owned(),
        address: "127.0.0.1:9".to_owned(),
        is_pickable: true,
        is_departing: false,
    }
}

fn command(name: &str, command: AdminCommand) -> Order {
    Order::Command(name.to_owned(), command)
}

fn entrances(orders: &[Order]) -> Vec<(&str, Entrance)> {
    let added = orders.iter().filter_map(|order| match order {
        Order::Add(backend) => Some((backend.name.as_str(), backend.entrance)),
        Order::Command(..) => None,
    });
    added.collect()
}

#[test]
fn warm_holds_in_the_first_set_alone() {
    let mut roster = Roster::default();
    let orders = roster
        .put("o", set(1, &[wanted("a", Admit::Warm)]), &[])
        .unwrap();
    assert_eq!(entrances(&orders), [("a", Entrance::Warm)]);
    let both = [wanted("a", Admit::Warm), wanted("b", Admit::Warm)];
    let orders = roster.put("o", set(2, &both), &[known("a")]).unwrap();
    assert_eq!(entrances(&orders), [("b", Entrance::Trial)]);
    assert_eq!(orders.len(), 1, "what is as it was is left alone");
}

#[test]
fn each_word_of_a_set_is_followed_once() {
    use Admit::{Drain, Off, Trial};
    let mut roster = Roster::default();
    roster.put("o", set(1, &[wanted("a", Trial)]), &[]).unwrap();
    let at = known("a");
    let mut put = |revision, admit, known: Known| {
        let set = Set {
            force: true,
            ..set(revision, &[wanted("a", admit)])
        };
        roster.put("o", set, &[known]).unwrap()
    };
    assert_eq!(
        put(2, Drain, at.clone()),
        [command("a", AdminCommand::Drain)]
    );
    assert_eq!(put(3, Drain, at.clone()), []);
    assert_eq!(
        put(4, Off, at.clone()),
        [command("a", AdminCommand::Disable)]
    );
    assert_eq!(
        put(5, Trial, at.clone()),
        [command("a", AdminCommand::Enable)]
    );
    let leaving = Known {
        is_departing: true,
        ..at
    };
    let back = put(6, Trial, leaving.clone());
    assert_eq!(back, [command("a", AdminCommand::Enable)], "it does not go");
    let out = [
        command("a", AdminCommand::Enable),
        command("a", AdminCommand::Drain),
    ];
    assert_eq!(put(7, Drain, leaving), out);
}

#[test]
fn a_set_touches_nothing_of_others() {
    let mut roster = Roster::default();
    let flags = known("flags");
    let taken = roster.put(
        "o",
        set(1, &[wanted("flags", Admit::Trial)]),
        std::slice::from_ref(&flags),
    );
    let words = "flags: a backend of lb's flags or the operator has this name";
    assert_eq!(taken, Err(Refused::Invalid(words.to_owned())));
    roster
        .put(
            "o",
            set(1, &[wanted("a", Admit::Trial)]),
            std::slice::from_ref(&flags),
        )
        .unwrap();
    let all = [flags, known("a")];
    roster
        .put("p", set(1, &[wanted("b", Admit::Trial)]), &all)
        .unwrap();
    let emptied = roster.put(
        "p",
        set(2, &[]),
        &[all[0].clone(), all[1].clone(), known("b")],
    );
    let remove = AdminCommand::Remove(SET_DRAIN);
    assert_eq!(emptied, Ok(vec![command("b", remove)]));
}

#[test]
fn less_than_half_is_too_few() {
    let mut roster = Roster::default();
    let all = ["a", "b", "c", "d"].map(|name| wanted(name, Admit::Trial));
    roster.put("o", set(1, &all), &[]).unwrap();
    let there: Vec<_> = ["a", "b", "c", "d"].into_iter().map(known).collect();
    assert!(roster.clone().put("o", set(2, &all[..2]), &there).is_ok());
    let few = roster.clone().put("o", set(2, &all[..1]), &there);
    assert!(matches!(few, Err(Refused::TooFew(_))), "{few:?}");
    let forced = Set {
        force: true,
        ..set(2, &all[..1])
    };
    assert_eq!(
        roster.put("o", forced, &there).map(|orders| orders.len()),
        Ok(3)
    );
}

#[test]
fn what_is_kept_comes_back() {
    let mut roster = Roster::default();
    let backends = [
        wanted("a", Admit::Trial),
        wanted("b", Admit::Drain),
        wanted("c", Admit::Warm),
    ];
    roster.put("o", set(7, &backends), &[]).unwrap();
    roster.command("a", AdminCommand::Disable).unwrap();
    roster.command("c", AdminCommand::Weight(9)).unwrap();
    let pools = state::Pools::from([("web".to_owned(), roster.kept().clone())]);
    let mut pools = state::read(&state::write(pools)).unwrap();
    let kept = pools.remove("web").unwrap();
    assert_eq!(&kept, roster.kept());
    let (again, orders) = Roster::restored(kept, &[]);
    assert_eq!(again.kept(), roster.kept());
    let trials = [
        ("a", Entrance::Warm),
        ("b", Entrance::Trial),
        ("c", Entrance::Warm),
    ];
    assert_eq!(entrances(&orders), trials, "what served is known to serve");
    assert!(orders.contains(&command("a", AdminCommand::Disable)));
    assert!(orders.contains(&command("b", AdminCommand::Drain)));
    assert!(orders.contains(&command("c", AdminCommand::Weight(9))));
    assert_eq!(again.owner("a"), Some("o"));
    assert_eq!(state::read(b" \n"), Ok(state::Pools::new()));
    assert!(state::read(b"[]").is_err());
    roster.set_strategy("random".to_owned());
    assert_eq!(roster.kept().strategy.as_deref(), Some("random"));
    roster.clear_strategy();
    assert_eq!(roster.kept().strategy, None, "a reload has brought another");
    let later = br#"{"version": 2, "pools": {}}"#;
    assert_eq!(
        state::read(later),
        Err("it is of version 2, and this lb reads 1".to_owned())
    );
}

#[test]
fn the_operators_word_is_kept_until_it_is_taken_back() {
    let mut roster = Roster::default();
    roster
        .put("o", set(1, &[wanted("a", Admit::Drain)]), &[])
        .unwrap();
    let enable = roster.command("a", AdminCommand::Enable);
    assert_eq!(
        enable,
        Err(Refused::OfSet("the set of o says drain of a".to_owned()))
    );
    roster.command("a", AdminCommand::Disable).unwrap();
    roster.command("a", AdminCommand::Weight(3)).unwrap();
    let overlay = Overlay {
        admit: Some(Admit::Off),
        weight: Some(3),
        max_in_flight: None,
        health: None,
    };
    assert_eq!(roster.overlay_view("a"), Some(overlay));
    let orders = roster.put("o", set(2, &[wanted("a", Admit::Trial)]), &[known("a")]);
    assert_eq!(orders, Ok(vec![]), "it is not fought");
    assert_eq!(
        roster.command("a", AdminCommand::Enable),
        Ok(AdminCommand::Enable)
    );
    roster.clear_weight("a");
    assert_eq!(roster.overlay_view("a"), None);
}
