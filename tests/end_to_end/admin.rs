//! The admin interface: what it shows, what it changes, whom it refuses.

use crate::support::{Admin, Backend, Client, Lb, until};
use serde_json::json;
use std::net::SocketAddr;

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

fn start(backends: &[SocketAddr], args: &[&str]) -> (Lb, Admin) {
    let lb = Lb::start(backends, &[&ADMIN, args].concat());
    let admin = Admin::of(&lb);
    (lb, admin)
}

#[test]
fn a_pool_is_shown_whole() {
    let backend = Backend::echo();
    for workers in ["1", "4"] {
        let (lb, admin) = start(&[backend.address], &["--workers", workers]);
        for _ in 0..20 {
            lb.assert_serves();
        }
        let name = backend.address.to_string();
        until("all are counted", || {
            admin.backend(&name)["responses"]["2xx"] == 20
        });
        let pool = admin.pool();
        assert_eq!(pool["name"], "default");
        assert_eq!(pool["strategy"], "least-rt");
        assert_eq!((&pool["arrivals"], &pool["shed"]), (&json!(20), &json!(0)));
        assert_eq!(pool["queue_length"], 0);
        assert_eq!(pool["boot_id"].as_str().unwrap().len(), 32);
        let backend = admin.backend(&name);
        assert_eq!(backend["address"], json!(name));
        assert_eq!(backend["state"], "healthy");
        assert_eq!(backend["cause"], "it responded");
        assert_eq!(
            (&backend["in_flight"], &backend["tunnels"]),
            (&json!(0), &json!(0))
        );
        for number in ["response_seconds", "busy_seconds", "since"] {
            assert!(
                backend[number].as_f64().unwrap() > 0.0,
                "{number}: {backend}"
            );
        }
        let busy = backend["busy_seconds"].as_f64().unwrap();
        assert!(busy < 20.0 * 20.0, "{busy}");
        let all = admin.get("/v1/pools").body;
        assert_eq!(all["pools"][0]["states"]["healthy"], 1);
        assert_eq!(all["boot_id"], pool["boot_id"]);
    }
}

#[test]
fn what_is_under_way_is_shown() {
    let hanging = Backend::start(|mut wire, _| {
        wire.read_request();
        let _ = wire.read_to_end();
    });
    let args = ["--backend-max-connections", "1", "--workers", "2"];
    let (lb, admin) = start(&[hanging.address], &args);
    let mut clients: Vec<_> = (0..3).map(|_| lb.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("one is in flight and two wait", || {
        let pool = admin.pool();
        pool["queue_length"] == 2 && pool["backends"][0]["in_flight"] == 1
    });
    let pool = admin.pool();
    assert_eq!(
        (&pool["arrivals"], &pool["in_flight"]),
        (&json!(3), &json!(3))
    );
    assert!(pool["oldest_wait_seconds"].as_f64().unwrap() >= 0.0);
    until("it is busy", || {
        admin.pool()["backends"][0]["busy_seconds"]
            .as_f64()
            .unwrap()
            > 0.01
    });
}

#[test]
fn the_operator_adds_changes_and_removes() {
    let (first, second) = (Backend::echo(), Backend::echo());
    let (lb, admin) = start(&[first.address], &[]);
    let body = json!({"name": "two", "address": second.address.to_string(), "admit": "warm"});
    let added = admin.post("/v1/pools/default/backends", &body.to_string());
    assert_eq!((added.status, &added.body["name"]), (201, &json!("two")));
    let twice = admin.post("/v1/pools/default/backends", &body.to_string());
    assert_eq!(twice.status, 409, "{twice:?}");
    let two = "/v1/pools/default/backends/two";
    let weight = admin.put(&format!("{two}/weight"), r#"{"weight": 7}"#);
    assert_eq!(
        (weight.status, &weight.body["state"]),
        (200, &json!("initial"))
    );
    let max = admin.put(&format!("{two}/max_in_flight"), r#"{"max_in_flight": 3}"#);
    assert_eq!(max.status, 200, "{max:?}");
    let backend = admin.backend("two");
    assert_eq!(
        (&backend["weight"], &backend["max_in_flight"]),
        (&json!(7), &json!(3))
    );
    for (verb, state) in [
        ("drain", "disabled"),
        ("undrain", "probation"),
        ("disable", "disabled"),
        ("enable", "probation"),
    ] {
        let said = admin.post(&format!("{two}/{verb}"), "");
        assert_eq!(
            (said.status, &said.body["state"]),
            (200, &json!(state)),
            "{verb}"
        );
    }
    // Its name has a colon, which a path may have as it is or encoded.
    let first_path = format!(
        "/v1/pools/default/backends/127.0.0.1%3A{}",
        first.address.port()
    );
    assert_eq!(admin.delete(&format!("{first_path}?drain=1.5")).status, 202);
    until("it is gone", || {
        admin.backend(&first.address.to_string()).is_null()
    });
    lb.assert_serves();
    assert_eq!(admin.backend("two")["responses"]["2xx"], 1);
    assert_eq!(admin.delete(two).status, 202);
    until("all are gone", || admin.pool()["backends"] == json!([]));
    assert_eq!(admin.get("/readyz").status, 503);
    assert_eq!(admin.get("/healthz").status, 200);
}

#[test]
fn what_is_wrong_is_said() {
    let backend = Backend::echo();
    let (lb, admin) = start(&[backend.address], &[]);
    let backends = "/v1/pools/default/backends";
    let nobody = format!("{backends}/nobody/drain");
    let weight = format!("{backends}/{}/weight", backend.address);
    let own = json!({"address": lb.address.to_string()}).to_string();
    let itself = json!({"address": admin.0.to_string()}).to_string();
    for (method, path, body, status, words) in [
        ("GET", "/nowhere", "", 404, "there is nothing at this path"),
        ("GET", "/v1/pools/other", "", 404, "there is no pool other"),
        ("POST", "/v1/pools", "", 405, "this path takes GET"),
        (
            "POST",
            nobody.as_str(),
            "",
            404,
            "there is no backend nobody",
        ),
        (
            "POST",
            backends,
            "{",
            400,
            "the body is not as it should be",
        ),
        (
            "POST",
            backends,
            r#"{"address": "a.example:1"}"#,
            400,
            "a.example is a name",
        ),
        (
            "POST",
            backends,
            r#"{"address": "127.0.0.1"}"#,
            400,
            "the port is missing",
        ),
        (
            "POST",
            backends,
            r#"{"adress": "127.0.0.1:1"}"#,
            400,
            "unknown field `adress`",
        ),
        (
            "POST",
            backends,
            own.as_str(),
            409,
            "lb itself listens there",
        ),
        (
            "POST",
            backends,
            itself.as_str(),
            409,
            "lb itself listens there",
        ),
        (
            "PUT",
            weight.as_str(),
            r#"{"weight": 0}"#,
            400,
            "a weight is from 1 to 256, not 0",
        ),
        (
            "PUT",
            weight.as_str(),
            r#"{"weight": null}"#,
            400,
            "is of no set, whose weight it could have again",
        ),
        (
            "GET",
            "/v1/pools/default/sets/x",
            "",
            404,
            "x has declared no set",
        ),
    ] {
        let said = admin.ask(method, path, "", body);
        assert_eq!(said.status, status, "{method} {path} {body}: {said:?}");
        assert!(
            said.message().contains(words),
            "{method} {path} {body}: {said:?}"
        );
    }
}

#[test]
fn strangers_and_pages_of_others_are_refused() {
    let backend = Backend::echo();
    let (_lb, admin) = start(&[backend.address], &[]);
    let port = admin.0.port();
    let status = |lines: &str| admin.ask("GET", "/v1/pools", lines, "").status;
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "LocalHost:9",
        "10.1.2.3:80",
    ] {
        assert_eq!(status(&format!("Host: {host}\r\n")), 200, "{host}");
    }
    assert_eq!(status("Host: rebound.example\r\n"), 403);
    assert_eq!(status("Origin: http://evil.example\r\n"), 403);
    assert_eq!(status("Sec-Fetch-Site: cross-site\r\n"), 403);
    let own = format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n");
    assert_eq!(status(&own), 200);
    let form = "Content-Type: text/plain\r\n";
    let posted = admin.ask("POST", "/v1/pools/default/backends", form, "{}");
    assert_eq!(posted.status, 415);
}

#[test]
fn tokens_read_or_write() {
    let backend = Backend::echo();
    let path = std::env::temp_dir().join(format!("lb-tokens-{}", std::process::id()));
    std::fs::write(
        &path,
        "# people\nwrite-token-of-16-bytes\nread read-token-of-16-bytes\n",
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let (_lb, admin) = start(&[backend.address], &["--admin-token-file", file]);
    let drain = format!("/v1/pools/default/backends/{}/drain", backend.address);
    let with = |method: &str, path: &str, token: &str| {
        let lines = format!("Authorization: Bearer {token}\r\nHost: any.example\r\n");
        admin.ask(method, path, &lines, "").status
    };
    assert_eq!(admin.get("/v1/pools").status, 401);
    assert_eq!(with("GET", "/v1/pools", "guessed-token-of-16"), 401);
    assert_eq!(with("GET", "/v1/pools", "read-token-of-16-bytes"), 200);
    assert_eq!(with("POST", &drain, "read-token-of-16-bytes"), 403);
    assert_eq!(with("POST", &drain, "write-token-of-16-bytes"), 200);
    assert_eq!(admin.get("/healthz").status, 200, "a probe has no token");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn it_does_not_listen_beyond_this_machine_without_tokens() {
    let refused = Lb::run(&["--backends", "1", "--admin", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("--admin '0.0.0.0:0': other machines can reach it, and it asks for no token"),
        "{said}"
    );
    let alone = Lb::run(&["--admin-token-file", "x", "--backends", "1"]);
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn metrics_are_open_metrics() {
    let backend = Backend::echo();
    let (lb, admin) = start(&[backend.address], &["--workers", "2"]);
    for _ in 0..3 {
        lb.assert_serves();
    }
    let text = || admin.get("/metrics").body.as_str().unwrap().to_owned();
    let of_backend = format!("{{pool=\"default\",backend=\"{}\"}}", backend.address);
    until("they are counted", || {
        text().contains(&format!("lb_backend_picks_total{of_backend} 3.0\n"))
    });
    let text = text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        "# TYPE lb_exchanges counter",
        "# UNIT lb_uptime_seconds seconds",
        "lb_exchanges_total 3.0",
        "lb_responses_total{class=\"2xx\"} 3.0",
        &format!("lb_backend_in_flight{of_backend} 0.0"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    let mut names: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a metric is described once");
}

#[test]
fn events_are_followed_and_taken_up_again() {
    let backend = Backend::echo();
    let (_lb, admin) = start(&[backend.address], &[]);
    let follow = |lines: &str| {
        let mut client = Client::connect(admin.0);
        client.send(format!(
            "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
        ));
        let head = client.read_through(b"\r\n\r\n").unwrap();
        assert!(String::from_utf8_lossy(&head).contains("text/event-stream"));
        client.read_through(b"\n\n").unwrap();
        client
    };
    let next = |client: &mut Client| {
        let event = client.read_through(b"\n\n").unwrap();
        String::from_utf8(event).unwrap()
    };
    let mut first = follow("");
    let path = format!("/v1/pools/default/backends/{}", backend.address);
    assert_eq!(admin.post(&format!("{path}/disable"), "").status, 200);
    let done = next(&mut first);
    assert!(done.starts_with("id: 1\ndata: {"), "{done}");
    assert!(
        done.contains(r#""who":"admin""#) && done.contains(r#""what":"disable""#),
        "{done}"
    );
    let changed = next(&mut first);
    assert!(changed.contains(r#""to":"disabled""#), "{changed}");
    assert_eq!(admin.post(&format!("{path}/enable"), "").status, 200);
    let mut again = follow("Last-Event-ID: 1\r\n");
    assert_eq!(next(&mut again), changed);
    assert!(next(&mut again).contains(r#""what":"enable""#));
    assert_eq!(admin.pool()["seq"], 4);
}

#[test]
fn clients_that_stall_or_flood_cost_traffic_nothing() {
    let backend = Backend::echo();
    let (lb, admin) = start(&[backend.address], &[]);
    let before = lb.usage().open_fds();
    // Nothing, a part of a request, streams that are never read, and many requests at once.
    let mut stalled: Vec<_> = (0..200).map(|_| Client::connect(admin.0)).collect();
    for (nth, client) in stalled.iter_mut().enumerate() {
        let sent = match nth % 4 {
            0 => String::new(),
            1 => "GET /v1/po".to_owned(),
            2 => "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            _ => "GET /v1/pools HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50),
        };
        // One that was closed for want of room may be reset.
        let _ = client.try_send(sent.as_bytes());
    }
    for _ in 0..50 {
        lb.assert_serves();
    }
    until("their number is bounded", || {
        lb.usage().open_fds() <= before + 140
    });
    drop(stalled);
    until("all are let go", || lb.usage().open_fds() <= before + 2);
    assert_eq!(admin.get("/healthz").status, 200);
}

#[test]
fn a_part_of_a_request_costs_no_time_while_the_rest_is_awaited() {
    let backend = Backend::echo();
    let (lb, admin) = start(&[backend.address], &[]);
    let mut client = Client::connect(admin.0);
    client.send("GET /healthz HTTP/1.1\r\nHo");
    until("it rests", || lb.usage().is_at_rest());
    client.send("st: localhost\r\n\r\n");
    assert_eq!(client.receive().status, 200);
}
