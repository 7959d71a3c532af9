//! Connections that a PROXY header describes, and what backends are told of them.

use super::*;
use crate::config::Mode;
use crate::http::ForwardOptions;
use crate::proxy_protocol::{self, Ends, ProxyHeader, ProxyVersion};

/// The client asked for `a.b` by TLS, at port 443 of the proxy in front.
const EXTENSIONS: &[u8] = b"\x02\x00\x03a.b\x20\x00\x05\x01\x00\x00\x00\x00";

fn header(extensions: &[u8]) -> Vec<u8> {
    let ends = Ends {
        source: "203.0.113.9:40000".parse().unwrap(),
        destination: "198.51.100.1:443".parse().unwrap(),
    };
    let mut header = Vec::new();
    proxy_protocol::write(ProxyVersion::V2, Some(ends), extensions, &mut header);
    header
}

/// What a backend is told by a header, and what follows it.
fn told(stage: &Stage) -> (Option<Ends>, Vec<u8>, String) {
    let heard = stage.heard_bytes(stage.link());
    let Ok(ProxyHeader::Complete { len, ends, .. }) = proxy_protocol::parse(&heard) else {
        panic!("{heard:?}");
    };
    let (header, rest) = heard.split_at(len);
    let rest = String::from_utf8_lossy(rest).into_owned();
    (ends, proxy_protocol::carried(header), rest)
}

#[test]
fn the_tls_of_a_client_is_carried_on_to_backends() {
    for (mode, bytes) in [(Mode::Http, GET), (Mode::Tcp, "hello")] {
        let mut setup = Setup::new(mode, 1);
        setup.accepts_proxy = true;
        setup.send_proxy = Some(ProxyVersion::V2);
        let mut stage = setup.raise();
        stage.ask([&header(EXTENSIONS)[..], bytes.as_bytes()].concat());
        let (ends, extensions, rest) = told(&stage);
        assert_eq!(ends.unwrap().source.to_string(), "203.0.113.9:40000");
        assert_eq!(extensions, EXTENSIONS);
        assert_eq!(rest, bytes);
        // Of a connection without them nothing is said.
        stage.ask([&header(b"")[..], bytes.as_bytes()].concat());
        assert_eq!(told(&stage).1, b"");
    }
}

/// The extensions describe the connection of the proxy, and not that of the client it names.
#[test]
fn the_tls_of_a_proxy_is_not_that_of_the_client_it_names() {
    let mut setup = Setup::new(Mode::Http, 1);
    setup.accepts_proxy = true;
    setup.send_proxy = Some(ProxyVersion::V2);
    setup.trusted_proxies = ["192.0.2.0/24", "203.0.113.0/24"]
        .map(|it| it.parse().unwrap())
        .into();
    let mut stage = setup.raise();
    let named = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 2001:db8::1\r\n\r\n");
    stage.ask([&header(EXTENSIONS)[..], named.as_bytes()].concat());
    let (ends, extensions, _) = told(&stage);
    assert_eq!(ends.unwrap().source.to_string(), "[2001:db8::1]:0");
    assert_eq!(extensions, b"");
}

#[test]
fn the_port_of_a_header_is_the_one_the_client_connected_to() {
    for (extensions, proto) in [(EXTENSIONS, "https"), (b"", "http")] {
        let mut setup = Setup::new(Mode::Http, 1);
        setup.accepts_proxy = true;
        setup.forward = ForwardOptions::default();
        let mut stage = setup.raise();
        stage.ask([&header(extensions)[..], GET.as_bytes()].concat());
        let heard = stage.heard(stage.link());
        let lines = format!("X-Forwarded-Proto: {proto}\r\nX-Forwarded-Port: 443\r\n");
        assert!(heard.contains(&lines), "{heard}");
    }
}

/// Two balancers in TCP mode, each the backend of the other.
#[test]
fn a_connection_that_comes_back_is_closed() {
    let raise = |seed| {
        let mut setup = Setup::new(Mode::Tcp, 1);
        setup.accepts_proxy = true;
        setup.send_proxy = Some(ProxyVersion::V2);
        setup.forward = ForwardOptions::default();
        setup.seed = seed;
        setup.raise()
    };
    let (mut one, mut other) = (raise(1), raise(2));
    let pass = |from: &mut Stage, to: &mut Stage| {
        let heard = from.heard_bytes(from.link());
        to.ask(heard)
    };
    one.ask([&header(EXTENSIONS)[..], b"hello"].concat());
    let at_other = pass(&mut one, &mut other);
    assert!(!other.is_closed(at_other), "it may pass two balancers");
    let back = pass(&mut other, &mut one);
    assert!(one.is_closed(back));
    assert_eq!(one.heard(back), "");
    assert_eq!(one.reason(), "loop");
    assert_eq!(one.backend_conns().len(), 1);
    // Another client of the same balancer is served.
    let fresh = one.ask([&header(EXTENSIONS)[..], b"hello"].concat());
    assert!(!one.is_closed(fresh));
}
