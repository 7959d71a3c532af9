//! Every file of `examples/config`, started with servers of the test in place of its own, and asked
//! for what it is an example of.

use crate::support::{Backend, Client, Lb, Stopwatch, TempFile, until};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A balancer that runs by an example.
struct Example {
    lb: Lb,
    /// Its listeners, in the order of the file.
    listeners: Vec<SocketAddr>,
    /// Its servers, by the addresses that the file gives them.
    servers: BTreeMap<String, Backend>,
    _file: TempFile,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config")
}

/// A server that says the address it has in the file, and what it was asked for.
fn server(name: String) -> Backend {
    Backend::answering(move |request| {
        if request.field("upgrade").is_some() {
            let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n";
            return format!("{switch}Upgrade: websocket\r\n\r\nhello").into_bytes();
        }
        let from = request.field("x-forwarded-for").unwrap_or("-").to_owned();
        let body = format!("{name} {} {from}", request.word(1));
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    })
}

impl Example {
    fn start(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let mut servers = BTreeMap::new();
        let mut config = String::new();
        for line in text.lines() {
            config.push_str(&placed(line, &mut servers));
            config.push('\n');
        }
        let file = TempFile::new("example", &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command
            .args(["--config", file.path()])
            .stdout(Stdio::null());
        let lb = Lb::spawn(&mut command);
        let said = lb.stderr();
        let listed = said.split("lb listens on ").nth(1).unwrap();
        let listed = listed.split(" (").next().unwrap().split(", ");
        Self {
            lb,
            listeners: listed.map(|at| at.parse().unwrap()).collect(),
            servers,
            _file: file,
        }
    }

    fn client(&self) -> Client {
        Client::connect(self.listeners[0])
    }

    /// Status and body of the response to a request, with more header `lines`.
    fn ask(&self, host: &str, target: &str, lines: &str) -> (u16, String) {
        let mut client = self.client();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
        ));
        let response = client.receive();
        (response.status, response.text())
    }

    /// Which server responded: its address in the file.
    fn served_by(&self, host: &str, target: &str, lines: &str) -> String {
        let (status, body) = self.ask(host, target, lines);
        assert_eq!(status, 200, "{body}");
        body.split(' ').next().unwrap().to_owned()
    }
}

/// A line with the listeners on free ports, and the servers of the test. Other addresses stay.
fn placed(line: &str, servers: &mut BTreeMap<String, Backend>) -> String {
    let is_code = !line.trim_start().starts_with('#');
    let is_listener = line.trim_start().starts_with("listen ");
    let parts = line.split('"').enumerate();
    let parts = parts.map(|(nth, part)| {
        let (prefix, address) = match part.strip_prefix("proxy+") {
            Some(address) => ("proxy+", address),
            None => ("", part),
        };
        let (address, share) = match address.split_once('=') {
            Some((address, share)) => (address, format!("={share}")),
            None => (address, String::new()),
        };
        // Every second part is in quotes.
        if nth % 2 == 0 || !is_code || address.parse::<SocketAddr>().is_err() {
            return part.to_owned();
        }
        if is_listener {
            return format!("{prefix}127.0.0.1:0");
        }
        let server = servers
            .entry(address.to_owned())
            .or_insert_with(|| server(address.to_owned()));
        format!("{}{share}", server.address)
    });
    parts.collect::<Vec<_>>().join("\"")
}

#[test]
fn every_example_passes_the_check_and_starts() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".toml") {
            continue;
        }
        let checked = Lb::run(&["check", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{name}: {said}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{name} begins with what it is for");
        count += 1;
    }
    assert!(count >= 9, "{count} examples");
}

#[test]
fn single_site() {
    let example = Example::start("single-site.toml");
    let mut seen: Vec<_> = (0..40).map(|_| example.served_by("x", "/", "")).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["127.0.0.1:5000", "127.0.0.1:5001"]);
    let checked = |server: &Backend| server.times_received("GET /ping") > 0;
    until("their page is checked", || {
        example.servers.values().all(checked)
    });
}

#[test]
fn several_sites() {
    let example = Example::start("several-sites.toml");
    assert_eq!(
        example.served_by("shop.example", "/api/x", ""),
        "10.0.0.3:8080"
    );
    let shop = example.served_by("www.shop.example", "/", "");
    assert!(
        ["10.0.0.1:8080", "10.0.0.2:8080"].contains(&shop.as_str()),
        "{shop}"
    );
    assert_eq!(
        example.served_by("a.blog.example", "/", ""),
        "10.0.0.4:8080"
    );
    assert_eq!(example.ask("nobody.example", "/", "").0, 404);
    let mut client = example.client();
    client.send("GET /a?b HTTP/1.1\r\nHost: old-shop.example\r\n\r\n");
    let moved = client.receive();
    assert_eq!(moved.status, 301);
    assert_eq!(moved.field("location"), Some("https://shop.example/a?b"));
}

#[test]
fn canary() {
    let example = Example::start("canary.toml");
    assert_eq!(
        example.served_by("x", "/", "X-Canary: 1\r\n"),
        "10.0.0.3:8080"
    );
    // A client stays with one.
    let pool = |by: &str| by == "10.0.0.3:8080";
    let first = pool(&example.served_by("x", "/", ""));
    for _ in 0..20 {
        assert_eq!(pool(&example.served_by("x", "/", "")), first);
    }
}

#[test]
fn websocket() {
    let example = Example::start("websocket.toml");
    let mut client = example.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let head = client.read_head().unwrap();
    assert_eq!(head.word(1), "101");
    let mut hello = Vec::new();
    client.read_exact(5, &mut hello).unwrap();
    assert_eq!(hello, b"hello");
}

#[test]
fn database() {
    let example = Example::start("database.toml");
    let ask = || {
        let mut client = example.client();
        client.get("/").text().split(' ').next().unwrap().to_owned()
    };
    for _ in 0..10 {
        assert_eq!(ask(), "10.0.0.1:5432", "the standby waits");
    }
    let mut site = Client::connect(example.listeners[1]);
    assert!(site.get("/").text().starts_with("10.0.0.3:8080 "));
}

#[test]
fn the_standby_of_the_database_takes_over() {
    let mut example = Example::start("database.toml");
    drop(example.servers.remove("10.0.0.1:5432"));
    let watch = Stopwatch::start();
    until("the standby serves", || {
        let mut client = example.client();
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let response = client.try_receive();
        response.is_ok_and(|response| response.text().starts_with("10.0.0.2:5432 "))
    });
    eprintln!("the standby served after {:?}", watch.elapsed());
}

#[test]
fn sticky() {
    let example = Example::start("sticky.toml");
    let mut client = example.client();
    let first = client.get("/");
    let cookie = first.field("set-cookie").expect("a cookie").to_owned();
    assert!(
        cookie.starts_with("lb_backend=") && cookie.contains("Max-Age=43200"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let server = first.text().split(' ').next().unwrap().to_owned();
    for _ in 0..20 {
        let lines = format!("Cookie: {cookie}\r\n");
        assert_eq!(example.served_by("x", "/", &lines), server);
    }
}

#[test]
fn maintenance() {
    let example = Example::start("maintenance.toml");
    let (status, body) = example.ask("x", "/shop/cart", "");
    assert_eq!((status, body.as_str()), (503, "<h1>Back at noon</h1>\n"));
    assert_eq!(example.served_by("x", "/about", ""), "10.0.0.1:8080");
}

#[test]
fn behind_a_proxy() {
    let example = Example::start("behind-a-proxy.toml");
    let mut client = example.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.9 51324 80\r\n");
    let said = client.get("/").text();
    assert!(said.ends_with(" 192.0.2.7"), "{said}");
    // Only trusted proxies are believed.
    let mut client = Client::connect(example.listeners[1]);
    let said = client
        .get_with("/", "X-Forwarded-For: 192.0.2.8\r\n")
        .text();
    assert!(said.contains("127.0.0.1"), "{said}");
}

#[test]
fn discovered() {
    let example = Example::start("discovered.toml");
    // The file that names the backends is not there: requests wait for it, and the rest is served.
    assert_eq!(example.served_by("x", "/static/a", ""), "10.0.0.1:8080");
    until("it is told", || {
        example.lb.stderr().contains("does not exist")
    });
}
