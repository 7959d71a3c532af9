//! What is sent arrives, wherever reads and writes are cut; and an end is told from a break.

use super::pipe::{Peer, pair, shake_hands};
use super::{Folder, client, client_config, self_signed, server};
use crate::tls::Version;
use crate::transport::Received;
use std::io::IoSlice;
use std::sync::Arc;

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

/// A client and a server whose handshake is over, at the ends of a connection that moves so many
/// bytes at once.
fn connected(version: Version, cut: usize) -> (Peer, Peer) {
    let folder = Folder::new();
    let certificate = self_signed(&folder, &["example.com"]);
    let server = server(vec![certificate.read()]);
    let config = Arc::new(client_config(&certificate.der, version));
    let (mut near, mut far) = pair();
    (near.cut, far.cut) = (cut, cut);
    let mut client = Peer::new(near, client(&config, "example.com"));
    let mut server = Peer::new(far, server.accept().unwrap());
    shake_hands(&mut client, &mut server).unwrap();
    assert_eq!(server.socket.io().facts().unwrap().version, Some(version));
    (client, server)
}

/// Bytes that are nowhere the same.
fn message(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// Sends all of `bytes`, the other side reading whenever nothing more is taken.
fn carry(from: &mut Peer, to: &mut Peer, bytes: &[u8], read_size: usize) {
    let mut sent = 0;
    for _ in 0..1_000_000 {
        if sent == bytes.len() {
            to.read(read_size);
            return;
        }
        let count = from.write(&bytes[sent..]);
        assert!(sent + count <= bytes.len());
        sent += count;
        to.read(read_size);
    }
    panic!("{sent} of {} bytes were sent", bytes.len());
}

#[test]
fn handshake_and_data_survive_any_cut() {
    for version in VERSIONS {
        for cut in [1, 2, 3, 5, 16, 17, 100, 1_000, 16_384, usize::MAX] {
            let (mut client, mut server) = connected(version, cut);
            let request = message(3_000);
            carry(&mut client, &mut server, &request, 700);
            assert!(server.received == request, "{version:?}, {cut}");
            carry(&mut server, &mut client, &request, 32 * 1024);
            assert!(client.received == request, "{version:?}, {cut}");
        }
    }
}

#[test]
fn every_size_of_message_and_buffer_is_exact() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version, usize::MAX);
        let mut expected = Vec::new();
        for size in [
            1, 2, 15, 16_383, 16_384, 16_385, 32_768, 32_769, 100_000, 300_000,
        ] {
            for read_size in [1_000, 4_096, 32 * 1024] {
                let bytes = message(size);
                carry(&mut client, &mut server, &bytes, read_size);
                expected.extend_from_slice(&bytes);
                assert!(server.received == expected, "{size} by {read_size}");
            }
        }
        assert_eq!(server.vault.buffers_lent(), 0);
    }
}

#[test]
fn data_behind_a_sink_that_takes_any_number_of_bytes_is_exact() {
    for version in VERSIONS {
        let bytes = message(600);
        let (mut client, mut server) = connected(version, usize::MAX);
        for room in 1..700 {
            server.received.clear();
            client.end().limit(room);
            let mut sent = client.write(&bytes);
            // The rest finds room when the first bytes were read, and not before.
            assert!(!client.socket.may_write() || sent == bytes.len(), "{room}");
            while sent < bytes.len() {
                server.read(4_096);
                sent += client.write(&bytes[sent..]);
            }
            server.read(4_096);
            assert!(server.received == bytes, "{version:?}, {room}");
            assert_eq!(client.vault.buffers_lent(), 0);
        }
    }
}

#[test]
fn a_message_counts_as_taken_only_when_the_connection_has_it() {
    let (mut client, mut server) = connected(Version::Tls13, usize::MAX);
    client.end().limit(50);
    let bytes = message(100);
    let taken = client.write(&bytes);
    assert_eq!(taken, 99);
    assert_eq!(client.vault.buffers_lent(), 1);
    // Nothing more goes as long as there is no room.
    assert_eq!(client.write(&bytes[99..]), 0);
    client.end().limit(usize::MAX);
    assert_eq!(client.write(&bytes[99..]), 1);
    assert_eq!(client.vault.buffers_lent(), 0);
    server.read(4_096);
    assert_eq!(server.received, bytes);
}

#[test]
fn parts_and_batches_are_sent_in_order() {
    for (first, second, third) in [
        (10, 0, 5),
        (500, 20_000, 1),
        (0, 0, 70_000),
        (40_000, 1, 40_000),
    ] {
        let (mut client, mut server) = connected(Version::Tls13, usize::MAX);
        let parts = [message(first), message(second), message(third)];
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let sent = client.socket.send(&slices).unwrap();
        assert_eq!(sent, first + second + third);
        server.read(32 * 1024);
        assert!(server.received == parts.concat());
    }
}

#[test]
fn the_end_is_told_and_half_closes() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version, usize::MAX);
        carry(&mut client, &mut server, b"question", 100);
        client.socket.finish();
        server.read(100);
        assert_eq!(
            (server.last, &server.received[..]),
            (Some(Received::End), &b"question"[..])
        );
        // The other direction goes on, and its last bytes come with its end.
        let parts = [IoSlice::new(b"answer")];
        assert_eq!(server.socket.send_last(&parts), Ok(6));
        server.socket.finish();
        client.read(100);
        assert_eq!(
            (client.last, &client.received[..]),
            (Some(Received::End), &b"answer"[..])
        );
    }
}

#[test]
fn the_end_of_a_session_needs_no_end_of_the_connection() {
    let (mut client, mut server) = connected(Version::Tls13, usize::MAX);
    client.socket.finish();
    // An event says that there is something to read, and no more.
    server.read(100);
    assert_eq!(server.last, Some(Received::End));
}

#[test]
fn an_end_without_notice_is_a_break() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version, usize::MAX);
        carry(&mut client, &mut server, b"part", 100);
        client.end().cut_off();
        server.read(100);
        assert_eq!(
            (server.last, &server.received[..]),
            (Some(Received::Failed), &b"part"[..])
        );
    }
}

#[test]
fn last_bytes_that_find_no_room_come_before_the_end() {
    for room in (0..200).step_by(7) {
        let (mut client, mut server) = connected(Version::Tls13, usize::MAX);
        client.read(100);
        client.end().limit(room);
        let bytes = message(120);
        let mut sent = client.socket.send_last(&[IoSlice::new(&bytes)]).unwrap();
        while sent < bytes.len() {
            server.read(4_096);
            client.socket.note(crate::transport::Readiness {
                writable: true,
                ..Default::default()
            });
            client.end().limit(room + 1);
            sent += client.socket.send(&[IoSlice::new(&bytes[sent..])]).unwrap();
        }
        client.socket.finish();
        server.read(4_096);
        assert_eq!(
            (server.last, server.received),
            (Some(Received::End), bytes),
            "{room}"
        );
    }
}

#[test]
fn changed_bytes_break_the_session_and_are_not_passed_on() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version, usize::MAX);
        client.write(b"a secret");
        let mut bytes = server.end().drain_arriving();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        client.end().inject(&bytes);
        server.read(100);
        assert_eq!(
            (server.last, server.received.len()),
            (Some(Received::Failed), 0)
        );
        // The peer learns why.
        client.read(100);
        assert_eq!(client.last, Some(Received::Failed));
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let (mut client, mut server) = connected(Version::Tls13, 7);
    assert_eq!(
        (client.vault.buffers_lent(), server.vault.buffers_lent()),
        (0, 0)
    );
    let bytes = message(50_000);
    carry(&mut client, &mut server, &bytes, 4_096);
    assert_eq!(
        (client.vault.buffers_lent(), server.vault.buffers_lent()),
        (0, 0)
    );
    // Half a record is kept, and given back with the connection.
    client.end().cut = usize::MAX;
    client.write(b"half");
    let bytes = server.end().drain_arriving();
    client.end().inject(&bytes[..10]);
    server.read(100);
    assert_eq!(server.vault.buffers_lent(), 1);
    let vault = server.vault.clone();
    drop(server);
    assert_eq!(vault.buffers_lent(), 0);
}
