//! Sets of backends that programs declare through the admin interface.

use crate::support::{Admin, Backend, Client, Lb, until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

const SET: &str = "/v1/pools/default/sets/fleet";

fn start(args: &[&str]) -> (Lb, Admin) {
    let lb = Lb::start(&[], &[&["--admin", "127.0.0.1:0"], args].concat());
    let admin = Admin::of(&lb);
    (lb, admin)
}

fn set(term: u64, revision: u64, backends: &[Value]) -> Value {
    json!({"fleet": "f", "term": term, "revision": revision, "backends": backends})
}

fn wanted(name: &str, backend: &Backend, admit: &str) -> Value {
    json!({"name": name, "address": backend.address.to_string(), "weight": 1, "admit": admit})
}

#[test]
fn a_set_is_what_its_owner_wants_no_more_and_no_less() {
    let servers = [Backend::echo(), Backend::echo()];
    let others = Backend::echo();
    let lb = Lb::start(&[others.address], &["--admin", "127.0.0.1:0"]);
    let admin = Admin::of(&lb);
    let [a, b] = [("a", &servers[0]), ("b", &servers[1])];
    let both = set(1, 1, &[wanted("a", a.1, "warm"), wanted("b", b.1, "trial")]);
    let put = admin.put(SET, &both.to_string());
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(
        put.body["states"],
        json!({"a": "initial", "b": "probation"})
    );
    assert_eq!(
        (&put.body["revision"], &put.body["changes"]),
        (&json!(1), &json!(2))
    );
    let again = admin.put(SET, &both.to_string());
    assert_eq!((again.status, &again.body["changes"]), (200, &json!(0)));
    assert_eq!(admin.backend("a")["owner"], "fleet");
    assert_eq!(
        admin.backend(&others.address.to_string())["owner"],
        Value::Null
    );

    let drained = set(1, 2, &[wanted("a", a.1, "warm"), wanted("b", b.1, "drain")]);
    let put = admin.put(SET, &drained.to_string());
    assert_eq!(put.body["states"]["b"], "disabled", "{put:?}");
    let back = set(1, 3, &[wanted("a", a.1, "warm"), wanted("b", b.1, "warm")]);
    let put = admin.put(SET, &back.to_string());
    assert_eq!(
        put.body["states"]["b"], "probation",
        "it is warm after a start alone: {put:?}"
    );

    let one = set(
        1,
        4,
        &[json!({"name": "a", "address": a.1.address.to_string(), "weight": 9})],
    );
    assert_eq!(admin.put(SET, &one.to_string()).status, 200);
    until("who is absent goes", || admin.backend("b").is_null());
    assert_eq!(admin.backend("a")["weight"], 9);
    assert_ne!(
        admin.backend(&others.address.to_string()),
        Value::Null,
        "it is not touched"
    );
    assert_eq!(admin.get(SET).body["revision"], 4);
}

#[test]
fn fences_hold() {
    let server = Backend::echo();
    let (_lb, admin) = start(&[]);
    let backend = [wanted("a", &server, "warm")];
    let put = |set: &Value| admin.put(SET, &set.to_string());
    assert_eq!(put(&set(2, 5, &backend)).status, 200);
    for (term, revision) in [(2, 4), (1, 9)] {
        let older = put(&set(term, revision, &backend));
        assert_eq!(older.status, 409, "{older:?}");
        assert_eq!(
            (&older.body["term"], &older.body["revision"]),
            (&json!(2), &json!(5))
        );
        assert_eq!(older.body["fleet"], "f");
    }
    let mut stranger = set(3, 1, &backend);
    stranger["fleet"] = json!("g");
    let refused = put(&stranger);
    assert_eq!((refused.status, &refused.body["fleet"]), (409, &json!("f")));
    let emptied = put(&set(2, 6, &[]));
    assert_eq!(emptied.status, 422, "{emptied:?}");
    assert!(
        emptied.message().starts_with("0 of 1 backends"),
        "{emptied:?}"
    );
    let mut forced = set(2, 6, &[]);
    forced["force"] = json!(true);
    assert_eq!(put(&forced).status, 200);
    until("all are gone", || admin.pool()["backends"] == json!([]));
    for (set, words) in [
        (
            set(2, 7, &[json!({"name": "x", "address": "nowhere"})]),
            "x: ",
        ),
        (
            set(2, 7, &[json!({"name": "", "address": "127.0.0.1:1"})]),
            "a name has",
        ),
        (
            set(
                2,
                7,
                &[json!({"name": "x", "address": "127.0.0.1:1", "weight": 300})],
            ),
            "x: a weight is from 1 to 256, not 300",
        ),
    ] {
        let invalid = put(&set);
        assert_eq!(invalid.status, 400, "{invalid:?}");
        assert!(invalid.message().contains(words), "{invalid:?}");
    }
    assert_eq!(
        admin.get(SET).body["revision"],
        6,
        "what is refused changes nothing"
    );
}

#[test]
fn the_operators_word_stands_above_a_set() {
    let servers = [Backend::echo(), Backend::echo()];
    let (_lb, admin) = start(&[]);
    let backends = [
        wanted("a", &servers[0], "warm"),
        wanted("b", &servers[1], "warm"),
    ];
    let put = |revision| admin.put(SET, &set(1, revision, &backends).to_string());
    assert_eq!(put(1).status, 200);
    let a = "/v1/pools/default/backends/a";
    assert_eq!(admin.post(&format!("{a}/drain"), "").status, 200);
    assert_eq!(
        admin.put(&format!("{a}/weight"), r#"{"weight": 5}"#).status,
        200
    );
    assert_eq!(put(2).body["states"]["a"], "disabled", "it is not fought");
    let shown = admin.backend("a");
    assert_eq!(shown["operator"], json!({"admit": "drain", "weight": 5}));
    assert_eq!(shown["weight"], 5);
    let removed = admin.delete(a);
    assert_eq!(removed.status, 409, "{removed:?}");
    assert_eq!(
        admin.post(&format!("{a}/undrain"), "").body["state"],
        "probation"
    );
    assert_eq!(
        admin
            .put(&format!("{a}/weight"), r#"{"weight": null}"#)
            .status,
        200
    );
    let shown = admin.backend("a");
    assert_eq!(
        (&shown["operator"], &shown["weight"]),
        (&Value::Null, &json!(1))
    );
}

fn state_path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("lb-e2e-{}-{name}.json", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn sets_and_the_operators_word_outlive_a_restart() {
    let servers = [Backend::echo(), Backend::echo()];
    let path = state_path("state");
    let file = path.to_str().unwrap();
    let (lb, admin) = start(&["--state", file]);
    let backends = [
        wanted("a", &servers[0], "trial"),
        wanted("b", &servers[1], "trial"),
    ];
    let put = |admin: Admin, revision| admin.put(SET, &set(1, revision, &backends).to_string());
    let first = put(admin, 3);
    assert_eq!(first.status, 200);
    assert_eq!(
        admin
            .post("/v1/pools/default/backends/b/disable", "")
            .status,
        200
    );
    assert_eq!(lb.terminate().code, Some(0));

    let (lb, admin) = start(&["--state", file, "--workers", "2"]);
    lb.assert_serves();
    assert_eq!(
        admin.backend("a")["state"],
        "healthy",
        "it had no trial to pass"
    );
    assert_eq!(admin.backend("b")["state"], "disabled");
    assert_eq!(put(admin, 2).status, 409, "the fence is kept");
    let taken = put(admin, 3);
    assert_eq!((taken.status, &taken.body["changes"]), (200, &json!(0)));
    assert_ne!(taken.body["boot_id"], first.body["boot_id"]);
    drop(lb);

    std::fs::write(&path, "{").unwrap();
    let refused = Lb::run(&["--admin", "127.0.0.1:0", "--state", file]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("is no state of lb"), "{said}");
    std::fs::remove_file(&path).unwrap();
}

/// Memory the allocator may hold more at the end than after the first rounds.
const SLACK_KIB: u64 = 8 * 1024;

/// 500 backends come and go in each of many rounds under load: nothing fails, nothing is left.
#[test]
fn five_hundred_come_and_go_in_every_round() {
    const COUNT: usize = 500;
    let servers: Vec<_> = (0..5).map(|_| Backend::echo()).collect();
    let stays = Backend::echo();
    let args = [
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "4",
        "--pool-idle-timeout",
        "1s",
    ];
    let lb = Lb::start(&[stays.address], &args);
    let admin = Admin::of(&lb);
    let is_over = AtomicBool::new(false);
    let rounds = 30;
    thread::scope(|scope| {
        let _over = SetOnDrop(&is_over);
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = lb.connect();
                while !is_over.load(SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
        let mut revision = 0;
        let mut put = |backends: &[Value], force: bool| {
            revision += 1;
            let mut set = set(1, revision, backends);
            set["force"] = json!(force);
            let put = admin.put(SET, &set.to_string());
            assert_eq!(put.status, 200, "{:?}", put.body["error"]);
        };
        let mut after_some = None;
        for round in 0..rounds {
            let backends: Vec<_> = (0..COUNT)
                .map(|n| wanted(&format!("s{n}-{round}"), &servers[n % 5], "trial"))
                .collect();
            put(&backends, false);
            until("newcomers are picked", || {
                let pool = admin.pool();
                let all = pool["backends"].as_array().unwrap();
                all.iter()
                    .filter(|it| it["owner"] == "fleet" && it["picks"] != 0)
                    .count()
                    > 5
            });
            put(&[], true);
            until("all are gone", || {
                admin.pool()["backends"].as_array().unwrap().len() == 1
            });
            let held = (lb.usage().rss_kib(), lb.usage().open_fds());
            if round == rounds / 4 {
                after_some = Some(held);
            }
        }
        let (rss, _) = after_some.unwrap();
        let held = lb.usage().rss_kib();
        assert!(held < rss + SLACK_KIB, "{rss} KiB, then {held}");
    });
    until("descriptors come back", || lb.usage().open_fds() < 60);
    let totals = admin.pool();
    assert_eq!((&totals["errors"], &totals["shed"]), (&json!(0), &json!(0)));
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn an_empty_pool_holds_requests_until_a_set_comes() {
    let server = Backend::echo();
    let (lb, admin) = start(&["--workers", "2"]);
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(lb.address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("they wait", || admin.pool()["queue_length"] == 4);
    let put = admin.put(SET, &set(1, 1, &[wanted("a", &server, "warm")]).to_string());
    assert_eq!(put.status, 200);
    for client in &mut clients {
        assert_eq!(client.receive().status, 200);
    }
}
