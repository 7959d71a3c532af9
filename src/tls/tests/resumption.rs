//! Tickets resume sessions: at the same server, at one that succeeds it, and never at a stranger.

use super::pipe::{Peer, pair, shake_hands};
use super::{Folder, client, client_config, self_signed, server, spec};
use crate::tls::{Server, Version};
use rustls::client::ClientConfig;
use std::sync::Arc;

/// Connects and talks, so that a ticket arrives. Returns whether a session was resumed.
fn is_resumed(config: &Arc<ClientConfig>, server: &Server) -> bool {
    let (near, far) = pair();
    let mut client = Peer::new(near, client(config, "example.com"));
    let mut server = Peer::new(far, server.accept().unwrap());
    shake_hands(&mut client, &mut server).unwrap();
    server.write(b"hello");
    client.read(100);
    assert_eq!(client.received, b"hello");
    server.socket.io().facts().unwrap().is_resumed
}

#[test]
fn sessions_are_resumed_across_renewals_and_not_by_others() {
    for version in [Version::Tls12, Version::Tls13] {
        let folder = Folder::new();
        let certificate = self_signed(&folder, &["example.com"]);
        let first = server(vec![certificate.read()]);
        let config = Arc::new(client_config(&certificate.der, version));
        assert!(!is_resumed(&config, &first));
        assert!(is_resumed(&config, &first), "{version:?}");
        // Another configuration of the same listener, and new certificates.
        let second = Server::new(spec(vec![certificate.read()]), Some(&first)).unwrap();
        assert!(is_resumed(&config, &second), "{version:?}");
        second.replace(spec(vec![certificate.read()])).unwrap();
        assert!(is_resumed(&config, &second), "{version:?}");
        let stranger = server(vec![certificate.read()]);
        assert!(!is_resumed(&config, &stranger), "{version:?}");
    }
}
