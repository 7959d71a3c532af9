//! Which certificate a client is shown: by the name it asks for (SNI, RFC 6066 section 3).
//!
//! A name is looked up as it is, then as one that a wildcard of one label covers; without either the
//! first certificate is shown, unless the store is strict. Of several certificates for a name the
//! first is shown whose key signs in a way that the client knows, those with short signatures first:
//! an RSA signature costs several times what an ECDSA one does.

use super::certificate::Certificate;
use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Certificates by name.
#[derive(Debug, Default)]
pub(super) struct Store {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows the `*.`.
    wildcards: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For clients that name nothing, or nothing that is here.
    default: Vec<Arc<CertifiedKey>>,
    is_strict: bool,
}

impl Store {
    /// A store of these, the first of which is the default, together with others of the same names.
    pub(super) fn new(certificates: &[Certificate], is_strict: bool) -> Self {
        let mut sorted: Vec<_> = certificates.iter().collect();
        sorted.sort_by_key(|it| it.algorithm() == SignatureAlgorithm::RSA);
        let mut store = Self {
            is_strict,
            ..Self::default()
        };
        for certificate in &sorted {
            for name in certificate.names() {
                let (of, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut store.wildcards, parent),
                    None => (&mut store.exact, name.as_str()),
                };
                let of_name = of.entry(name.to_owned()).or_default();
                of_name.push(Arc::clone(&certificate.key));
            }
        }
        if let Some(first) = certificates.first() {
            let same = sorted.iter().filter(|it| it.names() == first.names());
            store.default = same.map(|it| Arc::clone(&it.key)).collect();
        }
        store
    }

    /// The certificates for a name.
    fn of(&self, name: Option<&str>) -> Option<&[Arc<CertifiedKey>]> {
        let default = (!self.is_strict).then_some(self.default.as_slice());
        let Some(name) = name.map(str::to_ascii_lowercase) else {
            return default;
        };
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.wildcards.get(parent)
        };
        let found = self.exact.get(&name).or_else(wildcard);
        found.map(Vec::as_slice).or(default)
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = hello.signature_schemes();
        let all = self.of(hello.server_name())?;
        let fitting = all.iter().find(|it| it.key.choose_scheme(known).is_some());
        // Without any the handshake fails with the right alert.
        fitting.or(all.first()).cloned()
    }
}
