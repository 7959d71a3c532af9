//! Forwarding: the fields an intermediary adds, drops and rewrites, in both directions.
//!
//! Owns the settings of a listener ([`ForwardPolicy`], made once, with its constant field lines
//! written out) and of one message ([`Forward`], [`ResponseRewrite`]). Refuses to know how a head
//! is spelled: `h1::write` and later HTTP/2 apply these. Invariant: no field that is meant for one
//! hop travels further (RFC 9110, section 7.6.1).

mod chain;
mod client_ip;
mod connection;
mod date;
mod peer;
mod response;

pub(in crate::http) use chain::{chain, client, host, is_https, port};
pub use client_ip::ClientIp;
pub(in crate::http) use client_ip::NO_ADDRESS;
pub use connection::ConnectionOption;
pub use date::DateLine;
pub use peer::Peer;
pub(in crate::http) use response::HOP_BY_HOP;
pub use response::{Reframe, ResponseRewrite};

use crate::address::Network;
use crate::http::fields::write::write_field;
use crate::http::fields::{FieldKind, FieldTable, KindSet};
use crate::http::syntax::{members, trim};
use std::net::IpAddr;

/// Ways of passing on the client's address to the backend in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForwardedFor {
    /// Appended to the list that came: for a balancer behind another proxy.
    #[default]
    Append,
    /// Replaces what came, `Forwarded` included: clients are not trusted.
    Replace,
    /// The field is passed on as it came.
    Leave,
}

/// The fields that tell a backend about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardOptions {
    /// `X-Forwarded-For`.
    pub x_forwarded_for: ForwardedFor,
    /// True if `X-Forwarded-Host` is replaced by the host of the client's request.
    pub x_forwarded_host: bool,
    /// True if `X-Forwarded-Proto` is replaced by the protocol the client spoke.
    pub x_forwarded_proto: bool,
    /// True if `X-Forwarded-Port` is replaced by the port the client connected to.
    pub x_forwarded_port: bool,
    /// True if `Forwarded` gets an element for this hop (RFC 7239).
    pub forwarded: bool,
    /// True if `Via` gets a member for this hop (RFC 9110, section 7.6.3).
    pub via: bool,
    /// True if a response without `Date` gets one (RFC 9110, section 6.6.1).
    pub date: bool,
    /// True if requests are marked, so that one that comes back is refused (RFC 8586).
    pub loop_token: bool,
}

impl Default for ForwardOptions {
    /// All but `Forwarded`, which repeats the others, and `Via`, after which some servers do not
    /// compress (nginx, `gzip_proxied`).
    fn default() -> Self {
        Self {
            x_forwarded_for: ForwardedFor::Append,
            x_forwarded_host: true,
            x_forwarded_proto: true,
            x_forwarded_port: true,
            forwarded: false,
            via: false,
            date: true,
            loop_token: true,
        }
    }
}

/// The treatment of every request of a listener, with its constant lines written out. Made once.
#[derive(Clone, Debug)]
pub struct ForwardPolicy {
    pub(in crate::http) options: ForwardOptions,
    pub(in crate::http) proto: &'static str,
    /// The unchanging lines, for a client that speaks HTTP/1.1.
    pub(in crate::http) lines: Vec<u8>,
    /// The same for HTTP/1.0: `Via` names the version that was received.
    pub(in crate::http) lines_10: Vec<u8>,
    pub(in crate::http) dropped: KindSet,
    pub(in crate::http) port: u16,
    pub(in crate::http) loop_token: Option<LoopToken>,
    trusted_proxies: Vec<Network>,
}

impl ForwardPolicy {
    /// The policy of a listener on `port` whose clients speak `proto`: `http` or `https`.
    #[must_use]
    pub fn new(options: ForwardOptions, proto: &'static str, port: u16) -> Self {
        Self {
            options,
            proto,
            lines: lines(options, proto, port, b"1.1 lb"),
            lines_10: lines(options, proto, port, b"1.0 lb"),
            dropped: dropped(options),
            port,
            loop_token: None,
            trusted_proxies: Vec::new(),
        }
    }

    /// The same policy, which believes the forwarding fields of proxies in these networks.
    #[must_use]
    pub fn with_trusted_proxies(mut self, networks: Vec<Network>) -> Self {
        self.trusted_proxies = networks;
        self
    }

    /// Returns whether it trusts any proxy.
    #[must_use]
    pub const fn has_trusted_proxies(&self) -> bool {
        !self.trusted_proxies.is_empty()
    }

    /// Returns whether `ip` is that of a trusted proxy.
    #[must_use]
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let mut networks = self.trusted_proxies.iter();
        networks.any(|network| network.contains(ip))
    }

    /// The port that the client of a request from `peer` connected to. A trusted proxy that says by
    /// which host or scheme the client came has said the port with it; otherwise it is the one that
    /// the connection of `peer` was `announced` with, or that of the listener.
    pub(in crate::http) fn client_port(
        &self,
        peer: Peer,
        announced: Option<u16>,
        fields: &FieldTable,
        input: &[u8],
    ) -> u16 {
        let told = peer.is_trusted_proxy().then(|| {
            let trusts = |ip| self.trusts(ip);
            let by_scheme = || is_https(fields, input, trusts).map(|is| if is { 443 } else { 80 });
            port(fields, input, trusts).or_else(by_scheme)
        });
        told.flatten().or(announced).unwrap_or(self.port)
    }

    /// Returns whether the client of a request from `peer` came by https.
    pub(in crate::http) fn is_https(&self, peer: Peer, fields: &FieldTable, input: &[u8]) -> bool {
        let told = match peer.is_trusted_proxy() {
            true => is_https(fields, input, |ip| self.trusts(ip)),
            false => None,
        };
        told.unwrap_or(peer.is_tls() || self.proto == "https")
    }
}

/// Marks the requests of one process, so that one that comes back is known.
///
/// It is the `cdn-id` of RFC 8586, which is made for this: `Via` (RFC 9110, section 7.6.3) would
/// do, but makes some servers stop compressing, and `lb` behind `lb` is no loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopToken([u8; 19]);

impl LoopToken {
    pub(in crate::http) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The token of a process that has drawn `random`.
    #[must_use]
    pub fn new(random: u64) -> Self {
        let mut text = *b"lb-0000000000000000";
        for (nth, place) in text.iter_mut().rev().take(16).enumerate() {
            let digit = (random >> (4 * nth) & 0xf) as u8;
            *place = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
        }
        Self(text)
    }
}

impl ForwardPolicy {
    /// The same policy, with requests marked by `token`.
    #[must_use]
    pub fn with_loop_token(mut self, token: LoopToken) -> Self {
        for lines in [&mut self.lines, &mut self.lines_10] {
            write_field(b"CDN-Loop: ", &token.0, lines);
        }
        self.loop_token = Some(token);
        self
    }

    /// The token of this process, if it marks what passes through it.
    #[must_use]
    pub fn loop_token(&self) -> Option<&[u8]> {
        self.loop_token.as_ref().map(LoopToken::as_bytes)
    }

    /// Returns whether `value`, of `CDN-Loop`, has the token of this process.
    pub(in crate::http) fn is_own_loop(&self, value: &[u8]) -> bool {
        let own = self.loop_token.as_ref();
        own.is_some_and(|own| {
            let mut ids = members(value).map(|info| info.split(|&byte| byte == b';').next());
            ids.any(|id| id.map(trim) == Some(&own.0))
        })
    }

    /// Returns whether a response without `Date` gets one.
    #[must_use]
    pub const fn adds_date(&self) -> bool {
        self.options.date
    }
}

pub(in crate::http) fn lines(
    options: ForwardOptions,
    proto: &str,
    port: u16,
    via: &[u8],
) -> Vec<u8> {
    let mut lines = Vec::new();
    if options.x_forwarded_proto {
        write_field(b"X-Forwarded-Proto: ", proto.as_bytes(), &mut lines);
    }
    if options.x_forwarded_port {
        let mut digits = itoa::Buffer::new();
        write_field(
            b"X-Forwarded-Port: ",
            digits.format(port).as_bytes(),
            &mut lines,
        );
    }
    if options.via {
        write_field(b"Via: ", via, &mut lines);
    }
    lines
}

/// The kinds that no request keeps (RFC 9110, section 7.6.1, and credentials that are for this
/// hop by section 11.7), and those rewritten under `options`.
fn dropped(options: ForwardOptions) -> KindSet {
    const HOP_BY_HOP: KindSet = KindSet::of(&[
        FieldKind::Nominated,
        FieldKind::Connection,
        FieldKind::KeepAlive,
        FieldKind::ProxyConnection,
        FieldKind::ProxyAuthorization,
        FieldKind::Te,
    ]);
    HOP_BY_HOP
        .with_if(
            options.x_forwarded_for != ForwardedFor::Leave,
            FieldKind::XForwardedFor,
        )
        .with_if(
            options.x_forwarded_for == ForwardedFor::Replace,
            FieldKind::Forwarded,
        )
        .with_if(options.x_forwarded_host, FieldKind::XForwardedHost)
        .with_if(options.x_forwarded_proto, FieldKind::XForwardedProto)
        .with_if(options.x_forwarded_port, FieldKind::XForwardedPort)
}

/// The way one request is forwarded. Nothing in it is checked: it comes from the balancer.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// The listener's policy for every request.
    pub policy: &'a ForwardPolicy,
    /// The client's address as text: see [`ClientIp`](super::ClientIp).
    pub client_ip: &'a [u8],
    /// The `X-Request-Id` of a request that comes without.
    pub request_id: Option<&'a [u8]>,
    /// Decides which fields about the client are believed.
    pub peer: Peer,
    /// The port that the peer connected to, if a PROXY header says so.
    pub announced_port: Option<u16>,
    /// The `Host` for the backend, instead of the client's.
    pub host: Option<&'a [u8]>,
}
