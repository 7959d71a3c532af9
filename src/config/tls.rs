//! TLS to clients: certificates, versions, limits.

use super::settings::{Scope, Section, within};
use super::{ConfigError, ConfigErrorKind, Mode};
use crate::tls::{Certificate, FileRole, LoadError, ServerSpec, Version};
use std::path::PathBuf;
use std::time::Duration;

static SECTION: Section = Section {
    title: "TLS (to clients)",
    scope: Scope::Listener,
};

/// The only protocol that is spoken over TLS in HTTP mode, as ALPN knows it (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

settings! {
    /// TLS to clients.
    #[derive(Clone, Debug)]
    pub(crate) struct TlsSettings in draft.tls, section SECTION;

    /// File with a certificate and those between it and a root, in PEM
    ///
    /// Every address of the listener then speaks TLS 1.3 and 1.2, or those alone that are written
    /// tls+ADDRESS, if any is. The flag can be repeated: a client is shown the certificate for the
    /// name that it asks for, exact or *.example.com, else the first. Files are read again at SIGHUP,
    /// and when they change.
    "tls-cert" <"FILE,..."> cert: Vec<PathBuf> = Vec::new();

    /// File with the key of each certificate, in the same order [default: in the same file]
    ///
    /// RSA, ECDSA or Ed25519, in PEM (PKCS#8, SEC1 or PKCS#1), not encrypted. ECDSA keys sign many
    /// times faster than RSA ones.
    "tls-key" <"FILE,..."> key: Vec<PathBuf> = Vec::new(), with { requires: Some("tls-cert") };

    /// Oldest version of TLS: 1.2 or 1.3
    "tls-min-version" <"1.2|1.3"> min_version: Version = Version::Tls12, with { requires: Some("tls-cert") };

    /// Refuse clients that ask for a name without a certificate: on or off
    ///
    /// Off: they are shown the first certificate. A client that asks for no name is refused neither
    /// way if this is off, and always if it is on.
    "tls-strict-sni" <"on|off"> strict_sni: bool = false, with { requires: Some("tls-cert") };

    /// Time for a TLS handshake
    "tls-handshake-timeout" <"TIME"> handshake_timeout: Duration = Duration::from_secs(10),
        check within(Duration::from_millis(1)..=Duration::from_secs(3600)),
        with { requires: Some("tls-cert") };
}

/// TLS to the clients of a listener, with its certificates read.
#[derive(Clone, Debug)]
pub struct ListenerTlsConfig {
    /// Certificates, versions and protocols.
    pub(crate) spec: ServerSpec,
    /// Time for a handshake.
    pub(crate) handshake_timeout: Duration,
}

impl TlsSettings {
    /// The TLS of a listener in this mode, if it has a certificate. Reads the files.
    ///
    /// # Errors
    /// A file cannot be used, or there are more or fewer keys than certificates.
    pub(super) fn of_listener(&self, mode: Mode) -> Result<Option<ListenerTlsConfig>, ConfigError> {
        if self.cert.is_empty() {
            return Ok(None);
        }
        let keys = match self.key.as_slice() {
            [] => &self.cert,
            keys => keys,
        };
        if keys.len() != self.cert.len() {
            let problem = format!(
                "{} for {}",
                crate::plural::Counted(keys.len() as u64, "key"),
                crate::plural::Counted(self.cert.len() as u64, "certificate")
            );
            let remedy = "name the key of each certificate, in the same order";
            let error = ConfigError::new(problem, remedy).with_kind(ConfigErrorKind::Conflict);
            return Err(error.with_flag("--tls-key"));
        }
        let pairs = self.cert.iter().zip(keys);
        let certificates = pairs.map(|(chain, key)| Certificate::read(chain, key));
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let protocols = match mode {
            Mode::Http => vec![HTTP_1_1.to_vec()],
            Mode::Tcp => Vec::new(),
        };
        Ok(Some(ListenerTlsConfig {
            spec: ServerSpec {
                certificates: certificates.map_err(|error| self.refuse(error))?,
                is_strict: self.strict_sni,
                min_version: self.min_version,
                protocols,
            },
            handshake_timeout: self.handshake_timeout,
        }))
    }

    fn refuse(&self, error: LoadError) -> ConfigError {
        let has_keys = !self.key.is_empty();
        let flag = match error.role {
            FileRole::Key if has_keys => "--tls-key",
            FileRole::Key | FileRole::Chain => "--tls-cert",
        };
        ConfigError::new(error.problem, error.remedy)
            .with_kind(ConfigErrorKind::File)
            .with_flag(flag)
            .with_value(error.path.display())
    }
}

/// Reads a version of TLS, as in `1.3`.
pub(super) fn parse_version(text: &str) -> Result<Version, ConfigError> {
    let versions = [(Version::Tls12, "1.2"), (Version::Tls13, "1.3")];
    super::choice::choose(text, "version", &versions)
}

/// A version of TLS as it is read.
pub(super) fn show_version(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "1.2",
        Version::Tls13 => "1.3",
    }
}
