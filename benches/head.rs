//! The cost of a head: reading it, and writing the one to send in its place.

#![allow(
    clippy::panic,
    reason = "a bench whose input is not read measures nothing"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lb::internal::http::{
    ConnectionOption, Forward, ForwardOptions, ForwardPolicy, HeadLimits, HeadParser, Method,
    Parsed, Peer, RequestHead, ResponseHead, ResponseRewrite,
};
use std::hint::black_box;

/// The request of curl.
const CURL: &[u8] = b"GET /100 HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.5.0\r\n\
    Accept: */*\r\n\
    \r\n";

/// The request of a browser: 12 fields, 600 bytes.
const BROWSER: &[u8] = b"GET /shop/articles?page=2&sort=price HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/126.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Referer: https://www.example.com/shop/articles\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\n\
    \r\n";

/// The response of a small server.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Proxy: tiny-http (Rust)\r\n\
    Date: Tue, 02 Jun 2026 10:00:00 GMT\r\n\
    Content-Type: text/plain; charset=UTF-8\r\n\
    Content-Length: 102\r\n\
    \r\n";

fn read_request(parser: &mut HeadParser, input: &[u8]) -> RequestHead {
    match parser.request(input) {
        Ok(Parsed::Complete(head)) => head,
        other => panic!("{other:?}"),
    }
}

fn read_response(parser: &mut HeadParser, input: &[u8]) -> ResponseHead {
    match parser.response(input, Method::Get) {
        Ok(Parsed::Complete(head)) => head,
        other => panic!("{other:?}"),
    }
}

fn requests(criterion: &mut Criterion) {
    let policy = ForwardPolicy::new(ForwardOptions::default(), "http", 8080);
    let forward = Forward {
        policy: &policy,
        client_ip: b"192.0.2.7",
        peer: Peer::Client,
        announced_port: None,
        request_id: None,
        host: None,
    };
    for (name, input) in [("curl", CURL), ("browser", BROWSER)] {
        let mut parser = HeadParser::new(HeadLimits::default());
        criterion.bench_function(&format!("request/{name}/read"), |bencher| {
            bencher.iter(|| {
                let head = read_request(&mut parser, black_box(input));
                assert_eq!(head.len, input.len());
                head
            });
        });
        let mut out = Vec::with_capacity(4096);
        criterion.bench_function(&format!("request/{name}/read_and_write"), |bencher| {
            bencher.iter(|| {
                out.clear();
                let head = read_request(&mut parser, black_box(input));
                parser.write_request(&head, input, &forward, &mut out);
                assert!(out.len() > input.len() && out.ends_with(b"\r\n\r\n"));
                out.len()
            });
        });
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("\r\nX-Forwarded-Port: 8080\r\n"), "{text}");
    }
}

fn responses(criterion: &mut Criterion) {
    let mut parser = HeadParser::new(HeadLimits::default());
    criterion.bench_function("response/read", |bencher| {
        bencher.iter(|| {
            let head = read_response(&mut parser, black_box(RESPONSE));
            assert_eq!(head.status, 200);
            head
        });
    });
    let rewrite = ResponseRewrite {
        connection: ConnectionOption::Close,
        ..ResponseRewrite::default()
    };
    criterion.bench_function("response/read_and_write", |bencher| {
        bencher.iter_batched_ref(
            || Vec::with_capacity(1024),
            |out| {
                let head = read_response(&mut parser, black_box(RESPONSE));
                parser.write_response(&head, RESPONSE, &rewrite, out);
                assert!(out.ends_with(b"\r\nConnection: close\r\n\r\n"));
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(head, requests, responses);
criterion_main!(head);
