//! TLS to clients: the real `lb` terminates it in both modes, and renews its certificates.

#![allow(
    clippy::disallowed_types,
    reason = "a crowd that says nothing needs no client"
)]

use crate::support::{Backend, Client, Content, End, Identity, Lb, SecureClient, TempFile, Wire};
use crate::support::{stays, until};
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A backend whose responses say by which protocol their client came.
fn telling_protocol() -> Backend {
    Backend::answering(|request| {
        let proto = request.field("x-forwarded-proto").unwrap_or("none");
        let length = proto.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{proto}").into_bytes()
    })
}

/// A TCP backend that sends back what it is sent, and ends when its client does.
fn returning() -> Backend {
    Backend::start(|mut wire: Wire, _| {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count) = wire.read(&mut bytes) {
            if wire.try_send(&bytes[..count]).is_err() {
                return;
            }
        }
        let _ = wire.try_send(b"that was all");
    })
}

#[test]
fn requests_are_served_over_both_versions() {
    let backend = telling_protocol();
    let identity = Identity::new();
    let lb = Lb::start(&[backend.address], &identity.flags());
    for version in [&TLS12, &TLS13] {
        let mut config = (*identity.trusted(version)).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let mut client = SecureClient::connect(lb.address, &config);
        assert_eq!(client.get("/1").unwrap(), "https");
        assert_eq!(client.protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(client.get("/2").unwrap(), "https", "the connection is kept");
        assert!(!client.is_resumed());
        drop(client);
        let mut client = SecureClient::connect(lb.address, &config);
        assert_eq!(client.get("/3").unwrap(), "https");
        assert!(client.is_resumed(), "{version:?}");
    }
    // Versions can be required.
    let args = [&identity.flags()[..], &["--tls-min-version", "1.3"]].concat();
    let lb = Lb::start(&[backend.address], &args);
    let mut old = SecureClient::connect(lb.address, &identity.trusted(&TLS12));
    assert!(old.get("/").is_err());
    let mut new = SecureClient::connect(lb.address, &identity.trusted(&TLS13));
    assert_eq!(new.get("/").unwrap(), "https");
}

#[test]
fn one_listener_may_be_plain_and_another_not() {
    let backend = telling_protocol();
    let identity = Identity::new();
    let args = [&identity.flags()[..], &["--listen", "tls+127.0.0.1:0"]].concat();
    let lb = Lb::start(&[backend.address], &args);
    let said = lb.stderr();
    let secure = said
        .split(", ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let secure = secure.unwrap().parse().unwrap();
    assert_eq!(Client::connect(lb.address).get("/").text(), "http");
    let config = identity.trusted(&TLS13);
    assert_eq!(
        SecureClient::connect(secure, &config).get("/").unwrap(),
        "https"
    );
}

#[test]
fn pipelined_and_large_bodies_are_exact() {
    let backend = Backend::answering(|request| {
        let length = request.body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &request.body].concat()
    });
    let identity = Identity::new();
    let lb = Lb::start(&[backend.address], &identity.flags());
    for version in [&TLS12, &TLS13] {
        let mut client = SecureClient::connect(lb.address, &identity.trusted(version));
        for size in [0, 1, 16_384, 100_000, 5_000_000] {
            let body = Content::first(size);
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n");
            client.send([head.as_bytes(), &body].concat()).unwrap();
            assert!(client.receive().unwrap() == body, "{size}");
        }
        // Several requests in one record.
        client
            .send("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20))
            .unwrap();
        for _ in 0..20 {
            assert!(client.receive().unwrap().is_empty());
        }
    }
}

#[test]
fn tcp_mode_is_terminated_and_half_closes() {
    let backend = returning();
    let identity = Identity::new();
    let lb = Lb::start_tcp(&[backend.address], &identity.flags());
    for version in [&TLS12, &TLS13] {
        let mut client = SecureClient::connect(lb.address, &identity.trusted(version));
        let bytes = Content::first(300_000);
        client.send(&bytes).unwrap();
        client.finish();
        let returned = client.read_to_end().unwrap();
        assert!(returned == [&bytes[..], b"that was all"].concat());
    }
}

#[test]
fn a_connection_that_is_cut_is_no_end() {
    let backend = Backend::start(|mut wire: Wire, _| {
        let (_, end) = wire.read_to_end();
        wire.send(match end {
            End::Closed => "a clean end",
            End::Reset | End::Silent => "a break",
        });
    });
    let identity = Identity::new();
    let lb = Lb::start_tcp(&[backend.address], &identity.flags());
    let mut client = SecureClient::connect(lb.address, &identity.trusted(&TLS13));
    client.send("part of a message").unwrap();
    until("the backend has it", || {
        backend.received_text().contains("part")
    });
    client.cut();
    // Nothing that the backend might say to a clean end comes back.
    let answer = client.read_to_end();
    assert!(!answer.is_ok_and(|answer| answer == b"a clean end"));
}

#[test]
fn what_is_no_tls_is_refused_and_silent_clients_are_let_go() {
    let backend = telling_protocol();
    let identity = Identity::new();
    let args = [&identity.flags()[..], &["--tls-handshake-timeout", "200ms"]].concat();
    let lb = Lb::start(&[backend.address], &args);
    let mut plain = Client::connect(lb.address).into_wire();
    plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let (alert, end) = plain.read_to_end();
    assert_eq!((alert.first(), end), (Some(&21), End::Closed));
    let (bytes, end) = Client::connect(lb.address).into_wire().read_to_end();
    assert_eq!((bytes.len(), end), (0, End::Closed));
    let mut slow = Client::connect(lb.address).into_wire();
    slow.send([22, 3, 1, 2, 0, 1]);
    assert_eq!(slow.read_to_end().1, End::Closed);
    let mut client = SecureClient::connect(lb.address, &identity.trusted(&TLS13));
    assert_eq!(client.get("/").unwrap(), "https");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_flood_of_silent_and_wrong_clients_keeps_nobody_out() {
    let backend = telling_protocol();
    let identity = Identity::new();
    let lb = Lb::start(&[backend.address], &identity.flags());
    let mut crowd: Vec<TcpStream> = Vec::new();
    for nth in 0..300 {
        let mut stream = TcpStream::connect(lb.address).unwrap();
        if nth % 2 == 0 {
            use std::io::Write;
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
        }
        crowd.push(stream);
    }
    let mut client = SecureClient::connect(lb.address, &identity.trusted(&TLS13));
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap(), "https");
    }
    // They are still there.
    crowd[0].set_nonblocking(true).unwrap();
    let waits = crowd[0].read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
}

/// The file of a balancer with two workers and a certificate.
fn file(backend: &Backend, identity: &Identity) -> String {
    format!(
        "workers = 2\n\
         [[listener]]\nlisten = \"127.0.0.1:0\"\ntls-cert = \"{}\"\ntls-key = \"{}\"\n\
         [pool.web]\nbackends = [\"{}\"]\nhealth = \"none\"\n",
        identity.chain.path(),
        identity.key.path(),
        backend.address
    )
}

#[test]
fn a_reload_renews_certificates_and_loses_nothing() {
    let backend = telling_protocol();
    let mut identity = Identity::new();
    let config = TempFile::new("tls", &file(&backend, &identity));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--config", config.path()]);
    let lb = Lb::spawn(command.stdout(Stdio::null()));
    let before = identity.trusted(&TLS13);
    let mut kept = SecureClient::connect(lb.address, &before);
    assert_eq!(kept.get("/").unwrap(), "https");
    identity.renew();
    lb.signal(Signal::HUP);
    until("it is loaded", || {
        lb.stderr().contains("reloaded: certificate")
    });
    let after = identity.trusted(&TLS13);
    for _ in 0..4 {
        let mut new = SecureClient::connect(lb.address, &after);
        assert_eq!(new.get("/").unwrap(), "https");
    }
    assert_eq!(
        kept.get("/").unwrap(),
        "https",
        "an open connection goes on"
    );
    // A ticket of before resumes at whichever worker.
    let mut resumed = SecureClient::connect(lb.address, &before);
    assert_eq!(resumed.get("/").unwrap(), "https");
    assert!(resumed.is_resumed());
    // What is broken changes nothing.
    identity.key.write("not a key");
    lb.signal(Signal::HUP);
    until("it is refused", || lb.stderr().contains("reload refused"));
    let mut new = SecureClient::connect(lb.address, &after);
    assert_eq!(new.get("/").unwrap(), "https");
}

#[test]
fn certificates_follow_their_files_and_sighup_without_a_configuration_file() {
    let backend = telling_protocol();
    let mut identity = Identity::new();
    let args: Vec<String> = identity.flags().map(str::to_owned).to_vec();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let lb = Lb::start(&[backend.address], &args);
    identity.renew();
    let after = identity.trusted(&TLS13);
    until("the new certificate is shown", || {
        SecureClient::connect(lb.address, &after).get("/").is_ok()
    });
    lb.signal(Signal::HUP);
    until("it is said", || lb.stderr().contains("reloaded: "));
    assert_eq!(
        SecureClient::connect(lb.address, &after).get("/").unwrap(),
        "https"
    );
}

#[test]
fn mistakes_are_told_before_anything_starts() {
    let (one, other) = (Identity::new(), Identity::new());
    for (args, problem) in [
        (
            vec!["--listen", "tls+127.0.0.1:0"],
            "there is no certificate",
        ),
        (vec!["--tls-cert", "/nonexistent"], "cannot be read"),
        (vec!["--tls-key", one.key.path()], "another flag needs it"),
        (
            vec![
                "--tls-cert",
                one.chain.path(),
                "--tls-key",
                other.key.path(),
            ],
            "is not the key of",
        ),
        (
            vec!["--tls-cert", one.chain.path()],
            "has no private key in it",
        ),
    ] {
        let all = [&["--backends", "127.0.0.1:9"], &args[..]].concat();
        let output = Lb::run(&all);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(problem), "{said}");
    }
}

#[test]
fn idle_connections_stay_open() {
    let backend = telling_protocol();
    let identity = Identity::new();
    let lb = Lb::start(&[backend.address], &identity.flags());
    let config = identity.trusted(&TLS13);
    let mut clients: Vec<_> = (0..20)
        .map(|_| SecureClient::connect(lb.address, &config))
        .collect();
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap(), "https");
    }
    stays("they are open", Duration::from_millis(100), || {
        lb.stderr().lines().count() == 1
    });
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap(), "https");
    }
}
