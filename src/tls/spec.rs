//! The settings of a listener's TLS, with its certificates read.

use super::{Certificate, LoadError, Version};

/// What the sessions of a listener are like.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// At least one; the first is the default.
    pub certificates: Vec<Certificate>,
    /// True if a client that names no certificate's name is refused.
    pub is_strict: bool,
    /// The oldest version that is spoken.
    pub min_version: Version,
    /// Protocols to choose from by ALPN (RFC 7301), the preferred first. Empty: none is agreed on.
    pub protocols: Vec<Vec<u8>>,
}

impl ServerSpec {
    /// The same with certificates from their files as they are now.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn read_again(&self) -> Result<Self, LoadError> {
        let certificates = self.certificates.iter().map(Certificate::read_again);
        Ok(Self {
            certificates: certificates.collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }
}
