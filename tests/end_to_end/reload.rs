//! Reloads: the real `lb` goes on with another configuration file.

use crate::support::{Admin, Backend, Client, Gate, Lb, Said, TempFile, Wire, listens, until};
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A backend whose responses say `name`.
fn saying(name: &'static str) -> Backend {
    Backend::answering(move |_| {
        let length = name.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes()
    })
}

/// A backend that switches every connection to a tunnel, and echoes what comes.
fn tunnelling() -> Backend {
    Backend::start(|mut wire: Wire, _| {
        if wire.read_request().is_some() {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            );
            let mut bytes = [0; 64];
            while let Ok(count) = wire.read(&mut bytes) {
                wire.send(&bytes[..count]);
            }
        }
    })
}

/// A balancer that runs by a file.
struct Site {
    lb: Lb,
    admin: Admin,
    file: TempFile,
    workers: usize,
}

impl Site {
    /// `config` is the file, but for the settings of the process.
    fn new(workers: usize, config: &str) -> Self {
        let file = TempFile::new("reload", &whole(workers, config));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command
            .args(["--config", file.path()])
            .stdout(Stdio::null());
        let lb = Lb::spawn(&mut command);
        let admin = Admin::of(&lb);
        Self {
            lb,
            admin,
            file,
            workers,
        }
    }

    /// Loads another file.
    fn load(&self, config: &str) -> Said {
        self.file.write(&whole(self.workers, config));
        self.admin.post("/v1/reload", "")
    }

    /// The same, which must succeed. Returns what has changed.
    #[track_caller]
    fn loaded(&self, config: &str) -> Vec<String> {
        let said = self.load(config);
        assert_eq!(said.status, 200, "{said:?}");
        lines(&said.body["changes"])
    }

    fn pools(&self) -> Vec<String> {
        let all = self.admin.get("/v1/pools").body;
        let pools = all["pools"].as_array().expect("pools");
        let name = |pool: &Value| pool["name"].as_str().expect("a name").to_owned();
        pools.iter().map(name).collect()
    }

    fn backends(&self, pool: &str) -> Value {
        let all = self.admin.get(&format!("/v1/pools/{pool}")).body;
        all["backends"].clone()
    }
}

fn lines(value: &Value) -> Vec<String> {
    let all = value.as_array().expect("a list").iter();
    all.map(|line| line.as_str().expect("a text").to_owned())
        .collect()
}

fn whole(workers: usize, config: &str) -> String {
    format!("workers = {workers}\nadmin = \"127.0.0.1:0\"\n{config}")
}

/// A listener on any port and a pool without health checks.
fn one_pool(backends: &[SocketAddr]) -> String {
    format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\n{}",
        pool("web", backends)
    )
}

fn pool(name: &str, backends: &[SocketAddr]) -> String {
    let backends: Vec<_> = backends.iter().map(|it| format!("\"{it}\"")).collect();
    let backends = backends.join(", ");
    format!("[pool.{name}]\nhealth = \"none\"\nbackends = [{backends}]\n")
}

#[test]
fn backends_come_and_go_and_those_that_stay_keep_what_they_have() {
    for workers in [1, 2] {
        let [stays, goes, comes] = ["stays", "goes", "comes"].map(saying);
        let site = Site::new(workers, &one_pool(&[stays.address, goes.address]));
        let mut client = site.lb.connect();
        for _ in 0..10 {
            assert_eq!(client.get("/").status, 200);
        }
        let picks = |name: SocketAddr| {
            let all = site.backends("web");
            let mut rows = all.as_array().expect("backends").iter();
            let row = rows.find(|row| row["name"] == name.to_string());
            row.map(|row| row["picks"].as_u64().expect("a number"))
        };
        let before = picks(stays.address).expect("it is there");
        let changes = site.loaded(&one_pool(&[stays.address, comes.address]));
        assert_eq!(
            changes,
            [
                format!("pool web: backend {} added", comes.address),
                format!("pool web: backend {} removed", goes.address),
            ]
        );
        assert!(picks(stays.address).is_some_and(|picks| picks >= before));
        until("the new one serves", || client.get("/").text() == "comes");
        until("the old one is gone", || picks(goes.address).is_none());
        for _ in 0..10 {
            assert_ne!(client.get("/").text(), "goes");
        }
        let weighed = one_pool(&[stays.address, comes.address])
            .replace(&stays.address.to_string(), &format!("{}=7", stays.address));
        let line = format!("pool web: backend {}: weight 1 -> 7", stays.address);
        assert_eq!(site.loaded(&weighed), [line]);
        assert_eq!(site.loaded(&weighed), Vec::<String>::new());
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}

#[test]
fn a_connection_that_is_kept_follows_the_new_routes() {
    for workers in [1, 2] {
        let [web, api] = ["web", "api"].map(saying);
        let listener = "[[listener]]\nlisten = \"127.0.0.1:0\"\npool = \"web\"\n";
        let web_pool = pool("web", &[web.address]);
        let site = Site::new(workers, &format!("{listener}{web_pool}"));
        let mut client = site.lb.connect();
        assert_eq!(client.get("/api").text(), "web");
        let api_pool = pool("api", &[api.address]);
        let route = "[[route]]\npath = \"/api\"\npool = \"api\"\n";
        let routed = format!("{listener}{route}{web_pool}{api_pool}");
        let changes = site.loaded(&routed);
        assert_eq!(changes[0], "pool api added");
        assert!(changes[1].ends_with("routes changed, 0 before, 1 now"));
        assert_eq!(client.get("/api").text(), "api");
        assert_eq!(client.get("/").text(), "web");
        assert_eq!(site.pools(), ["web", "api"]);
        site.loaded(&format!("{listener}{web_pool}"));
        assert_eq!(client.get("/api").text(), "web");
        until("the pool is gone", || site.pools() == ["web"]);
        // Its number is given away again.
        site.loaded(&routed);
        assert_eq!(client.get("/api").text(), "api");
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}

#[test]
fn tunnels_in_a_pool_that_is_removed_last_until_they_end() {
    for workers in [1, 2] {
        let (old, new) = (tunnelling(), saying("new"));
        let at = "[[listener]]\nlisten = \"127.0.0.1:0\"\n";
        let site = Site::new(workers, &format!("{at}{}", pool("old", &[old.address])));
        let mut tunnel = site.lb.connect().into_wire();
        tunnel.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        let head = tunnel.read_through(b"\r\n\r\n").expect("a head");
        assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
        site.loaded(&format!("{at}{}", pool("new", &[new.address])));
        let mut echoed = |text: &str| {
            let mut bytes = Vec::new();
            tunnel.send(text);
            tunnel.read_exact(text.len(), &mut bytes).expect("an echo");
            assert_eq!(bytes, text.as_bytes());
        };
        for round in 0..3 {
            echoed("still here");
            assert_eq!(site.lb.connect().get("/").text(), "new", "{round}");
        }
        let mut pools = site.pools();
        pools.sort();
        assert_eq!(pools, ["new", "old~0"], "its exchanges are not over");
        drop(tunnel);
        until("the pool is gone", || site.pools() == ["new"]);
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}

#[test]
fn listeners_come_and_go_without_a_lost_request() {
    for workers in [1, 2] {
        let gate = Gate::default();
        let backend = Backend::start({
            let gate = gate.clone();
            move |mut wire: Wire, _| {
                while let Some(request) = wire.read_request() {
                    if request.start.contains("/slow") {
                        assert!(gate.wait());
                    }
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            }
        });
        let web = pool("web", &[backend.address]);
        let first = "[[listener]]\nlisten = \"127.0.0.1:0\"\n";
        let site = Site::new(workers, &format!("{first}{web}"));
        let second = "[[listener]]\nlisten = \"127.0.0.2:0\"\n";
        let changes = site.loaded(&format!("{first}{second}{web}"));
        let added = changes[0].strip_prefix("listener ").expect("a listener");
        let added: SocketAddr = added.strip_suffix(" added").unwrap().parse().unwrap();
        let mut clients: Vec<_> = (0..8).map(|_| Client::connect(added)).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        let mut busy = Client::connect(added);
        busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        until("the backend is at it", || {
            backend.times_received("/slow") == 1
        });
        let changes = site.loaded(&format!("{first}{web}"));
        assert_eq!(changes, [format!("listener {added} removed")]);
        assert!(!listens(added), "it accepts no more");
        // Those that were served a moment ago may have sent their next request already.
        let served = clients.iter_mut().map(|client| {
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            client.receive()
        });
        for response in served {
            assert_eq!(response.status, 200);
            assert_eq!(response.field("connection"), Some("close"));
        }
        gate.open();
        let response = busy.receive();
        assert_eq!(response.text(), "ok");
        assert_eq!(response.field("connection"), Some("close"));
        site.lb.assert_serves();
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}

#[test]
fn a_broken_file_changes_nothing_and_every_error_is_told() {
    let backend = saying("here");
    let good = one_pool(&[backend.address]);
    let site = Site::new(1, &good);
    let mut client = site.lb.connect();
    assert_eq!(client.get("/").text(), "here");
    for (config, problems) in [
        (
            "[pool.web]\nbackend = [\"1:1\"]\nretries = 3\n".to_owned(),
            vec!["pool.web.backend", "pool.web.retries"],
        ),
        (
            good.replace("health = \"none\"", "health = \"nono\""),
            vec!["pool.web.health"],
        ),
        (
            good.replace("\"127.0.0.1:0\"", "\"192.0.2.1:1\""),
            vec!["--listen '192.0.2.1:1'"],
        ),
        (
            good.replace(&backend.address.to_string(), "no.such.name.invalid:1"),
            vec!["no.such.name.invalid:1"],
        ),
        (
            format!("max-connections = 10\n{good}"),
            vec!["--max-connections '10': cannot change while lb runs; needs an upgrade"],
        ),
        (
            good.replace("[[listener]]\n", "[[listener]]\nmode = \"tcp\"\n"),
            vec!["--mode 'tcp of 127.0.0.1:0': cannot change"],
        ),
        ("[[".to_owned(), vec![":3:3:"]),
    ] {
        let said = site.load(&config);
        assert_eq!(said.status, 422, "{config}: {said:?}");
        let errors = lines(&said.body["errors"]);
        for problem in problems {
            let is_told = errors.iter().any(|error| error.contains(problem));
            assert!(is_told, "{problem}: {errors:?}");
            until("it is logged", || site.lb.stderr().contains(problem));
        }
        assert_eq!(client.get("/").text(), "here");
    }
    let metrics = site.admin.get("/metrics").body;
    let metrics = metrics.as_str().expect("a text");
    assert!(
        metrics.contains("lb_config_generation_total 1"),
        "{metrics}"
    );
    // One that is gone altogether is no other than a broken one.
    std::fs::remove_file(site.file.path()).unwrap();
    assert_eq!(site.admin.post("/v1/reload", "").status, 422);
    assert_eq!(site.loaded(&good), Vec::<String>::new());
    assert_eq!(site.lb.terminate().code, Some(0));
}

#[test]
fn backends_of_others_stay_as_they_are() {
    for workers in [1, 2] {
        let [own, other, operator] = ["own", "other", "operator"].map(saying);
        let site = Site::new(workers, &one_pool(&[own.address]));
        let set = format!(
            "{{\"fleet\": \"f\", \"term\": 1, \"revision\": 1, \"backends\": \
             [{{\"name\": \"one\", \"address\": \"{}\"}}]}}",
            other.address
        );
        let put = site.admin.put("/v1/pools/web/sets/someone", &set);
        assert_eq!(put.status, 200, "{put:?}");
        let added = format!(
            "{{\"name\": \"two\", \"address\": \"{}\"}}",
            operator.address
        );
        let post = site.admin.post("/v1/pools/web/backends", &added);
        assert_eq!(post.status, 201, "{post:?}");
        let names = || {
            let all = site.backends("web");
            let rows = all.as_array().expect("backends").iter();
            rows.map(|row| row["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let own_name = own.address.to_string();
        assert_eq!(names(), [own_name.as_str(), "one", "two"]);
        let next = saying("next");
        site.loaded(&one_pool(&[next.address]));
        let next_name = next.address.to_string();
        until("the file's own has changed", || {
            let names = names();
            names.len() == 3 && names.contains(&next_name) && !names.contains(&own_name)
        });
        let names = names();
        assert!(names.contains(&"one".to_owned()) && names.contains(&"two".to_owned()));
        let set = site.admin.get("/v1/pools/web/sets/someone");
        assert_eq!(set.status, 200);
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}

#[test]
fn a_signal_reloads_and_every_change_is_logged() {
    let [one, two] = ["one", "two"].map(saying);
    let site = Site::new(1, &one_pool(&[one.address]));
    let config = one_pool(&[two.address]).replace("health", "queue-limit = 7\nhealth");
    site.file.write(&whole(1, &config));
    site.lb.signal(Signal::HUP);
    for line in [
        format!("lb: reloaded: pool web: backend {} added", two.address),
        format!("lb: reloaded: pool web: backend {} removed", one.address),
        "lb: reloaded: pool web: queue-limit 1024 -> 7".to_owned(),
    ] {
        until(&line, || site.lb.stderr().contains(&line));
    }
    assert_eq!(site.lb.connect().get("/").text(), "two");
    site.lb.signal(Signal::HUP);
    until("nothing changed", || {
        site.lb
            .stderr()
            .contains("lb: reloaded: nothing has changed")
    });
    let metrics = site.admin.get("/metrics").body;
    let metrics = metrics.as_str().expect("a text");
    assert!(
        metrics.contains("lb_config_generation_total 3"),
        "{metrics}"
    );
    assert_eq!(site.lb.terminate().code, Some(0));
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let backend = saying("here");
    let lb = Lb::start(&[backend.address], &["--admin", "127.0.0.1:0"]);
    let said = Admin::of(&lb).post("/v1/reload", "");
    assert_eq!(said.status, 409, "{said:?}");
    lb.signal(Signal::HUP);
    until("it says so", || {
        lb.stderr()
            .contains("lb: SIGHUP has no effect without a configuration file")
    });
    assert_eq!(lb.terminate().code, Some(0));
}

#[test]
fn a_pid_file_names_the_process_while_it_serves() {
    let [one, two] = ["one", "two"].map(saying);
    let file = TempFile::new("pid-config", &one_pool(&[one.address]));
    let pid_file = TempFile::new("pid", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    let flags = ["--config", file.path(), "--pid-file", pid_file.path()];
    let lb = Lb::spawn(command.args(flags).stdout(Stdio::null()));
    let text = std::fs::read_to_string(pid_file.path()).unwrap();
    assert_eq!(text, format!("{}\n", lb.usage().0));
    file.write(&one_pool(&[two.address]));
    let sent = Lb::run(&["reload", "--pid-file", pid_file.path()]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let line = format!("lb: reloaded: pool web: backend {} added", two.address);
    until(&line, || lb.stderr().contains(&line));
    assert_eq!(lb.terminate().code, Some(0));
    assert!(!std::path::Path::new(pid_file.path()).exists());
    let sent = Lb::run(&["reload", "--pid-file", pid_file.path()]);
    let said = String::from_utf8(sent.stderr).unwrap();
    assert_eq!(sent.status.code(), Some(1));
    assert!(said.contains("is lb running with it?"), "{said}");
}

/// A client that keeps its connection and sends each id once, until told to stop. Returns how many
/// it has sent, all of which were served.
fn post_ids(address: SocketAddr, name: usize, stop: &AtomicBool) -> usize {
    let mut client = Client::connect(address);
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        count += 1;
        let response = client.post(&format!("/{name}-{count}-"), b"body");
        assert_eq!(response.status, 200, "{response:?}");
        if response.field("connection") == Some("close") {
            client = Client::connect(address);
        }
    }
    count
}

#[test]
fn under_load_nothing_is_lost_doubled_or_cut() {
    for workers in [1, 2] {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let web = Backend::answering({
            let ids = Arc::clone(&ids);
            move |request| {
                ids.lock().unwrap().push(request.start.clone());
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
            }
        });
        let tunnels = tunnelling();
        let config = |number: usize| {
            format!(
                "[[listener]]\nlisten = \"127.0.0.1:0\"\npool = \"web\"\n\
                 [[route]]\npath = \"/tunnel\"\npool = \"tunnels\"\n\
                 [[route]]\npath = \"/{number}\"\nrespond = 404\n\
                 {}queue-limit = {}\n{}{}",
                pool("web", &[web.address]),
                100 + number,
                pool("tunnels", &[tunnels.address]),
                pool(&format!("spare{}", number % 3), &[web.address]),
            )
        };
        let site = Site::new(workers, &config(0));
        let mut wires: Vec<_> = (0..10).map(|_| site.lb.connect().into_wire()).collect();
        let head = "GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
        for wire in &mut wires {
            wire.send(head);
            wire.read_through(b"\r\n\r\n").expect("a head");
        }
        let stop = AtomicBool::new(false);
        let address = site.lb.address;
        let sent: usize = thread::scope(|scope| {
            let clients = [0, 1, 2].map(|name| {
                let stop = &stop;
                scope.spawn(move || post_ids(address, name, stop))
            });
            for number in 1..=10 {
                let is_broken = number % 2 == 0;
                let more = if is_broken { "nonsense = 1\n" } else { "" };
                let said = site.load(&format!("{}{more}", config(number)));
                assert_eq!(said.status, if is_broken { 422 } else { 200 }, "{said:?}");
                for wire in &mut wires {
                    let mut bytes = Vec::new();
                    wire.send("ping");
                    wire.read_exact(4, &mut bytes).expect("an echo");
                }
            }
            stop.store(true, Ordering::SeqCst);
            clients.map(|client| client.join().unwrap()).iter().sum()
        });
        assert!(sent > 30, "{sent}");
        let mut ids = ids.lock().unwrap().clone();
        assert_eq!(ids.len(), sent);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), sent, "none is doubled");
        drop(wires);
        until("pools that are removed go", || site.pools().len() == 3);
        assert_eq!(site.lb.terminate().code, Some(0));
    }
}
