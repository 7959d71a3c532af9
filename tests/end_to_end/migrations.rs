//! The production configurations of docs/from-haproxy.md and docs/from-nginx.md, started with
//! backends of the test in place of theirs.

use crate::support::{Backend, Client, Lb, Response, TempFile};
use std::process::{Command, Stdio};

/// A site that runs by an example.
struct Site {
    lb: Lb,
    backends: Vec<Backend>,
    _file: TempFile,
}

impl Site {
    /// Starts the example with this name, which has so many backends: 10.0.0.1 and so on. Each of
    /// them says its number, and what it was asked.
    fn of(example: &str, count: usize) -> Self {
        let path = format!("{}/examples/config/{example}", env!("CARGO_MANIFEST_DIR"));
        let mut config = std::fs::read_to_string(path).unwrap();
        config = config.replace("192.0.2.10:80", "127.0.0.1:0");
        config = config.replace("127.0.0.1:5432", "127.0.0.1:0");
        let backends: Vec<_> = (1..=count).map(numbered).collect();
        for (nth, backend) in backends.iter().enumerate() {
            for port in [8080, 5432] {
                let theirs = format!("10.0.0.{}:{port}", nth + 1);
                config = config.replace(&theirs, &backend.address.to_string());
            }
        }
        assert!(
            !config.contains(":8080") && !config.contains(":5432"),
            "{config}"
        );
        let file = TempFile::new("migration", &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command
            .args(["--config", file.path()])
            .stdout(Stdio::null());
        Self {
            lb: Lb::spawn(&mut command),
            backends,
            _file: file,
        }
    }

    fn get(&self, host: &str, target: &str, lines: &str) -> Response {
        ask(&mut self.lb.connect(), host, target, lines)
    }

    /// Which backend responded to what.
    fn at(&self, host: &str, target: &str) -> String {
        self.get(host, target, "").text()
    }
}

fn ask(client: &mut Client, host: &str, target: &str, lines: &str) -> Response {
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
    ));
    client.receive()
}

fn numbered(number: usize) -> Backend {
    Backend::answering(move |request| {
        let body = format!("{number} {}", request.word(1));
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nServer: app\r\nContent-Length: {length}\r\n\r\n");
        (head + &body).into_bytes()
    })
}

#[test]
fn the_site_of_haproxy_runs() {
    let site = Site::of("from-haproxy.toml", 8);
    let shop = |response: &Response| {
        ["1 ", "2 "]
            .iter()
            .any(|it| response.text().starts_with(it))
    };
    // Sticky sessions.
    let first = site.get("shop.example", "/", "");
    assert!(shop(&first), "{first:?}");
    let cookie = first.field("set-cookie").unwrap();
    assert!(cookie.starts_with("SRV="), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    for _ in 0..8 {
        assert_eq!(site.get("shop.example", "/", &cookie).text(), first.text());
    }
    // Redirect, maintenance page, networks.
    let moved = site.get("old-shop.example", "/a?b", "");
    assert_eq!(moved.status, 301);
    assert_eq!(moved.field("location"), Some("http://shop.example/a?b"));
    let closed = site.get("shop.example", "/checkout/pay", "");
    assert_eq!(
        (closed.status, closed.text().as_str()),
        (503, "<h1>Back at noon</h1>\n")
    );
    assert_eq!(closed.field("retry-after"), Some("3600"));
    assert_eq!(site.get("shop.example", "/admin", "").status, 403);
    // Canary, by header field and by share; prefixes and fields.
    let lines = "X-Canary: 1\r\n";
    assert_eq!(
        site.get("shop.example", "/api/items?q", lines).text(),
        "5 /items?q"
    );
    let lines = "Cookie: api-side=api\r\nX-Internal-User: root\r\n";
    let api = site.get("shop.example", "/api/items", lines);
    assert!(
        ["3 /items", "4 /items"].contains(&api.text().as_str()),
        "{api:?}"
    );
    assert_eq!(
        (api.field("x-served-by"), api.field("server")),
        (Some("api"), None)
    );
    let sent = [&site.backends[2], &site.backends[3]]
        .map(Backend::received_text)
        .concat();
    assert!(sent.contains("X-Real-IP: 127.0.0.1\r\n"), "{sent}");
    assert!(!sent.contains("X-Internal-User"), "{sent}");
    // Other sites, and the rate of logins.
    assert_eq!(site.at("a.blog.example", "/post"), "6 /post");
    let mut client = site.lb.connect();
    let mut statuses = (0..6).map(|_| ask(&mut client, "shop.example", "/login", "").status);
    assert!(statuses.by_ref().take(5).all(|status| status == 200));
    assert_eq!(statuses.next(), Some(429));
}

#[test]
fn the_site_of_nginx_runs() {
    let site = Site::of("from-nginx.toml", 5);
    let app = site.get("app.example", "/home", "");
    assert!(app.text().ends_with(" /home"), "{app:?}");
    assert_eq!(app.field("x-frame-options"), Some("DENY"));
    // A client stays with its backend, and has its address passed on.
    assert!((0..5).all(|_| site.at("app.example", "/home") == app.text()));
    let sent: String = site.backends.iter().map(Backend::received_text).collect();
    assert!(sent.contains("X-Real-IP: 127.0.0.1\r\n"), "{sent}");
    let home = site.get("app.example", "/", "");
    assert_eq!(home.status, 302);
    assert_eq!(home.field("location"), Some("http://app.example/home"));
    let moved = site.get("example.org", "/x?y", "");
    assert_eq!(moved.field("location"), Some("http://app.example/x?y"));
    // The API under another path, its pages, its rate.
    let api = site.get(
        "app.example",
        "/api/items",
        "Origin: http://www.example\r\n",
    );
    assert!(
        ["4 /v1/items", "5 /v1/items"].contains(&api.text().as_str()),
        "{api:?}"
    );
    let allowed = api.field("access-control-allow-origin");
    assert_eq!(allowed, Some("http://www.example"));
    let mut client = site.lb.connect();
    let limited = (0..200).any(|_| ask(&mut client, "app.example", "/api/x", "").status == 429);
    assert!(limited, "more than ten in a second");
    let pay = "Content-Length: 20000000\r\n";
    let mut client = site.lb.connect();
    client.send(format!(
        "POST /api/x HTTP/1.1\r\nHost: app.example\r\n{pay}\r\n"
    ));
    assert!([413, 429].contains(&client.receive().status));
    assert!(
        site.at("app.example", "/reports/1")
            .ends_with(" /reports/1")
    );
    // Rejections.
    let mut client = site.lb.connect();
    client.send("GET /.env HTTP/1.1\r\nHost: other.example\r\n\r\n");
    client.assert_closed();
    assert_eq!(site.get("other.example", "/", "").status, 404);
    assert_eq!(site.get("other.example", "/status", "").status, 200);
    let closed = site.get("intranet.example", "/", "");
    assert_eq!(
        (closed.status, closed.field("retry-after")),
        (503, Some("86400"))
    );
    assert!(site.at("beta.example", "/").ends_with(" /"));
}
