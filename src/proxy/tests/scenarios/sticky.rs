//! Clients that a cookie binds to a backend, and what becomes of them when it leaves.

use super::super::super::AdminCommand;
use super::super::stage::backend;
use super::*;
use crate::config::Mode;

/// A stage of so many backends, with a cookie.
fn sticky(backends: usize) -> Stage {
    let mut setup = Setup::new(Mode::Http, backends);
    setup.sticky = Some("lb");
    setup.raise()
}

fn order(stage: &mut Stage, number: usize, order: AdminCommand) {
    let name = backend(number).to_string();
    assert!(
        stage
            .proxy
            .backends()
            .execute(&name.as_str().into(), order, stage.now)
            .is_some()
    );
    stage.run();
}

/// The cookie that a response sets.
fn cookie(heard: &str) -> Option<&str> {
    let (_, rest) = heard.split_once("Set-Cookie: ")?;
    rest.split(';').next()
}

/// A request that brings a cookie back.
fn get_with(cookie: &str) -> String {
    GET.replace("Host: x\r\n", &format!("Host: x\r\nCookie: {cookie}\r\n"))
}

/// A client that is bound, the request it would repeat, and the number of its backend.
fn bound(stage: &mut Stage) -> (WireId, String, usize) {
    let client = stage.ask(GET);
    let (link, number) = *stage.backend_conns().last().unwrap();
    assert_eq!(stage.heard(link), GET);
    stage.send(link, OK);
    let heard = stage.heard(client);
    let request = get_with(cookie(&heard).expect("a cookie"));
    (client, request, number)
}

/// The link that has been sent something, and the number of its backend.
fn asked(stage: &Stage) -> (WireId, usize) {
    let links = stage.backend_conns();
    let mut asked = links
        .into_iter()
        .filter(|(link, _)| !stage.heard(*link).is_empty());
    asked.next().expect("a backend is asked")
}

#[test]
fn client_stays_with_its_backend_and_gets_one_cookie() {
    let mut stage = sticky(3);
    let (client, request, home) = bound(&mut stage);
    for _ in 0..4 {
        stage.send(client, &request);
        let (link, number) = asked(&stage);
        assert_eq!(number, home);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK);
    }
}

/// A browser whose first request is a WebSocket is bound as any other.
#[test]
fn a_client_that_begins_with_an_upgrade_gets_the_cookie() {
    const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\n\r\n";
    let upgrade = GET.replace(
        "Host: x\r\n",
        "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    );
    let mut stage = sticky(3);
    let client = stage.ask(&upgrade);
    let (link, home) = asked(&stage);
    stage.send(link, SWITCHING);
    let heard = stage.heard(client);
    assert_eq!(status(&heard), "HTTP/1.1 101 Switching Protocols");
    let cookie = cookie(&heard).expect("a cookie");
    for _ in 0..4 {
        let client = stage.ask(get_with(cookie));
        let (link, number) = asked(&stage);
        assert_eq!(number, home);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK, "it has the cookie");
    }
    let again = upgrade.replace("Host: x\r\n", &format!("Host: x\r\nCookie: {cookie}\r\n"));
    let client = stage.ask(again);
    let (link, _) = asked(&stage);
    stage.send(link, SWITCHING);
    assert_eq!(stage.heard(client), SWITCHING);
}

/// The response of a draining backend is complete and the last on its connection, in every
/// framing and every client version; the next request is bound elsewhere.
#[test]
fn client_bound_to_a_draining_backend_is_released() {
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for leave in [AdminCommand::Drain, AdminCommand::Disable] {
        for answer in [OK, CHUNKED] {
            for version in ["HTTP/1.1", "HTTP/1.0"] {
                let mut stage = sticky(2);
                let (_, request, home) = bound(&mut stage);
                let keep = format!("{version}\r\nConnection: keep-alive");
                let client = stage.ask(request.replace("HTTP/1.1", &keep));
                let (link, number) = asked(&stage);
                assert_eq!(number, home);
                order(&mut stage, home, leave);
                stage.send(link, answer);
                let heard = stage.heard(client);
                assert!(heard.contains("\r\nConnection: close\r\n"), "{heard}");
                assert_eq!(cookie(&heard), None, "{heard}");
                let body = match (answer, version) {
                    (CHUNKED, "HTTP/1.1") => "\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                    _ => "\r\n\r\nok",
                };
                assert!(heard.ends_with(body), "{heard}");
                assert_eq!(stage.fate(client), End::Finished);
                assert!(stage.is_closed(link), "the backend finishes");

                let again = stage.ask(&request);
                let (link, number) = asked(&stage);
                assert_ne!(number, home);
                stage.send(link, OK);
                let heard = stage.heard(again);
                let other = get_with(cookie(&heard).expect("a new binding"));
                assert_ne!(other, request);
                assert!(!heard.contains("Connection:"), "{heard}");
            }
        }
    }
}

/// Its cookie is to a backend that is gone already when it asks.
#[test]
fn a_client_that_comes_back_late_keeps_its_connection_and_gets_another_backend() {
    let mut stage = sticky(2);
    let (client, request, home) = bound(&mut stage);
    order(&mut stage, home, AdminCommand::Drain);
    stage.send(client, &request);
    let (link, number) = asked(&stage);
    assert_ne!(number, home);
    stage.send(link, OK);
    let heard = stage.heard(client);
    assert!(!heard.contains("Connection:"), "{heard}");
    let moved = get_with(cookie(&heard).expect("a new binding"));

    // Taken back, the old one does not take it back.
    order(&mut stage, home, AdminCommand::Enable);
    stage.send(client, &moved);
    assert_eq!(asked(&stage).1, number);
}

#[test]
fn no_client_is_bound_to_a_draining_backend() {
    let mut stage = sticky(2);
    let client = stage.ask(GET);
    let (link, number) = asked(&stage);
    order(&mut stage, number, AdminCommand::Drain);
    stage.send(link, OK);
    assert_eq!(
        stage.heard(client),
        OK,
        "no cookie, and the connection goes on"
    );
    assert_eq!(stage.fate(client), End::Open);
    stage.send(client, GET);
    let (link, other) = asked(&stage);
    assert_ne!(other, number);
    stage.send(link, OK);
    assert!(cookie(&stage.heard(client)).is_some());
}

#[test]
fn unbound_client_stays_connected_while_a_backend_drains() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    let (link, number) = asked(&stage);
    order(&mut stage, number, AdminCommand::Drain);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.fate(client), End::Open);
}

/// Both follow one reading of the PROXY header and the fields.
#[test]
fn backend_and_cookie_are_told_the_same_scheme() {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\
        \xc0\0\x02\x07\xc6\x33\x64\x09\xc8\x7c\0\x50";
    for (flags, fields, proto) in [
        (1, "", "https"),
        (0, "", "http"),
        (1, "X-Forwarded-Proto: http\r\n", "http"),
        (0, "X-Forwarded-Proto: https\r\n", "https"),
        (1, "Forwarded: for=203.0.113.9;proto=http\r\n", "http"),
        (0, "Forwarded: for=203.0.113.9;proto=https\r\n", "https"),
        (1, "Forwarded: for=203.0.113.9\r\n", "https"),
    ] {
        let mut setup = Setup::new(crate::config::Mode::Http, 2);
        setup.sticky = Some("lb");
        setup.accepts_proxy = true;
        setup.forward = crate::http::ForwardOptions::default();
        setup.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
        let mut stage = setup.raise();
        let header = [V2, &[0x20, 0, 5, flags, 0, 0, 0, 0]].concat();
        let request = format!("GET /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let client = stage.ask([&header[..], request.as_bytes()].concat());
        let link = stage.link();
        let asked = stage.heard(link);
        let line = format!("X-Forwarded-Proto: {proto}\r\n");
        assert!(asked.contains(&line), "{flags} {fields}: {asked}");
        assert_eq!(asked.matches("X-Forwarded-Proto").count(), 1, "{asked}");
        stage.send(link, OK);
        let heard = stage.heard(client);
        assert_eq!(
            heard.contains("; Secure"),
            proto == "https",
            "{fields}: {heard}"
        );
    }
}

#[test]
fn the_cookie_of_a_client_that_came_by_https_is_secure() {
    for (fields, trusts, is_secure) in [
        ("", true, false),
        ("X-Forwarded-Proto: https\r\n", true, true),
        ("X-Forwarded-Proto: HTTPS, http\r\n", true, true),
        ("X-Forwarded-Proto: http\r\n", true, false),
        ("Forwarded: for=192.0.2.7; proto=\"https\"\r\n", true, true),
        (
            "X-Forwarded-Proto: http\r\nForwarded: proto=https\r\n",
            true,
            false,
        ),
        // Of a proxy that is not trusted only its address is known.
        (
            "Forwarded: for=192.0.2.9;proto=https, for=203.0.113.9;proto=http\r\n",
            true,
            false,
        ),
        // Anyone can say so.
        ("X-Forwarded-Proto: https\r\n", false, false),
    ] {
        let mut setup = Setup::new(crate::config::Mode::Http, 2);
        setup.sticky = Some("lb");
        if trusts {
            setup.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
        }
        let mut stage = setup.raise();
        let client = stage.ask(format!("GET /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
        stage.send(stage.link(), OK);
        let heard = stage.heard(client);
        assert!(heard.contains("Set-Cookie: lb="), "{heard}");
        assert_eq!(heard.contains("; Secure"), is_secure, "{fields}: {heard}");
    }
}
