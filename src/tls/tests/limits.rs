//! What a peer can make a session do is bounded.

use super::pipe::{Peer, pair, shake_hands};
use super::{Folder, client, client_config, self_signed, server};
use crate::tls::{Handshake, Version};
use std::io;
use std::sync::Arc;

/// A server that waits for a hello, and the other end.
fn waiting() -> (super::pipe::End, Peer) {
    let folder = Folder::new();
    let certificate = self_signed(&folder, &["example.com"]);
    let server = server(vec![certificate.read()]);
    let (near, far) = pair();
    (near, Peer::new(far, server.accept().unwrap()))
}

#[test]
fn what_is_no_tls_is_refused_with_an_alert() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[0; 100],
        &[0x80, 0x2e, 1, 3, 1],
    ] {
        let (far, mut server) = waiting();
        far.inject(bytes);
        let error = server.handshake().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let alert = far.arriving();
        assert_eq!(alert.first(), Some(&21), "{alert:?}");
    }
}

#[test]
fn an_endless_hello_is_refused() {
    let (far, mut server) = waiting();
    // A handshake message of 65,000 bytes, of which each record brings 16,000.
    let mut record = vec![22, 3, 1, 0x3e, 0x80];
    let mut body = vec![0; 16_000];
    body[..4].copy_from_slice(&[1, 0, 0xfd, 0xe8]);
    record.extend(body);
    far.inject(&record);
    assert_eq!(server.handshake().unwrap(), Handshake::UnderWay);
    let more = [&[22, 3, 1, 0x3e, 0x80][..], &[0; 16_000]].concat();
    let results: Vec<_> = (0..3)
        .map(|_| {
            far.inject(&more);
            server.handshake()
        })
        .collect();
    assert!(results.iter().any(Result::is_err), "{results:?}");
    assert_eq!(server.vault.buffers_lent(), 0);
}

#[test]
fn records_without_content_do_not_hold_the_loop() {
    let folder = Folder::new();
    let certificate = self_signed(&folder, &["example.com"]);
    let server = server(vec![certificate.read()]);
    let config = Arc::new(client_config(&certificate.der, Version::Tls13));
    let (near, far) = pair();
    let mut client = Peer::new(near, client(&config, "example.com"));
    let mut server = Peer::new(far, server.accept().unwrap());
    shake_hands(&mut client, &mut server).unwrap();
    // Change-cipher-spec records, which mean nothing in TLS 1.3.
    let flood = [20, 3, 3, 0, 1, 1].repeat(100_000);
    client.end().inject(&flood);
    server.read(1_000);
    assert_eq!(server.last, Some(crate::transport::Received::Failed));
}

#[test]
fn a_hello_byte_by_byte_is_understood() {
    let folder = Folder::new();
    let certificate = self_signed(&folder, &["example.com"]);
    let server = server(vec![certificate.read()]);
    let config = Arc::new(client_config(&certificate.der, Version::Tls13));
    let (near, far) = pair();
    let mut client = Peer::new(near, client(&config, "example.com"));
    let mut server = Peer::new(far, server.accept().unwrap());
    assert_eq!(client.handshake().unwrap(), Handshake::UnderWay);
    for byte in server.end().drain_arriving() {
        client.end().inject(&[byte]);
        assert_eq!(server.handshake().unwrap(), Handshake::UnderWay);
    }
    shake_hands(&mut client, &mut server).unwrap();
    assert_eq!(server.vault.buffers_lent(), 0);
}
