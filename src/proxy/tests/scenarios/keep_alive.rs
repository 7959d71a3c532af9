//! Connections that serve many exchanges, and their reuse.

use super::*;
use crate::proxy::Token;

#[test]
fn a_link_serves_one_client_after_another() {
    let (mut stage, _, link) = warmed_up(Stage::http(1));
    for _ in 0..3 {
        let client = stage.ask(GET);
        assert_eq!(stage.heard(link), GET);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK);
    }
    assert_eq!(stage.backend_conns().len(), 1);
}

#[test]
fn a_warm_exchange_makes_four_calls() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    let calls = stage.world.borrow().calls;
    stage.send(client, GET);
    stage.send(link, OK);
    assert_eq!(stage.world.borrow().calls - calls, 4);
}

#[test]
fn a_connection_for_one_request_makes_two_more() {
    let (mut stage, _, link) = warmed_up(Stage::http(1));
    let calls = stage.world.borrow().calls;
    let client = stage.ask(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    stage.send(link, OK);
    assert!(stage.heard(client).ends_with("ok"));
    assert_eq!(stage.fate(client), End::Finished);
    // Accepting and closing are not counted here; these are watching it, and ending it in time
    // for the response to take the end along.
    assert_eq!(stage.world.borrow().calls - calls, 4 + 2);
}

#[test]
fn clients_at_the_same_time_have_links_of_their_own() {
    let mut stage = Stage::http(1);
    let (first, second) = (stage.ask(GET), stage.ask(GET));
    let links = stage.backend_conns();
    assert_eq!(links.len(), 2);
    stage.send(links[1].0, OK.replace("ok", "2!"));
    stage.send(links[0].0, OK.replace("ok", "1!"));
    assert!(stage.heard(first).ends_with("1!"));
    assert!(stage.heard(second).ends_with("2!"));
}

#[test]
fn pipelined_requests_are_served_in_order() {
    let mut stage = Stage::http(1);
    let client = stage.ask([GET, POST, GET].concat());
    for (request, body) in [(GET, "r1"), (POST, "r2"), (GET, "r3")] {
        let link = stage.link();
        assert_eq!(stage.heard(link), request);
        stage.send(link, OK.replace("ok", body));
        assert_eq!(stage.heard(client), OK.replace("ok", body));
    }
    assert_eq!(stage.backend_conns().len(), 1);
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let mut stage = Stage::http(1);
    let client = stage.client();
    for byte in GET.bytes() {
        assert!(stage.backend_conns().is_empty());
        stage.send(client, [byte]);
    }
    let link = stage.link();
    assert_eq!(stage.heard(link), GET);
    for byte in OK.bytes() {
        stage.send(link, [byte]);
    }
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.proxy.traffic.io.buffers.lent(), 0);
}

#[test]
fn client_that_half_closes_after_its_request_gets_the_response() {
    let mut stage = Stage::http(1);
    let client = stage.client();
    stage.send_and_end(client, GET);
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn backend_connection_is_closed_on_request_and_after_unsolicited_bytes() {
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let too_much = format!("{OK}HTTP/1.1 200 OK\r\n");
    for answer in [last, &too_much] {
        let mut stage = Stage::http(1);
        let client = stage.ask(GET);
        stage.send(stage.link(), answer);
        assert_eq!(stage.heard(client), OK);
        assert!(stage.is_closed(stage.link()));
        assert!(!stage.is_closed(client));
    }
}

#[test]
fn an_idle_link_that_speaks_or_ends_is_closed() {
    let (mut stage, _, link) = warmed_up(Stage::http(1));
    stage.send(link, OK);
    assert!(stage.is_closed(link));
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    stage.end(link);
    assert!(stage.is_closed(link));
    stage.send(client, GET);
    assert_eq!(stage.backend_conns().len(), 2);
}

#[test]
fn no_more_links_are_kept_than_allowed() {
    let mut setup = Setup::new(crate::config::Mode::Http, 1);
    setup.limits.max_idle_per_backend = 1;
    let mut stage = setup.raise();
    let _clients = [stage.ask(GET), stage.ask(GET)];
    for (link, _) in stage.backend_conns() {
        stage.send(link, OK);
    }
    let closed = stage
        .backend_conns()
        .iter()
        .map(|(id, _)| stage.is_closed(*id))
        .collect::<Vec<_>>();
    assert_eq!(closed, [false, true]);
}

#[test]
fn http_1_0_client_keeps_its_connection_on_request() {
    let mut stage = Stage::http(1);
    let client = stage.ask("GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    stage.send(stage.link(), OK);
    let heard = stage.heard(client);
    assert!(heard.contains("Connection: keep-alive\r\n"), "{heard}");
    assert!(!stage.is_closed(client));

    let client = stage.ask(GET_10);
    stage.send(stage.link(), OK);
    let heard = stage.heard(client);
    assert!(heard.contains("Connection: close\r\n"), "{heard}");
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn one_record_for_each_exchange() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    stage.send(client, [GET, GET].concat());
    stage.send(link, OK);
    stage.send(link, OK);
    stage.send(client, "nonsense\r\n\r\n");
    assert_eq!(stage.log().lines().count(), 3);
    assert_eq!(stage.snapshot().totals.exchanges, 4);
}

#[test]
fn a_malformed_request_is_refused_and_its_client_seen_off() {
    let mut stage = Stage::http(1);
    let client = stage.ask("GET /a HTTP/1.1\r\nHost : x\r\n\r\n");
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 400 Bad Request");
    assert_eq!(stage.fate(client), End::Finished);
    assert!(!stage.is_closed(client), "it may still be sending");
    stage.end(client);
    assert!(stage.is_closed(client));
    assert!(stage.backend_conns().is_empty());
}

#[test]
fn post_is_not_sent_on_a_kept_connection_with_an_unread_end() {
    const POST: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let late_response = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    for unsolicited in ["", late_response] {
        let (mut stage, client, link) = warmed_up(Stage::http(1));
        {
            let mut world = stage.world.borrow_mut();
            world.wire_mut(link).deliver(unsolicited.as_bytes());
            world.wire_mut(link).end();
            world.wire_mut(client).deliver(POST.as_bytes());
        }
        // The client's event comes first.
        let mut events = stage.world.borrow_mut().poll();
        events.sort_by_key(|(token, _)| !matches!(token, Token::ClientConn(_)));
        stage.turn(events);
        stage.run();
        assert_eq!(stage.backend_conns().len(), 2, "{unsolicited:?}");
        let new = stage.link();
        assert!(stage.heard(new).ends_with("hi"));
        stage.send(new, OK);
        assert_eq!(stage.heard(client), OK);
        assert!(stage.is_closed(link));
    }
}
