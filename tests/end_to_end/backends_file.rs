//! Backends that come from a file which others write while lb runs.

use crate::support::{Admin, Backend, Client, Lb, Stopwatch, until};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Numbers the folders of this process.
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A folder with a list of backends, removed with its test.
struct List(PathBuf);

impl List {
    fn new() -> Self {
        let (process, number) = (std::process::id(), FOLDERS.fetch_add(1, SeqCst));
        let folder = std::env::temp_dir().join(format!("lb-list-{process}-{number}"));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.join("backends.json").to_str().unwrap().to_owned()
    }

    /// Replaces the file as a careful program does.
    fn replace(&self, text: &str) {
        let new = self.0.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.path()).unwrap();
    }

    fn declare(&self, backends: &[Value]) {
        self.replace(&Value::from(backends.to_vec()).to_string());
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entry(name: &str, backend: &Backend) -> Value {
    json!({"name": name, "address": backend.address.to_string()})
}

fn start(list: &List, args: &[&str]) -> (Lb, Admin) {
    let (path, admin) = (list.path(), ["--admin", "127.0.0.1:0"]);
    let file = ["--backends-file", path.as_str()];
    let lb = Lb::start(&[], &[&file, &admin, args].concat());
    let admin = Admin::of(&lb);
    (lb, admin)
}

#[test]
fn a_pool_without_backends_waits_for_its_file() {
    let (list, server) = (List::new(), Backend::echo());
    let lb = Lb::start(&[], &["--backends-file", &list.path()]);
    let mut client = lb.connect();
    client.send("GET /early HTTP/1.1\r\nHost: x\r\n\r\n");
    until("it says what it waits for", || {
        lb.stderr()
            .contains("backends.json: does not exist; it is read as soon as it does")
    });
    list.declare(&[json!(server.address.to_string())]);
    assert_eq!(client.receive().status, 200);
    let ended = lb.terminate();
    let said = ended.stderr;
    assert_eq!(said.matches("does not exist").count(), 1, "{said}");
    assert!(
        said.contains("backends.json can be followed again"),
        "{said}"
    );
    assert!(said.contains("pool default: 1 backend added"), "{said}");
}

#[test]
fn a_pool_without_backends_refuses_what_finds_no_room_in_its_queue() {
    let list = List::new();
    let args = ["--backends-file", &list.path(), "--queue-limit", "1"];
    let lb = Lb::start(&[], &args);
    let mut first = lb.connect();
    first.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    let refused = || lb.connect().get_with("/2", "").status == 503;
    until("the queue is full", refused);
}

#[test]
fn what_the_file_says_becomes_the_pool() {
    let (list, servers) = (List::new(), [Backend::echo(), Backend::echo()]);
    let own = Backend::echo();
    list.declare(&[entry("a", &servers[0])]);
    let path = list.path();
    let args = ["--backends-file", &path, "--admin", "127.0.0.1:0"];
    let lb = Lb::start(&[own.address], &args);
    let admin = Admin::of(&lb);
    until("a joins", || admin.backend("a")["owner"] == "file");
    assert_eq!(admin.backend("a")["state"], "initial", "it joins warm");
    let mut b = entry("b", &servers[1]);
    b["weight"] = json!(7);
    b["max-connections"] = json!(3);
    list.declare(&[entry("a", &servers[0]), b]);
    until("b joins", || admin.backend("b")["weight"] == 7);
    let b = admin.backend("b");
    assert_eq!(
        (&b["max_in_flight"], &b["owner"]),
        (&json!(3), &json!("file"))
    );
    list.declare(&[entry("b", &servers[1])]);
    until("a goes", || admin.backend("a") == Value::Null);
    until("b is changed", || admin.backend("b")["weight"] == 1);
    assert_eq!(admin.backend("b")["max_in_flight"], Value::Null);
    // It moves to another address, and keeps its name.
    list.declare(&[entry("b", &servers[0])]);
    let elsewhere = servers[0].address.to_string();
    until("b moves", || admin.backend("b")["address"] == elsewhere);
    let before = servers[0].connections();
    until("it is asked there", || {
        assert_eq!(lb.connect().get("/").status, 200);
        servers[0].connections() > before
    });
    // Backends of the flags are not the file's.
    let of_flags = admin.backend(&own.address.to_string());
    assert_eq!(of_flags["owner"], Value::Null);
    assert_ne!(of_flags["state"], "removed");
}

#[test]
fn connections_to_an_address_that_was_left_are_not_used_again() {
    let (list, servers) = (List::new(), [Backend::echo(), Backend::echo()]);
    for workers in ["1", "2"] {
        list.declare(&[entry("a", &servers[0])]);
        let (lb, admin) = start(&list, &["--workers", workers]);
        let mut clients: Vec<_> = (0..8).map(|_| lb.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/before").status, 200);
        }
        list.declare(&[entry("a", &servers[1])]);
        let address = servers[1].address.to_string();
        until("a moves", || admin.backend("a")["address"] == address);
        until("the old connections are closed", || {
            servers[0].open_connections() == 0
        });
        for client in &mut clients {
            assert_eq!(client.get("/after").status, 200);
        }
        assert_eq!(servers[0].times_received("GET /after"), 0);
    }
}

#[test]
fn a_file_that_says_nothing_changes_nothing_and_is_told_once() {
    let (list, server) = (List::new(), Backend::echo());
    list.declare(&[entry("a", &server)]);
    let (lb, admin) = start(&list, &[]);
    until("a joins", || admin.backend("a")["owner"] == "file");
    let shape = "write a list of addresses, or of objects with address, name, weight and \
        max-connections";
    let broken = format!("backends.json:2:1: EOF while parsing a value; {shape}");
    for (text, told) in [
        ("[\"127.0.0.1:1\",\n", broken.as_str()),
        ("", "backends.json: is empty; write the backends"),
        (
            "[]",
            "backends.json: names no backend; write allow-empty: true beside the list",
        ),
        (
            "[\"127.0.0.1:1\", \"x\"]",
            "backends.json:1:17: 'x': the port is missing",
        ),
    ] {
        list.replace(text);
        until(told, || lb.stderr().contains(told));
        // The same again is no news.
        list.replace(text);
        assert_eq!(lb.connect().get("/").status, 200);
    }
    fs::remove_file(list.path()).unwrap();
    until("its end is told", || {
        lb.stderr().contains("backends.json: does not exist")
    });
    assert_eq!(admin.backend("a")["state"], "healthy");
    // None is meant.
    list.replace("{\"backends\": [], \"allow-empty\": true}");
    until("a goes", || admin.backend("a") == Value::Null);
    let said = lb.terminate().stderr;
    assert_eq!(said.matches("EOF while parsing").count(), 1, "{said}");
    assert!(said.contains("its backends stay as they are"), "{said}");
}

#[test]
fn a_backend_that_may_not_be_added_keeps_no_other_away() {
    let (list, servers) = (List::new(), [Backend::echo(), Backend::echo()]);
    let taken = servers[0].address.to_string();
    list.declare(&[json!(taken), entry("b", &servers[1])]);
    let path = list.path();
    let args = ["--backends-file", &path, "--admin", "127.0.0.1:0"];
    let lb = Lb::start(&[servers[0].address], &args);
    let admin = Admin::of(&lb);
    until("b joins", || admin.backend("b")["owner"] == "file");
    let told = format!("{taken} is not added: there is a backend {taken} already");
    until("the other is told", || lb.stderr().contains(&told));
}

/// Descriptors of the clients and of the backend that stays.
const SLACK_FDS: usize = 64;
/// Memory the allocator may hold more after the last round than after the first.
const SLACK_KIB: u64 = 24 * 1024;

/// Time for `count` backends of a file to come and be picked, and to go, round after round, while
/// clients ask without a pause.
fn come_and_go(workers: &str, rounds: usize, count: usize) {
    let list = List::new();
    let servers: Vec<_> = (0..5).map(|_| Backend::echo()).collect();
    let stays = entry("stays", &servers[0]);
    list.declare(std::slice::from_ref(&stays));
    let (lb, admin) = start(&list, &["--workers", workers, "--strategy", "round-robin"]);
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = lb.usage().open_fds();
    let mut after_first = None;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(lb.address);
                while !is_over.load(SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        let _over = SetOnDrop(&is_over);
        for round in 0..rounds {
            let mut all = vec![stays.clone()];
            let named = |n: usize| entry(&format!("b{n}-{round}"), &servers[n % servers.len()]);
            all.extend((0..count).map(named));
            let watch = Stopwatch::start();
            list.declare(&all);
            until("all are there", || backends(admin).len() == count + 1);
            let there = watch.elapsed();
            until("all are picked", || {
                backends(admin)
                    .iter()
                    .all(|it| it["picks"].as_u64() > Some(0))
            });
            let picked = watch.elapsed();
            let watch = Stopwatch::start();
            list.declare(std::slice::from_ref(&stays));
            until("all are gone", || backends(admin).len() == 1);
            let gone = watch.elapsed();
            eprintln!("{workers} workers: {count} there {there:?} picked {picked:?} gone {gone:?}");
            // Every worker closes the connections to those that are gone.
            until("descriptors come back", || {
                lb.usage().open_fds() < before + SLACK_FDS
            });
            let held = lb.usage().rss_kib();
            let first = *after_first.get_or_insert(held);
            eprintln!("round {round}: {held} KiB");
            assert!(held < first + SLACK_KIB, "{first} KiB, then {held}");
        }
    });
    assert!(answered.load(SeqCst) > 0);
    let said = lb.terminate().stderr;
    assert!(!said.contains("is not added"), "{said}");
}

fn backends(admin: Admin) -> Vec<Value> {
    let pool = admin.pool();
    pool["backends"].as_array().expect("backends").clone()
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn five_hundred_come_and_go_with_one_worker() {
    come_and_go("1", 2, 500);
}

#[test]
fn five_hundred_come_and_go_with_four_workers() {
    come_and_go("4", 2, 500);
}

/// The long form: `cargo test -p lb --release --test end_to_end -- --ignored hundred_rounds`.
#[test]
#[ignore = "takes minutes"]
fn hundred_rounds_of_five_hundred_leave_nothing_behind() {
    for workers in ["1", "4"] {
        come_and_go(workers, 100, 500);
    }
}
