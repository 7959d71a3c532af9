//! The dashboard: its files, the figures it is fed, and what it asks and changes.

use crate::support::message::Response;
use crate::support::{Admin, Backend, Client, Lb, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn start(backends: &[SocketAddr], args: &[&str]) -> (Lb, Admin) {
    let lb = Lb::start(backends, &[&["--admin", "127.0.0.1:0"], args].concat());
    let admin = Admin::of(&lb);
    (lb, admin)
}

/// Asks for a path as a browser does.
fn browse(admin: Admin, path: &str, lines: &str) -> Response {
    let mut client = Client::connect(admin.0);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*;q=0.8\r\n{lines}\r\n"
    ));
    client.receive()
}

/// A stream of events, cut into pairs of a name and its data.
struct Stream(Client);

impl Stream {
    fn open(admin: Admin, path: &str) -> Self {
        let mut client = Client::connect(admin.0);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.read_through(b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(head.contains("text/event-stream"), "{head}");
        client.read_through(b"\n\n").unwrap();
        Self(client)
    }

    fn next(&mut self) -> (String, Value) {
        let event = self.0.read_through(b"\n\n").unwrap();
        let event = String::from_utf8(event).unwrap();
        let line = |field: &str| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix(field).map(str::to_owned))
        };
        let data = line("data: ").expect("data");
        let name = line("event: ").unwrap_or_default();
        (name, serde_json::from_str(&data).expect("JSON"))
    }

    /// The next event of this name for which `is_it` holds.
    fn find(&mut self, name: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let (event, data) = self.next();
            if event == name && is_it(&data) {
                return data;
            }
        }
    }
}

#[test]
fn files_need_no_token_and_figures_do() {
    let backend = Backend::echo();
    let path = std::env::temp_dir().join(format!("lb-page-tokens-{}", std::process::id()));
    std::fs::write(&path, "write-token-of-16-bytes\n").unwrap();
    let (_lb, admin) = start(
        &[backend.address],
        &["--admin-token-file", path.to_str().unwrap()],
    );
    for (file, kind) in [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/app.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        // A link on a page of another site may lead here.
        let sent = browse(admin, file, "Sec-Fetch-Site: cross-site\r\n");
        assert_eq!(sent.status, 200, "{file}: {sent:?}");
        assert!(sent.field("content-type").unwrap().starts_with(kind));
        let policy = sent.field("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!sent.message.body.is_empty());
        let tag = sent.field("etag").unwrap();
        let again = browse(admin, file, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.message.body.len()), (304, 0), "{file}");
    }
    for data in ["/v1/pools", "/v1/live", "/v1/pools/default/explain"] {
        assert_eq!(browse(admin, data, "").status, 401, "{data}");
    }
    assert_eq!(admin.get("/").status, 401, "a program gets the index");
    assert_eq!(admin.ask("POST", "/app.js", "", "").status, 401);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn figures_come_whole_and_then_as_they_change() {
    let (first, second) = (Backend::echo(), Backend::echo());
    for workers in ["1", "4"] {
        let backends = [first.address, second.address];
        let args = ["--workers", workers, "--strategy", "round-robin"];
        let (lb, admin) = start(&backends, &args);
        let mut stream = Stream::open(admin, "/v1/live?after=0");
        let whole = stream.find("pools", |_| true);
        assert_eq!(whole["whole"], true);
        assert_eq!(whole["workers"].to_string(), workers);
        assert_eq!(whole["pools"][0]["strategy"], "round-robin");
        let ids: Vec<_> = whole["pools"][0]["backends"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["name"].as_str().unwrap().to_owned(), it["id"].clone()))
            .collect();
        assert_eq!(ids.len(), 2);
        for _ in 0..40 {
            lb.assert_serves();
        }
        // Rows come when they change: picks, responses, and the 99th percentile of the last seconds.
        let mut rows = BTreeMap::new();
        stream.find("tick", |tick| {
            for row in tick["backends"].as_array().unwrap() {
                rows.insert(row[0].to_string(), row.clone());
            }
            let sum = |at: usize| {
                rows.values()
                    .filter_map(|row| row[at].as_u64())
                    .sum::<u64>()
            };
            sum(3) == 40 && sum(4) == 40 && rows.values().all(|row| row[9].is_u64())
        });
        let (name, id) = &ids[0];
        let drain = format!("/v1/pools/default/backends/{name}/drain");
        assert_eq!(admin.post(&drain, "").status, 200);
        let noted = stream.find("", |event| event["kind"] == "change");
        assert_eq!(
            (&noted["what"], &noted["who"]),
            (&json!("drain"), &json!("admin"))
        );
        let changed = stream.find("pools", |_| true);
        assert_eq!(changed["whole"], false);
        let told = changed["pools"][0]["backends"].as_array().unwrap();
        assert_eq!(told.len(), 1, "{changed}");
        assert_eq!(
            (&told[0]["id"], &told[0]["state"]),
            (id, &json!("disabled"))
        );
        assert_eq!(told[0]["cause"], "nothing in flight any more");
    }
}

#[test]
fn each_worker_explains_its_picks() {
    let (first, second) = (Backend::echo(), Backend::echo());
    let (lb, admin) = start(
        &[first.address, second.address],
        &["--workers", "2", "--strategy", "n-to-1"],
    );
    let path = "/v1/pools/default/explain";
    let before = admin.get(path).body;
    assert_eq!(before["picks"], json!([]), "nobody looked");
    let candidates = before["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    for (candidate, is_next) in candidates.iter().zip([true, false]) {
        let ratings = candidate["ratings"].as_array().unwrap();
        assert_eq!(ratings.len(), 2, "{candidate}");
        for (worker, rating) in ratings.iter().enumerate() {
            assert_eq!(
                (&rating["worker"], &rating["best"]),
                (&json!(worker), &json!(is_next))
            );
        }
    }
    for _ in 0..10 {
        lb.assert_serves();
    }
    let name = first.address.to_string();
    until("the picks are shown", || {
        let picks = admin.get(path).body["picks"].clone();
        let picks = picks.as_array().unwrap();
        picks.len() == 10 && picks.iter().all(|it| it["backend"] == json!(name))
    });
    let pick = admin.get(path).body["picks"][0].clone();
    assert_eq!(
        (&pick["status"], &pick["retries"]),
        (&json!(200), &json!(0))
    );
    let other = format!("{path}?backend={}", second.address);
    assert_eq!(admin.get(&other).body["picks"], json!([]));
    let disable = format!("/v1/pools/default/backends/{name}/disable");
    assert_eq!(admin.post(&disable, "").status, 200);
    let after = admin.get(path).body;
    let note = "disabled, gets nothing: by the operator";
    assert_eq!(after["candidates"][0]["note"], note);
    assert_eq!(after["candidates"][1]["ratings"][0]["best"], true);
}

#[test]
fn a_strategy_is_changed_in_all_workers_and_kept_over_a_restart() {
    let (first, second) = (Backend::echo(), Backend::echo());
    let backends = [first.address, second.address];
    let state = std::env::temp_dir().join(format!("lb-strategy-{}", std::process::id()));
    let file = state.to_str().unwrap();
    let args = [
        "--workers",
        "3",
        "--strategy",
        "round-robin",
        "--state",
        file,
    ];
    let (lb, admin) = start(&backends, &args);
    let pool = "/v1/pools/default";
    let bad = admin.put(pool, r#"{"strategy": "fastest"}"#);
    assert_eq!(bad.status, 400);
    assert!(
        bad.message().contains("unknown strategy; use one of"),
        "{bad:?}"
    );
    let set = admin.put(pool, r#"{"strategy": "n-to-1"}"#);
    let expected = json!({"strategy": "n-to-1", "before": "round-robin"});
    assert_eq!((set.status, set.body), (200, expected));
    // Each connection is of any worker; the others follow a moment later.
    let name = first.address.to_string();
    let picks = || admin.backend(&name)["picks"].as_u64().unwrap();
    until("all workers go to the first", || {
        let before = picks();
        for _ in 0..9 {
            lb.assert_serves();
        }
        picks() == before + 9
    });
    assert_eq!(admin.pool()["strategy"], "n-to-1");
    assert_eq!(
        admin.post("/v1/pools/default/clear-learned", "").status,
        200
    );
    let kept = || std::fs::read_to_string(&state).unwrap_or_default();
    until("it is kept", || kept().contains(r#""strategy": "n-to-1""#));
    lb.terminate();
    let (_again, admin) = start(&backends, &args);
    assert_eq!(admin.pool()["strategy"], "n-to-1");
    std::fs::remove_file(&state).unwrap();
}

#[test]
fn a_strategy_that_reads_requests_is_not_for_connections() {
    let backend = Backend::echo();
    let (_lb, admin) = start(&[backend.address], &["--mode", "tcp"]);
    let refused = admin.put("/v1/pools/default", r#"{"strategy": "uri-hash"}"#);
    assert_eq!(refused.status, 400);
    assert!(
        refused.message().contains("uri-hash goes by requests"),
        "{refused:?}"
    );
    let taken = admin.put("/v1/pools/default", r#"{"strategy": "ip-hash"}"#);
    assert_eq!(taken.status, 200, "{taken:?}");
}

#[test]
fn the_operator_says_how_well_a_backend_is() {
    let (first, second) = (Backend::echo(), Backend::echo());
    let (lb, admin) = start(
        &[first.address, second.address],
        &["--workers", "2", "--strategy", "n-to-1", "--health", "none"],
    );
    let name = first.address.to_string();
    let path = format!("/v1/pools/default/backends/{name}/health");
    let down = admin.put(&path, r#"{"health": "down"}"#);
    assert_eq!((down.status, &down.body["state"]), (200, &json!("ejected")));
    let shown = admin.backend(&name);
    assert_eq!(shown["operator"], json!({"health": "down"}));
    assert_eq!(shown["cause"], "by the operator");
    let picks = |name: &str| admin.backend(name)["picks"].as_u64().unwrap();
    until("no worker picks it", || {
        let before = picks(&name);
        for _ in 0..6 {
            lb.assert_serves();
        }
        picks(&name) == before
    });
    let auto = admin.put(&path, r#"{"health": "auto"}"#);
    assert_eq!(
        (auto.status, &auto.body["state"]),
        (200, &json!("probation"))
    );
    assert_eq!(admin.backend(&name)["operator"], json!(null));
    until("it is back", || {
        lb.assert_serves();
        admin.backend(&name)["state"] != "probation"
    });
}

#[test]
fn the_last_exchanges_are_replayed_otherwise() {
    let (first, second) = (Backend::echo(), Backend::echo());
    let args = ["--workers", "2", "--strategy", "round-robin"];
    let (lb, admin) = start(&[first.address, second.address], &args);
    let path = "/v1/pools/default/what-if";
    let asked = r#"{"strategy": "least-conn", "servers": 3}"#;
    let early = admin.post(path, asked);
    assert_eq!(early.status, 409);
    assert!(
        early.message().contains("0 exchanges were seen"),
        "{early:?}"
    );
    // No stream: nothing else may have to wake lb for the answer to be sent.
    let look = || assert_eq!(admin.get("/v1/pools/default/explain").status, 200);
    look();
    let mut client = lb.connect();
    for _ in 0..200 {
        assert_eq!(client.get("/").status, 200);
    }
    let mut told = Value::Null;
    until("enough were seen", || {
        look();
        let said = admin.post(path, asked);
        told = said.body;
        said.status == 200 && told["requests"] == 200
    });
    let strategy = |of: &str| told[of]["strategy"].clone();
    assert_eq!(
        (strategy("now"), strategy("then")),
        (json!("round-robin"), json!("least-conn"))
    );
    assert_eq!(
        (&told["now"]["servers"], &told["then"]["servers"]),
        (&json!(2), &json!(3))
    );
    for times in [
        &told["observed"],
        &told["now"]["times"],
        &told["then"]["times"],
    ] {
        let at = |name: &str| times[name].as_f64().unwrap();
        assert!(at("p50") > 0.0 && at("p50") <= at("p99"), "{told}");
        assert_eq!(at("failed"), 0.0, "{told}");
        assert!(told["servers_work"].is_string(), "{told}");
    }
    lb.assert_serves();
}

#[test]
fn what_there_is_is_shown() {
    let backend = Backend::echo();
    let (lb, admin) = start(&[backend.address], &["--workers", "2"]);
    let listeners = admin.get("/v1/listeners").body;
    let expected = json!([{
        "id": 0,
        "addresses": [{"address": lb.address.to_string(), "accepts_proxy": false, "tls": false}],
        "mode": "http",
        "default_pool": "default",
    }]);
    assert_eq!(listeners["listeners"], expected);
    assert_eq!(admin.get("/v1/routes").body["routes"], json!([]));
    lb.assert_serves();
    until("one worker has served it", || {
        let workers = admin.get("/v1/workers").body["workers"].clone();
        let served = |it: &Value| it["exchanges"].as_u64().unwrap();
        workers.as_array().unwrap().iter().map(served).sum::<u64>() == 1
    });
}
