//! What routes do to requests and responses besides choosing a pool, through the real `lb`.

use crate::support::{Backend, Refusing, Site, TempFile, refusal, verdict};

#[test]
fn prefixes_are_stripped_and_added() {
    for (route, target, at_backend) in [
        ("strip-prefix = \"/x\"", "/x/a?q=1", "GET /a?q=1"),
        ("strip-prefix = \"/x\"", "/x", "GET /"),
        ("strip-prefix = \"/x\"", "/y/../x//a%62", "GET /ab"),
        (
            "strip-prefix = \"/x\"\nadd-prefix = \"/v2\"",
            "/x/a",
            "GET /v2/a",
        ),
        ("add-prefix = \"/v2/\"", "/x/a", "GET /v2/x/a"),
        ("strip-prefix = \"/x\"", "http://any/x/a", "GET /a"),
    ] {
        let backend = Backend::echo();
        let site = Site::new(backend.address, "", route);
        let mut client = site.connect();
        assert_eq!(client.get(target).text(), at_backend, "{route}");
        assert_eq!(
            client.get("/other/x").text(),
            "GET /other/x",
            "not of the route"
        );
    }
}

#[test]
fn fields_of_requests_and_responses_are_changed() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nServer: old\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let route = r#"
        request-set = { X-Client = "{client}", X-What = "{method} {scheme}://{host}{path}{query}" }
        request-append = { X-Tag = "b" }
        request-remove = "Cookie"
        response-set = { Server = "{pool} at {backend}", X-Id = "{request_id}" }
        response-append = { X-Kept = "2" }
        response-remove = ["X-Powered-By"]
    "#;
    let site = Site::new(backend.address, "", route);
    let mut client = site.connect();
    let lines =
        "Cookie: a=b\r\ncookie: c\r\nX-Client: forged\r\nX-Tag: a\r\nX-Request-Id: me-1\r\n";
    let response = client.get_with("/x/y?z", lines);
    let sent = backend.received_text();
    for line in [
        "X-Client: 127.0.0.1",
        "X-What: GET http://x/x/y?z",
        "X-Tag: a",
        "X-Tag: b",
    ] {
        assert!(
            sent.contains(&format!("\r\n{line}\r\n")),
            "{line} in {sent}"
        );
    }
    assert!(
        !sent.to_lowercase().contains("cookie") && !sent.contains("forged"),
        "{sent}"
    );
    let served_by = format!("web at {}", backend.address);
    assert_eq!(response.field("server"), Some(served_by.as_str()));
    assert_eq!(response.field("x-id"), Some("me-1"));
    let kept = response
        .message
        .fields
        .iter()
        .filter(|(name, _)| name == "x-kept");
    assert_eq!(kept.count(), 2);
    assert_eq!(
        client.get("/").field("server"),
        Some("old"),
        "not of the route"
    );
}

#[test]
fn a_route_has_timeouts_of_its_own() {
    let backend = Backend::start(|mut wire, _| {
        // It never responds.
        while wire.read_request().is_some() {}
    });
    let route = "first-byte-timeout = \"200ms\"\nmax-retries = 0";
    let site = Site::new(backend.address, "", route);
    let timed_out = refusal(504, "backend_timeout");
    assert_eq!(verdict(&mut site.connect(), "/x", ""), timed_out);
}

#[test]
fn a_route_has_retries_of_its_own() {
    let backend = Backend::breaking_off("");
    let site = Site::new(backend.address, "", "max-retries = 0");
    let gone = refusal(502, "backend_gone");
    assert_eq!(verdict(&mut site.connect(), "/x", ""), gone);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn bodies_that_are_too_long_are_refused() {
    let backend = Backend::echo();
    let site = Site::new(backend.address, "", "max-body-bytes = 10");
    let mut client = site.connect();
    assert_eq!(client.post("/x", b"0123456789").status, 200);
    let refused = client.post("/x", b"0123456789a");
    assert_eq!(refused.status, 413);
    assert!(refused.text().contains("(body_too_large)"));
    assert_eq!(
        client.post("/y", b"0123456789a").status,
        200,
        "not of the route"
    );
    let chunked =
        "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
    client.send(format!("POST /x HTTP/1.1\r\n{chunked}"));
    assert_eq!(client.receive().status, 200, "framing does not count");
    // In chunks, with the head and after it.
    for (first, rest) in [
        ("14\r\n01234567890123456789\r\n0\r\n\r\n", ""),
        ("", "8\r\n01234567\r\n3\r\nabc\r\n"),
    ] {
        let mut client = site.connect();
        let head = "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{first}"));
        // The other end may have closed after its response.
        let _ = client.try_send(rest.as_bytes());
        assert_eq!(client.receive().status, 413, "{first:?}, {rest:?}");
    }
}

#[test]
fn pages_from_elsewhere_are_asked_for_and_told() {
    let backend = Backend::answering(|_| {
        let head = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n";
        head.into()
    });
    let route = r#"
        cors-origins = ["https://shop.example", "https://www.example:8443"]
        cors-methods = ["GET", "PUT"]
        cors-credentials = true
    "#;
    let site = Site::new(backend.address, "", route);
    let mut client = site.connect();
    client.send(
        "OPTIONS /x HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n\
         Access-Control-Request-Method: PUT\r\n\r\n",
    );
    let preflight = client.receive();
    assert_eq!(preflight.status, 204);
    let allowed = "access-control-allow-origin";
    assert_eq!(preflight.field(allowed), Some("https://shop.example"));
    assert_eq!(
        preflight.field("access-control-allow-methods"),
        Some("GET, PUT")
    );
    assert_eq!(backend.connections(), 0);
    let own = client.get_with("/x", "Origin: https://www.example:8443\r\n");
    assert_eq!(own.field(allowed), Some("https://www.example:8443"));
    assert_eq!(own.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(own.field("vary"), Some("Origin"));
    let other = client.get_with("/x", "Origin: https://evil.example\r\n");
    assert_eq!((other.status, other.field(allowed)), (200, None));
}

#[test]
fn a_route_has_pages_of_its_own_for_errors() {
    let page = "<h1>soon</h1>";
    let file = TempFile::with_end("page", ".html", page);
    let gone = Refusing::new();
    let route = format!("error-pages = {{ \"503\" = \"{}\" }}", file.path());
    let site = Site::new(gone.address, "", &route);
    let mut client = site.connect();
    let down = client.get("/x");
    assert_eq!((down.status, down.text().as_str()), (503, page));
    assert_eq!(down.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(client.get("/y").text().contains("(connect_failed)"));
}

#[test]
fn a_cookie_keeps_a_client_with_its_pool() {
    let [web, canary] = ["web", "canary"].map(|name| {
        Backend::answering(move |_| {
            let length = name.len();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes()
        })
    });
    let route = format!(
        "split = {{ web = 1, canary = 1 }}\nsplit-cookie = \"side\"\n\
         [pool.canary]\nbackends = \"{}\"",
        canary.address
    );
    let site = Site::leading(web.address, "", &route);
    let mut client = site.connect();
    let mut seen = [0, 0];
    for _ in 0..40 {
        let first = client.get("/x");
        let name = first.text();
        let cookie = format!("side={name}");
        let set = first.field("set-cookie").unwrap();
        assert_eq!(set, format!("{cookie}; Path=/; HttpOnly; SameSite=Lax"));
        seen[usize::from(name == "canary")] += 1;
        let again = client.get_with("/x", &format!("Cookie: a=b; {cookie}\r\n"));
        assert_eq!((again.text(), again.field("set-cookie")), (name, None));
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    assert!(
        client
            .get_with("/x", "Cookie: side=old\r\n")
            .field("set-cookie")
            .is_some()
    );
}
