//! Other settings: connections that rest take them at once, busy ones after their exchange.

use super::super::invariants;
use super::*;
use crate::http::HeadParser;
use crate::proxy::{Listener, Renewal};
use crate::telemetry::AccessLogFormat;
use std::time::Duration;

/// Goes on with listener 0 changed by `change`, or, without it, removed.
fn renew(stage: &mut Stage, change: Option<fn(&mut Listener)>) {
    let mut listener = Listener::clone(stage.proxy.listeners.get(0).unwrap());
    let renewal = Renewal {
        new_pools: Vec::new(),
        pools: Vec::new(),
        leaving: Vec::new(),
        closing: if change.is_none() {
            vec![0]
        } else {
            Vec::new()
        },
        listeners: match change {
            Some(change) => {
                change(&mut listener);
                vec![(0, listener.clone())]
            }
            None => Vec::new(),
        },
        parser: HeadParser::new(listener.limits.head()),
        request_ids: None,
        own_addresses: Vec::new(),
        access_log: AccessLogFormat::Text.into(),
    };
    let now = stage.now;
    stage.proxy.renew(renewal, now);
    stage.run();
}

fn keep_for_a_second(listener: &mut Listener) {
    listener.timeouts.keep_alive = Duration::from_secs(1);
}

#[test]
fn a_resting_connection_has_the_new_settings_at_once() {
    let (mut stage, client, _) = warmed_up(Stage::http(1));
    renew(&mut stage, Some(keep_for_a_second));
    stage.send(client, GET);
    stage.send(stage.link(), OK);
    stage.pass(Duration::from_millis(900));
    assert!(!stage.is_closed(client));
    stage.pass(Duration::from_millis(300));
    assert!(stage.is_closed(client), "the new time is over");
}

#[test]
fn a_busy_connection_has_the_new_settings_after_its_exchange() {
    let mut stage = Stage::http(1);
    let clients = [stage.ask(GET), stage.ask(GET)];
    let links = stage.backend_conns();
    for _ in 0..3 {
        renew(&mut stage, Some(keep_for_a_second));
    }
    for (client, (link, _)) in clients.into_iter().zip(links) {
        stage.send(link, OK);
        assert!(!stage.heard(client).contains("Connection: close"));
    }
    assert_eq!(
        stage.proxy.traffic.continuity,
        crate::proxy::continuity::Continuity::Unchanged,
        "nothing is looked at any more"
    );
    stage.pass(Duration::from_millis(1_200));
    assert!(clients.iter().all(|client| stage.is_closed(*client)));
    stage.stop();
    invariants::check_empty(&stage.proxy);
}

#[test]
fn connections_of_a_removed_listener_end_with_a_response_that_says_so() {
    let (mut stage, served, _) = warmed_up(Stage::http(1));
    let [busy, part] = [stage.ask(GET), stage.client()];
    let link = stage.link();
    let (head, rest) = OK.split_at(OK.len() - 1);
    let begun = stage.ask(GET);
    let begun_link = stage.link();
    stage.send(begun_link, head);
    stage.send(part, &GET[..9]);
    renew(&mut stage, None);
    // They did not know.
    stage.send(begun_link, rest);
    assert!(!stage.is_closed(begun) && !stage.is_closed(served));
    stage.send(link, OK);
    let heard = stage.heard(busy);
    assert!(heard.contains("Connection: close\r\n"), "{heard}");
    for (client, rest) in [(begun, GET), (served, POST), (part, &GET[9..])] {
        stage.heard(client);
        for (link, _) in stage.backend_conns() {
            stage.heard(link);
        }
        stage.send(client, rest);
        let links = stage.backend_conns();
        let asked = links
            .iter()
            .find(|(link, _)| !stage.heard(*link).is_empty());
        let (asked, _) = asked.expect("a request was sent on");
        stage.send(*asked, OK);
        let heard = stage.heard(client);
        assert!(heard.contains("Connection: close\r\n"), "{heard}");
        stage.end(client);
        assert!(stage.is_closed(client));
    }
}

#[test]
fn connections_of_a_removed_listener_that_rest_are_closed() {
    let (mut stage, client, _) = warmed_up(Stage::http(1));
    stage.seconds(2);
    renew(&mut stage, None);
    assert!(stage.is_closed(client));
    stage.proxy.drop_listeners(&[0]);
    assert!(stage.proxy.listeners.get(0).is_none());
    assert_eq!(
        stage.proxy.traffic.continuity,
        crate::proxy::continuity::Continuity::Unchanged
    );
}
