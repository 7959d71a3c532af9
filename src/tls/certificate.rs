//! A certificate with its key, read from files and checked as far as files can tell.
//!
//! Owns what is read: the chain in PEM, the key in PKCS#8, SEC1 or PKCS#1, that the two belong
//! together, and the names and the time for which the certificate is valid. Whether clients trust it
//! is theirs to say.

use super::der;
use super::load_error::{FileRole, LoadError};
use super::provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureAlgorithm};
use std::fmt::{self, Debug, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a file with certificates or a key: more is a mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A certificate and its key.
#[derive(Clone)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    chain_file: PathBuf,
    key_file: PathBuf,
    contents: der::Contents,
}

impl Certificate {
    /// Reads the certificate in `chain`, first of those that lead to a root, and its key in `key`,
    /// which may be the same file.
    ///
    /// # Errors
    /// A file cannot be read or has nothing usable in it, or the two do not belong together.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, LoadError> {
        let certificates = chain_of(chain)?;
        let signer = key_of(key)?;
        let unreadable = || {
            let remedy = "name a file with a certificate in PEM first";
            LoadError::new(
                FileRole::Chain,
                chain,
                "the certificate is malformed",
                remedy,
            )
        };
        let first = certificates.first().ok_or_else(unreadable)?;
        let contents = der::read(first).ok_or_else(unreadable)?;
        let certified = CertifiedKey::new(certificates, signer);
        match certified.keys_match() {
            // Where the kind of key does not show its public half there is nothing to compare.
            Ok(()) | Err(Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let problem = format!("is not the key of {}", chain.display());
                let remedy = "name certificate and key in the same order";
                return Err(LoadError::new(FileRole::Key, key, problem, remedy));
            }
            Err(_) => return Err(unreadable()),
        }
        Ok(Self {
            key: Arc::new(certified),
            chain_file: chain.to_owned(),
            key_file: key.to_owned(),
            contents,
        })
    }

    /// The same from its files as they are now.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub fn read_again(&self) -> Result<Self, LoadError> {
        Self::read(&self.chain_file, &self.key_file)
    }

    /// The files it was read from: chain and key.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.chain_file, &self.key_file]
    }

    /// The DNS names it is for, in lower case; `*.` in front stands for one label.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.contents.names
    }

    /// The end of its validity, since the Unix epoch.
    #[must_use]
    pub const fn not_after(&self) -> Duration {
        self.contents.not_after
    }

    /// What is wrong with its validity at a time since the Unix epoch, if anything is: it is over,
    /// has not begun, or ends within `ahead`.
    #[must_use]
    pub fn complaint(&self, wall: Duration, ahead: Duration) -> Option<String> {
        let days = |time: Duration| time.as_secs() / (24 * 3600);
        let contents = &self.contents;
        if contents.not_after < wall {
            let ago = days(wall - contents.not_after);
            return Some(format!("has expired {ago} days ago"));
        }
        if contents.not_before > wall {
            let left = days(contents.not_before - wall);
            return Some(format!("is not valid for another {left} days"));
        }
        let left = contents.not_after - wall;
        (left < ahead).then(|| format!("expires in {} days", days(left)))
    }

    /// The kind of its key.
    pub(super) fn algorithm(&self) -> SignatureAlgorithm {
        self.key.key.algorithm()
    }

    /// Returns whether it is the same certificate with the same key.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl Debug for Certificate {
    /// Without its key.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("chain_file", &self.chain_file)
            .field("names", &self.contents.names)
            .finish_non_exhaustive()
    }
}

/// The certificates in a file.
pub(super) fn chain_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let refuse = |problem: String| {
        let remedy = "name a file with certificates in PEM (BEGIN CERTIFICATE)";
        LoadError::new(FileRole::Chain, path, problem, remedy)
    };
    let bytes = contents(path).map_err(refuse)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = read.map_err(|error| refuse(format!("is not PEM: {error}")))?;
    match found.is_empty() {
        true => Err(refuse("has no certificate in it".to_owned())),
        false => Ok(found),
    }
}

/// The key in a file, ready to sign.
fn key_of(path: &Path) -> Result<Arc<dyn rustls::sign::SigningKey>, LoadError> {
    let refuse = |problem: String| {
        let remedy = "name a file with an RSA, ECDSA or Ed25519 key in PEM, not encrypted";
        LoadError::new(FileRole::Key, path, problem, remedy)
    };
    let bytes = contents(path).map_err(refuse)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => match has_encrypted_key(&bytes) {
            true => refuse("its key is encrypted".to_owned()),
            false => refuse("has no private key in it".to_owned()),
        },
        error => refuse(format!("is not PEM: {error}")),
    })?;
    let loaded = provider().key_provider.load_private_key(key);
    loaded.map_err(|error| refuse(format!("its key cannot be used: {error}")))
}

fn has_encrypted_key(bytes: &[u8]) -> bool {
    let marks = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    marks
        .iter()
        .any(|mark| memchr::memmem::find(bytes, mark).is_some())
}

/// The bytes of a file; or why there are none.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let size = fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("has {size} bytes, which no certificate needs"));
    }
    fs::read(path).map_err(cannot)
}
