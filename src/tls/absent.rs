//! In place of TLS where `lb` is built without it: the same names, of which there can be no values.

use super::{Facts, Handshake, LoadError, ServerSpec, Vault};
use crate::tls::FileRole;
use crate::transport::Transport;
use std::fmt::{self, Display, Formatter};
use std::io::{self, IoSlice};
use std::path::Path;
use std::time::Duration;

/// No certificate.
#[derive(Clone, Debug)]
pub enum Certificate {}

/// No TLS of a listener.
#[derive(Debug)]
pub enum Server {}

/// No session.
#[derive(Debug)]
pub enum Session {}

/// No TLS of a connection.
#[derive(Debug)]
pub enum TlsStream {}

/// There is no TLS to set up.
#[derive(Debug)]
pub struct SetupError;

impl Display for SetupError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("this lb is built without TLS")
    }
}

#[allow(missing_docs, reason = "as where TLS is there")]
impl Certificate {
    pub fn read(chain: &Path, _key: &Path) -> Result<Self, LoadError> {
        let remedy = "build lb with its feature tls, or leave it out";
        let problem = "this lb is built without TLS";
        Err(LoadError::new(FileRole::Chain, chain, problem, remedy))
    }

    pub fn read_again(&self) -> Result<Self, LoadError> {
        match *self {}
    }

    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        match *self {}
    }

    #[must_use]
    pub fn names(&self) -> &[String] {
        match *self {}
    }

    #[must_use]
    pub const fn not_after(&self) -> Duration {
        match *self {}
    }

    #[must_use]
    pub fn complaint(&self, _: Duration, _: Duration) -> Option<String> {
        match *self {}
    }

    #[must_use]
    pub fn is_same(&self, _: &Self) -> bool {
        match *self {}
    }
}

#[allow(missing_docs, reason = "as where TLS is there")]
impl Server {
    pub fn new(_: ServerSpec, _: Option<&Self>) -> Result<Self, SetupError> {
        Err(SetupError)
    }

    pub fn replace(&self, _: ServerSpec) -> Result<(), SetupError> {
        match *self {}
    }

    #[must_use]
    pub fn accept(&self) -> Option<Session> {
        match *self {}
    }

    #[must_use]
    pub fn spec(&self) -> ServerSpec {
        match *self {}
    }
}

#[allow(missing_docs, reason = "as where TLS is there")]
impl TlsStream {
    pub fn new(session: Session, _: &Vault, _: &[u8]) -> Self {
        match session {}
    }

    pub fn facts(&self) -> Facts<'_> {
        match *self {}
    }

    pub fn handshake<T: Transport>(&mut self, _: &mut T) -> io::Result<Handshake> {
        match *self {}
    }

    pub fn has_received(&self) -> bool {
        match *self {}
    }

    pub fn holds_more(&self) -> bool {
        match *self {}
    }

    pub fn recv<T: Transport>(&mut self, _: &mut T, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub fn send<T: Transport>(
        &mut self,
        _: &mut T,
        _: &[IoSlice<'_>],
        _: bool,
    ) -> io::Result<usize> {
        match *self {}
    }

    pub fn finish<T: Transport>(&mut self, _: &mut T) {
        match *self {}
    }

    pub fn abandon(&mut self) {
        match *self {}
    }
}
