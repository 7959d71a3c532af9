//! Which requests a route admits: by network, rate, number and password, through the real `lb`.

use crate::support::{Backend, Client, Gate, Lb, Site, TempFile, echo, refusal, verdict};
use std::process::Stdio;

#[test]
fn clients_are_allowed_and_denied_by_network() {
    let backend = Backend::echo();
    let trusting = "trusted-proxies = \"127.0.0.0/8\"";
    let config = |route: &str| {
        let more = "";
        let route = format!("pool = \"web\"\n{route}\n[[route]]\npool = \"web\"");
        Site::leading(backend.address, more, &route)
    };
    let site = config("deny = \"127.0.0.0/8\"");
    assert_eq!(
        verdict(&mut site.connect(), "/x", ""),
        refusal(403, "denied")
    );
    assert_eq!(site.connect().get("/y").status, 200);
    let site = config("allow = [\"10.0.0.0/8\", \"127.0.0.1/32\"]");
    assert_eq!(site.connect().get("/x").status, 200);
    // Behind a trusted proxy the client counts that it names.
    let route = "allow = \"10.0.0.0/8\"";
    let config = format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\npool = \"web\"\n{trusting}\n\
         [[route]]\npool = \"web\"\n{route}\n[pool.web]\nbackends = \"{}\"\n",
        backend.address
    );
    let file = TempFile::new("allow", &config);
    let lb = Lb::spawn(Lb::command(&[], &["--config", file.path()]).stdout(Stdio::null()));
    let mut client = lb.connect();
    let named = "X-Forwarded-For: 10.1.2.3\r\n";
    assert_eq!(client.get_with("/x", named).status, 200);
    assert_eq!(verdict(&mut client, "/x", ""), refusal(403, "denied"));
}

#[test]
fn requests_beyond_the_rate_are_told_when_to_come_again() {
    let backend = Backend::echo();
    let site = Site::new(backend.address, "", "rate-limit = \"2/h\"");
    let mut client = site.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/x").status, 200);
    }
    let limited = client.get("/x");
    assert_eq!(limited.status, 429);
    let after: u64 = limited.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=1_800).contains(&after), "{after}");
    assert_eq!(
        client.get("/y").status,
        200,
        "on the same connection, off the route"
    );
    assert_eq!(backend.times_received("GET /x "), 2);
}

#[test]
fn requests_are_counted_by_field_over_all_workers() {
    let backend = Backend::echo();
    let route = "rate-limit = \"1/h\"\nrate-limit-burst = 3\nrate-limit-by = \"header:X-Key\"";
    let site = Site::new(backend.address, "workers = 4", route);
    // Each connection may be another worker's.
    let status = |key: &str| {
        let line = format!("X-Key: {key}\r\n");
        site.connect().get_with("/x", &line).status
    };
    let count = |key: &str| (0..12).filter(|_| status(key) == 200).count();
    assert_eq!((count("a"), count("b")), (3, 3));
}

#[test]
fn a_route_has_a_limit_of_requests_at_once() {
    let gate = Gate::default();
    let backend = Backend::answering({
        let gate = gate.clone();
        move |request| {
            gate.wait();
            echo(request)
        }
    });
    let site = Site::new(backend.address, "", "max-concurrent = 1");
    let mut first = site.connect();
    first.send("GET /x/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    crate::support::until("the first is at the backend", || {
        backend.times_received("GET /x/1 ") == 1
    });
    let mut second = site.connect();
    let full = second.get("/x/2");
    assert_eq!((full.status, full.field("retry-after")), (503, Some("1")));
    assert!(full.text().contains("(route_full)"));
    gate.open();
    assert_eq!(first.receive().status, 200);
    assert_eq!(second.get("/x/3").status, 200);
    assert_eq!(second.get("/x/4").status, 200);
}

#[test]
fn slow_uploads_take_no_place_of_a_route() {
    let backend = Backend::echo();
    let site = Site::new(backend.address, "", "max-concurrent = 1");
    let half = "POST /x/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab";
    let mut slow: Vec<Client> = (0..5).map(|_| site.connect()).collect();
    for client in &mut slow {
        client.send(half);
    }
    let mut innocent = site.connect();
    crate::support::until("the uploads are held", || {
        innocent.get("/x/2").status == 200
    });
    for _ in 0..20 {
        assert_eq!(innocent.get("/x/2").status, 200);
    }
    assert_eq!(backend.times_received("POST /x/1 "), 0);
    for client in &mut slow {
        client.send("cd");
        assert_eq!(client.receive().text(), "POST /x/1");
    }
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    let gate = Gate::default();
    let backend = Backend::answering({
        let gate = gate.clone();
        move |request| {
            gate.wait();
            echo(request)
        }
    });
    let site = Site::new(backend.address, "", "max-concurrent = 1");
    let mut first = site.connect();
    first.send("GET /x/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    crate::support::until("the first is at the backend", || {
        backend.times_received("GET /x/1 ") == 1
    });
    first.into_wire().reset();
    gate.open();
    crate::support::until("there is room again", || {
        site.connect().get("/x/2").status == 200
    });
}

#[test]
fn requests_are_rejected_by_a_status_or_without_a_word() {
    let backend = Backend::echo();
    let site = Site::leading(backend.address, "", "reject = 451");
    let mut client = site.connect();
    assert_eq!(verdict(&mut client, "/x", ""), refusal(451, "rejected"));
    assert_eq!(client.get("/y").status, 200);
    let site = Site::leading(backend.address, "", "reject = \"close\"");
    let mut client = site.connect();
    client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    client.assert_closed();
    assert_eq!(site.connect().get("/y").status, 200);
}

/// A file of users with one, `ada`, whose password is `sesame`.
fn users() -> TempFile {
    // The least cost there is.
    let hash = bcrypt::hash("sesame", 4).unwrap();
    TempFile::with_end("users", "", &format!("ada:{hash}\n"))
}

#[test]
fn a_user_and_a_password_are_asked_for() {
    let backend = Backend::echo();
    let users = users();
    let route = format!(
        "basic-auth-file = \"{}\"\nbasic-auth-realm = \"office\"",
        users.path()
    );
    for workers in [1, 3] {
        let site = Site::new(backend.address, &format!("workers = {workers}"), &route);
        let mut client = site.connect();
        let refused = client.get("/x");
        assert_eq!(refused.status, 401);
        assert!(refused.text().contains("(unauthorized)"));
        let challenge = refused.field("www-authenticate");
        let expected = "Basic realm=\"office\", charset=\"UTF-8\"";
        assert_eq!(challenge, Some(expected));
        for _ in 0..3 {
            // ada:sesame and ada:wrong, on one connection and on new ones.
            let right = "Authorization: Basic YWRhOnNlc2FtZQ==\r\n";
            let wrong = "Authorization: Basic YWRhOndyb25n\r\n";
            assert_eq!(client.get_with("/x", right).text(), "GET /x");
            assert_eq!(client.get_with("/x", wrong).status, 401);
            assert_eq!(site.connect().get_with("/x", right).status, 200);
            assert_eq!(site.connect().get_with("/x", wrong).status, 401);
        }
        assert_eq!(client.get("/y").status, 200, "not of the route");
    }
}

#[test]
fn a_request_counts_once_though_it_is_judged_twice() {
    let backend = Backend::echo();
    let users = users();
    let route = format!(
        "basic-auth-file = \"{}\"\nrate-limit = \"2/h\"",
        users.path()
    );
    let site = Site::new(backend.address, "", &route);
    let right = "Authorization: Basic YWRhOnNlc2FtZQ==\r\n";
    let mut client = site.connect();
    let statuses: Vec<u16> = (0..3)
        .map(|_| client.get_with("/x", right).status)
        .collect();
    assert_eq!(statuses, [200, 200, 429]);
}

/// An `Authorization` line for ada.
fn as_ada(password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in format!("ada:{password}").as_bytes().chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for nth in 0..=three.len() {
            let digit = bits >> (18 - 6 * nth) & 63;
            encoded.push(char::from(DIGITS[digit as usize]));
        }
    }
    format!("Authorization: Basic {encoded}\r\n")
}

/// A site whose passwords take longer to verify, with 127.0.0.1 as a trusted proxy.
fn slow_site(backend: &Backend, users: &TempFile) -> Site {
    let (backend, users) = (backend.address, users.path());
    Site::of(&format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\npool = \"web\"\ntrusted-proxies = \"127.0.0.1\"\n\
         [[route]]\npath = \"/x\"\npool = \"web\"\nbasic-auth-file = \"{users}\"\n\
         [pool.web]\nbackends = [\"{backend}\"]\n"
    ))
}

fn slow_users() -> TempFile {
    let hash = bcrypt::hash("sesame", 8).unwrap();
    TempFile::with_end("users", "", &format!("ada:{hash}\n"))
}

#[test]
fn many_requests_with_one_password_are_all_served() {
    let backend = Backend::echo();
    let users = slow_users();
    let site = slow_site(&backend, &users);
    let mut clients: Vec<Client> = (0..100).map(|_| site.connect()).collect();
    for client in &mut clients {
        client.send(format!(
            "GET /x HTTP/1.1\r\nHost: x\r\n{}\r\n",
            as_ada("sesame")
        ));
    }
    for client in &mut clients {
        assert_eq!(client.receive().status, 200);
    }
}

#[test]
fn a_client_that_guesses_passwords_keeps_no_other_out() {
    let backend = Backend::echo();
    let users = slow_users();
    let site = slow_site(&backend, &users);
    let mut guessing: Vec<Client> = (0..400).map(|_| site.connect()).collect();
    for (nth, client) in guessing.iter_mut().enumerate() {
        let guess = as_ada(&format!("guess {nth}"));
        let by = "X-Forwarded-For: 203.0.113.66\r\n";
        client.send(format!("GET /x HTTP/1.1\r\nHost: x\r\n{by}{guess}\r\n"));
    }
    // Those that come last are told that there is no room.
    let mut latest = guessing.iter_mut().rev();
    assert!(latest.any(|client| client.receive().status == 503));
    for nth in 0..3 {
        let lines = format!("X-Forwarded-For: 203.0.113.{nth}\r\n{}", as_ada("sesame"));
        assert_eq!(site.connect().get_with("/x", &lines).status, 200);
    }
}

#[test]
fn requests_that_wait_for_a_verdict_are_served_in_order() {
    let backend = Backend::echo();
    let users = users();
    let route = format!("basic-auth-file = \"{}\"", users.path());
    let site = Site::new(backend.address, "", &route);
    let mut client = site.connect();
    let request = |target: &str| {
        let line = "Authorization: Basic YWRhOnNlc2FtZQ==";
        format!("POST {target} HTTP/1.1\r\nHost: x\r\n{line}\r\nContent-Length: 2\r\n\r\nab")
    };
    // The body and another request come while the first one waits.
    client.send([request("/x/1"), request("/x/2"), request("/y")].concat());
    for target in ["/x/1", "/x/2", "/y"] {
        assert_eq!(client.receive().text(), format!("POST {target}"));
    }
    // One that leaves meanwhile leaves nothing behind.
    let mut gone = site.connect();
    gone.send(request("/x/3").replace("YWRhOnNlc2FtZQ==", "YWRhOm90aGVy"));
    drop(gone);
    assert_eq!(site.connect().get("/y").status, 200);
}

#[test]
fn connections_are_led_by_the_network_of_their_client() {
    let [own, other] = ["own", "other"].map(|name| {
        Backend::start(move |mut wire, _| {
            let _ = wire.try_send(format!("{name}\n").as_bytes());
            let _ = wire.read_through(b"\n");
        })
    });
    let config = |routes: &str| {
        format!(
            "[[listener]]\nname = \"db\"\nmode = \"tcp\"\npool = \"other\"\n{routes}\n\
             [pool.own]\nbackends = \"{}\"\n[pool.other]\nbackends = \"{}\"\n",
            own.address, other.address
        )
    };
    let route = |client: &str, to: &str| {
        format!("[[route]]\nlistener = \"db\"\nclient = \"{client}\"\n{to}\n")
    };
    for (routes, expected) in [
        (route("127.0.0.0/8", "pool = \"own\""), "own\n"),
        (route("10.0.0.0/8", "pool = \"own\""), "other\n"),
        (
            route("127.0.0.0/8", "split = { own = 1, other = 0 }"),
            "own\n",
        ),
        (route("127.0.0.0/8", "reject = \"close\""), ""),
    ] {
        let file = TempFile::new("tcp", &config(&routes));
        let flags = ["--config", file.path()];
        let lb = Lb::spawn(Lb::command(&[], &flags).stdout(Stdio::null()));
        let mut client = lb.connect();
        let line = client.read_through(b"\n").unwrap_or_default();
        assert_eq!(String::from_utf8(line).unwrap(), expected, "{routes}");
    }
}
