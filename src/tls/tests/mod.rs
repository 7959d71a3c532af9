//! Sessions over a connection in memory that is cut wherever a test wants it.

mod certificates;
mod limits;
mod pipe;
mod resumption;
mod streams;

use super::{Certificate, Server, ServerSpec, Version};
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use rustls::RootCertStore;
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that is removed at the end of its test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lb-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate that signs itself, in files.
pub(super) struct SelfSigned {
    pub(super) der: CertificateDer<'static>,
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl SelfSigned {
    pub(super) fn read(&self) -> Certificate {
        Certificate::read(&self.chain, &self.key).unwrap()
    }
}

pub(super) fn self_signed(folder: &Folder, names: &[&str]) -> SelfSigned {
    self_signed_by(folder, names, &rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
}

pub(super) fn self_signed_by(
    folder: &Folder,
    names: &[&str],
    algorithm: &'static SignatureAlgorithm,
    change: impl FnOnce(&mut CertificateParams),
) -> SelfSigned {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    SelfSigned {
        der: certificate.der().clone(),
        chain: folder.write(&format!("{number}.pem"), certificate.pem()),
        key: folder.write(&format!("{number}.key"), key.serialize_pem()),
    }
}

pub(super) fn spec(certificates: Vec<Certificate>) -> ServerSpec {
    ServerSpec {
        certificates,
        is_strict: false,
        min_version: Version::Tls12,
        protocols: vec![b"http/1.1".to_vec()],
    }
}

pub(super) fn server(certificates: Vec<Certificate>) -> Server {
    Server::new(spec(certificates), None).unwrap()
}

/// The settings of a client that trusts a certificate.
pub(super) fn client_config(trusted: &CertificateDer<'static>, version: Version) -> ClientConfig {
    let versions = match version {
        Version::Tls12 => &[&rustls::version::TLS12][..],
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    ClientConfig::builder_with_provider(super::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(super) fn client(config: &Arc<ClientConfig>, name: &str) -> super::Session {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    UnbufferedClientConnection::new(Arc::clone(config), name)
        .unwrap()
        .into()
}
