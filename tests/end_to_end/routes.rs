//! Routes of a configuration file, through the real `lb`.

use crate::support::{Backend, Lb, TempFile};
use std::process::Stdio;

/// A backend whose responses say `name`.
fn saying(name: &'static str) -> Backend {
    Backend::answering(move |_| {
        let length = name.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes()
    })
}

/// A balancer with pools `web`, `api` and `canary`, and these routes.
struct Site {
    lb: Lb,
    _backends: [Backend; 3],
    _file: TempFile,
}

impl Site {
    fn new(listener: &str, routes: &str) -> Self {
        let backends = ["web", "api", "canary"].map(saying);
        let [web, api, canary] = [0, 1, 2].map(|nth| backends[nth].address);
        let config = format!(
            "[[listener]]\nlisten = \"127.0.0.1:0\"\n{listener}\n{routes}\n\
             [pool.web]\nbackends = [\"{web}\"]\n[pool.api]\nbackends = [\"{api}\"]\n\
             [pool.canary]\nbackends = [\"{canary}\"]\n"
        );
        let file = TempFile::new("routes", &config);
        let flags = ["--config", file.path()];
        let lb = Lb::spawn(Lb::command(&[], &flags).stdout(Stdio::null()));
        Self {
            lb,
            _backends: backends,
            _file: file,
        }
    }

    /// The body of the response to a request.
    fn get(&self, host: &str, target: &str) -> String {
        let mut client = self.lb.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.receive().text()
    }
}

#[test]
fn requests_go_to_the_pool_of_their_host_and_path() {
    let site = Site::new(
        "pool = \"web\"",
        r#"
        [[route]]
        host = "a.example"
        path = "/api"
        pool = "api"
        [[route]]
        host = "*.beta.example"
        pool = "canary"
        [[route]]
        path-exact = "/health"
        pool = "api"
        "#,
    );
    for (host, target, pool) in [
        ("a.example", "/", "web"),
        ("a.example", "/api", "api"),
        ("A.Example.:80", "/api/x?y", "api"),
        ("a.example", "/x/../%61pi/", "api"),
        ("a.example", "/apis", "web"),
        ("x.y.beta.example", "/api", "canary"),
        ("beta.example", "/api", "web"),
        ("b", "/health", "api"),
        ("b", "/health/", "web"),
        ("b", "http://a.example/api", "api"),
    ] {
        assert_eq!(site.get(host, target), pool, "{host} {target}");
    }
    // One connection may be served by several pools in turn.
    let mut client = site.lb.connect();
    for (target, pool) in [("/", "web"), ("/api/1", "api"), ("/", "web")] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(client.receive().text(), pool);
    }
    for target in ["/api%2fx", "/../api", "/a\\b", "/%zz"] {
        assert!(
            site.get("a.example", target).contains("(ambiguous_target)"),
            "{target}"
        );
    }
}

#[test]
fn conditions_and_shares_decide_among_pools() {
    let site = Site::new(
        "",
        r#"
        [[route]]
        method = ["POST", "PUT"]
        pool = "api"
        [[route]]
        header = { X-Canary = "1" }
        pool = "canary"
        [[route]]
        client = "192.0.2.0/24"
        pool = "api"
        [[route]]
        path = "/split"
        split = { web = 1, canary = 0 }
        [[route]]
        host = "a"
        pool = "web"
        "#,
    );
    let mut client = site.lb.connect();
    assert_eq!(client.post("/", b"body").text(), "api");
    assert_eq!(client.get_with("/", "X-Canary: 1\r\n").text(), "canary");
    for _ in 0..5 {
        assert_eq!(client.get("/split").text(), "web");
    }
    assert_eq!(site.get("a", "/"), "web");
    let missed = client.get("/");
    assert_eq!(
        (missed.status, missed.text().contains("(no_route)")),
        (404, true)
    );
    assert_eq!(
        client.get("/split/x").text(),
        "web",
        "the connection persists after a 404"
    );
}

#[test]
fn redirects_and_fixed_responses_are_made_here() {
    let site = Site::new(
        "pool = \"web\"",
        r#"
        [[route]]
        host = "old.example"
        redirect = "https://new.example{path}{query}"
        status = 308
        [[route]]
        path = "/down"
        respond = 503
        body = "back soon\n"
        fields = { "Retry-After" = "120", "Content-Type" = "text/plain" }
        [[route]]
        path = "/private"
        respond = 403
        "#,
    );
    let mut client = site.lb.connect();
    client.send("GET /a%20b?q=1 HTTP/1.1\r\nHost: OLD.example\r\n\r\n");
    let moved = client.receive();
    assert_eq!(moved.status, 308);
    assert_eq!(
        moved.field("location"),
        Some("https://new.example/a%20b?q=1")
    );
    assert_eq!(moved.field("content-length"), Some("0"));

    let down = client.post("/down", b"all of it");
    assert_eq!((down.status, down.text().as_str()), (503, "back soon\n"));
    assert_eq!(down.field("retry-after"), Some("120"));
    assert_eq!(client.get("/private/x").status, 403);
    assert_eq!(client.get("/").text(), "web");

    // A body that is not read ends the connection; the response comes all the same.
    client.send("POST /down HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nfirst");
    let cut = client.receive();
    assert_eq!((cut.status, cut.field("connection")), (503, Some("close")));
}

#[test]
fn a_redirect_to_the_host_that_was_asked_is_refused_if_none_was() {
    let routes = r#"
        [[route]]
        path = "/other"
        redirect = "https://new.example{path}"
        [[route]]
        redirect = "https://{host}{path}"
        "#;
    let site = Site::new("pool = \"web\"", routes);
    for (request, status, location) in [
        ("GET /x HTTP/1.0\r\n\r\n", 400, None),
        ("GET /x HTTP/1.1\r\nHost:\r\n\r\n", 400, None),
        (
            "GET /other HTTP/1.0\r\n\r\n",
            302,
            Some("https://new.example/other"),
        ),
        (
            "GET /x HTTP/1.0\r\nHost: a.example:81\r\n\r\n",
            302,
            Some("https://a.example/x"),
        ),
        (
            "GET http://b.example/x HTTP/1.0\r\n\r\n",
            302,
            Some("https://b.example/x"),
        ),
    ] {
        let mut client = site.lb.connect();
        client.send(request);
        let response = client.receive();
        let found = (response.status, response.field("location"));
        assert_eq!(found, (status, location), "{request}");
    }
}

#[test]
fn a_redirect_keeps_the_scheme_that_a_trusted_proxy_names() {
    let routes = "[[route]]\nhost = \"old.example\"\nredirect = \"{scheme}://new.example{path}\"\n";
    for field in [
        "X-Forwarded-Proto: https",
        "Forwarded: for=192.0.2.7;proto=https",
    ] {
        let request = format!("GET /x HTTP/1.1\r\nHost: old.example\r\n{field}\r\n\r\n");
        for (trusted, expected) in [
            ("trusted-proxies = \"127.0.0.0/8\"", "https://new.example/x"),
            ("trusted-proxies = \"10.0.0.0/8\"", "http://new.example/x"),
            ("", "http://new.example/x"),
        ] {
            let site = Site::new(&format!("pool = \"web\"\n{trusted}"), routes);
            let mut client = site.lb.connect();
            client.send(&request);
            assert_eq!(
                client.receive().field("location"),
                Some(expected),
                "{trusted} {field}"
            );
        }
    }
}
