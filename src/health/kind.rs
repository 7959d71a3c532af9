//! The registry of kinds of check: what each is called, what it goes over, how it begins.
//!
//! A kind is one file with a conversation (a [`Check`]) and a [`KindEntry`], and one line in
//! [`CheckKind::ALL`]. Flags, help and the checker know kinds only by their entries.

use super::{Check, CheckSettings, http, ping, tcp};
use crate::address::Address;
use std::fmt::{self, Debug, Formatter};

/// The transport of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckTransport {
    /// A connection of its own.
    Connection,
    /// Echo messages to the host and back.
    Echo,
}

/// One kind of check.
#[derive(Debug)]
pub(super) struct KindEntry {
    /// The word for it, as in `--health WORD`.
    pub(super) name: &'static str,
    /// Its finding, in one line.
    pub(super) about: &'static str,
    pub(super) transport: CheckTransport,
    /// True if it fails when a server accepts connections but does not respond.
    pub(super) detects_hangs: bool,
    pub(super) begin: fn(&CheckRequest<'_>) -> Box<dyn Check>,
}

/// One check to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckRequest<'a> {
    pub(super) settings: &'a CheckSettings,
    /// The name of the target.
    pub(super) name: &'a str,
    /// The address that is checked.
    pub(super) address: &'a Address,
    /// Counts the checks of the target.
    pub(super) sequence: u16,
    /// Not to be guessed by others.
    pub(super) nonce: u64,
}

/// A kind of check.
#[derive(Clone, Copy)]
pub struct CheckKind(&'static KindEntry);

impl CheckKind {
    /// Connects.
    pub const TCP: Self = Self(&tcp::KIND);
    /// Requests a page.
    pub const HTTP: Self = Self(&http::KIND);
    /// Sends an ICMP echo request to the host.
    pub const PING: Self = Self(&ping::KIND);

    /// Every kind.
    pub const ALL: [Self; 3] = [Self::TCP, Self::HTTP, Self::PING];

    /// The word for it, as in `--health WORD`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns its finding, in one line.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.0.about
    }

    /// Returns its transport.
    #[must_use]
    pub(crate) const fn transport(self) -> CheckTransport {
        self.0.transport
    }

    /// Returns whether it fails when a server accepts connections but does not respond.
    #[must_use]
    pub const fn detects_hangs(self) -> bool {
        self.0.detects_hangs
    }

    pub(super) fn begin(self, request: &CheckRequest<'_>) -> Box<dyn Check> {
        (self.0.begin)(request)
    }
}

impl Default for CheckKind {
    fn default() -> Self {
        Self::TCP
    }
}

impl PartialEq for CheckKind {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for CheckKind {}

impl Debug for CheckKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}
