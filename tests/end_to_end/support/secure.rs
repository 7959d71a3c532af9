//! Certificates of tests, and a client that speaks TLS by the buffered interface of rustls.

use super::temp_file::TempFile;
use super::wait::PATIENCE;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::{ClientConfig, ClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

/// A certificate for `lb.test` that signs itself, in files.
pub(crate) struct Identity {
    der: CertificateDer<'static>,
    pub(crate) chain: TempFile,
    pub(crate) key: TempFile,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let (der, chain, key) = made();
        Self {
            der,
            chain: TempFile::with_end("tls", ".pem", &chain),
            key: TempFile::with_end("tls", ".key", &key),
        }
    }

    /// The flags that name its files.
    pub(crate) fn flags(&self) -> [&str; 4] {
        [
            "--tls-cert",
            self.chain.path(),
            "--tls-key",
            self.key.path(),
        ]
    }

    /// Puts another certificate and key into the files.
    pub(crate) fn renew(&mut self) {
        let (der, chain, key) = made();
        self.der = der;
        self.key.write(&key);
        self.chain.write(&chain);
    }

    /// The settings of a client that trusts it and speaks this version.
    pub(crate) fn trusted(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

fn made() -> (CertificateDer<'static>, String, String) {
    let params = CertificateParams::new(vec!["lb.test".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (
        certificate.der().clone(),
        certificate.pem(),
        key.serialize_pem(),
    )
}

/// A connection with TLS, its handshake not begun.
pub(crate) struct SecureClient(StreamOwned<ClientConnection, TcpStream>);

impl SecureClient {
    pub(crate) fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(to).expect("connects");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("lb.test").unwrap();
        let conn = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self(StreamOwned::new(conn, stream))
    }

    /// The protocol that ALPN agreed on.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.0.conn.alpn_protocol()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref())?;
        self.0.flush()
    }

    /// Says that nothing more comes, and keeps reading.
    pub(crate) fn finish(&mut self) {
        self.0.conn.send_close_notify();
        self.0.flush().unwrap();
    }

    /// Ends the connection below, without a word.
    pub(crate) fn cut(&mut self) {
        self.0.sock.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all)?;
        Ok(all)
    }

    /// The body of the response to a request, which has a length.
    pub(crate) fn get(&mut self, target: &str) -> io::Result<String> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: lb.test\r\n\r\n"))?;
        let body = self.receive()?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The body of the next response, which has a length.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head.split("content-length: ").nth(1).expect("a length");
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}
