//! A WebSocket between two ends that know nothing of a balancer (RFC 6455).

#![allow(
    clippy::disallowed_types,
    reason = "tungstenite wants sockets of its own"
)]

use super::stand::PATIENCE;
use crate::support::Lb;
use std::net::{TcpListener, TcpStream};
use std::thread;
use tungstenite::{Message, accept, client};

/// Echoes each message, until the client closes.
fn echo(stream: TcpStream) {
    let mut socket = accept(stream).expect("a handshake");
    while let Ok(message) = socket.read() {
        match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).expect("sends"),
            _ => {}
        }
    }
}

#[test]
fn a_websocket_passes_in_both_modes() {
    for mode in ["http", "tcp"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || echo(listener.accept().unwrap().0));
        let lb = Lb::start(&[address], &["--mode", mode]);
        let stream = TcpStream::connect(lb.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut socket, response) = client("ws://a/chat", stream).expect("a handshake");
        assert_eq!(response.status().as_u16(), 101);
        let messages = [
            Message::text("hello"),
            Message::binary(vec![]),
            Message::binary(vec![0xA5; 300_000]),
            Message::text("caf\u{e9} ".repeat(1_000)),
        ];
        for message in messages {
            socket.send(message.clone()).unwrap();
            assert!(
                socket.read().unwrap() == message,
                "another message in {mode}"
            );
        }
        socket
            .send(Message::Ping(b"here?".to_vec().into()))
            .unwrap();
        assert_eq!(
            socket.read().unwrap(),
            Message::Pong(b"here?".to_vec().into())
        );
        socket.close(None).unwrap();
        let close = socket.read().expect("a closing handshake");
        assert!(close.is_close(), "{close:?}");
        server.join().unwrap();
    }
}
