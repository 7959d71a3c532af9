//! The fields about the client in a request that a proxy in front has relayed.
//!
//! What a trusted proxy says is carried on, and `X-Forwarded-*` say what it says in `Forwarded`
//! alone (RFC 7239, section 7.4), so that a backend never reads two answers. Apart from the plain
//! request, which pays nothing for it.

use super::request::write_forwarded;
use crate::http::fields::write::{write_field, write_members};
use crate::http::fields::{FieldKind, FieldTable, KindSet};
use crate::http::forward::{self, ClientIp, ForwardPolicy, ForwardedFor, Peer};
use crate::http::head::RequestHead;
use crate::http::version::Version;

/// A request from a trusted proxy, or from a client of whom a PROXY header says more.
pub(super) struct Relayed<'a> {
    pub(super) fields: &'a FieldTable,
    pub(super) input: &'a [u8],
    pub(super) policy: &'a ForwardPolicy,
    pub(super) peer: Peer,
    pub(super) announced_port: Option<u16>,
}

impl Relayed<'_> {
    /// Writes the fields that name client, host and protocol.
    #[cold]
    pub(super) fn write(&self, head: &RequestHead, peer_ip: &[u8], out: &mut Vec<u8>) {
        let policy = self.policy;
        if policy.options.x_forwarded_for != ForwardedFor::Leave {
            out.extend_from_slice(b"X-Forwarded-For: ");
            self.write_chain(out);
            out.extend_from_slice(peer_ip);
            out.extend_from_slice(b"\r\n");
        }
        let host = head.host.of(self.input);
        let client_host = self.host().unwrap_or(host);
        let is_written = policy.options.x_forwarded_host && !client_host.is_empty();
        if is_written && !self.has_told(FieldKind::XForwardedHost) {
            write_field(b"X-Forwarded-Host: ", client_host, out);
        }
        self.write_lines(head.version, out);
        if policy.options.forwarded {
            // It is about this hop alone.
            let is_tls = self.peer.is_tls();
            let proto = if is_tls { "https" } else { policy.proto };
            write_forwarded(proto, host, peer_ip, out);
        }
    }

    /// Writes the addresses before that of the peer, each followed by a comma.
    fn write_chain(&self, out: &mut Vec<u8>) {
        let is_proxy = self.peer.is_trusted_proxy();
        let is_kept = self.policy.options.x_forwarded_for == ForwardedFor::Append || is_proxy;
        if self.fields.has(FieldKind::XForwardedFor) {
            if is_kept {
                write_members(
                    self.fields.values(FieldKind::XForwardedFor, self.input),
                    out,
                );
            }
        } else if is_proxy {
            let trusts = |ip| self.policy.trusts(ip);
            let chain: Vec<_> = forward::chain(self.fields, self.input, trusts).collect();
            for ip in chain.into_iter().rev().map(ClientIp::from) {
                out.extend_from_slice(ip.as_bytes());
                out.extend_from_slice(b", ");
            }
        }
    }

    /// The host that `Forwarded` names.
    fn host(&self) -> Option<&[u8]> {
        let is_proxy = self.peer.is_trusted_proxy();
        let named = is_proxy.then(|| {
            let trusts = |ip| self.policy.trusts(ip);
            forward::host(self.fields, self.input, trusts)
        });
        named.flatten()
    }

    /// Writes the constant lines of the policy, with the client's protocol and without what a
    /// trusted proxy has said already.
    fn write_lines(&self, version: Version, out: &mut Vec<u8>) {
        let policy = self.policy;
        let mut options = policy.options;
        options.x_forwarded_proto &= !self.has_told(FieldKind::XForwardedProto);
        options.x_forwarded_port &= !self.has_told(FieldKind::XForwardedPort);
        let proto = match policy.is_https(self.peer, self.fields, self.input) {
            true => "https",
            false => "http",
        };
        let via = match version {
            Version::Http11 => b"1.1 lb",
            Version::Http10 => b"1.0 lb",
        };
        let port = policy.client_port(self.peer, self.announced_port, self.fields, self.input);
        out.extend(forward::lines(options, proto, port, via));
        if let Some(token) = &policy.loop_token {
            write_field(b"CDN-Loop: ", token.as_bytes(), out);
        }
    }

    /// Returns whether a trusted proxy has sent a field of this kind.
    fn has_told(&self, kind: FieldKind) -> bool {
        self.peer.is_trusted_proxy() && self.fields.has(kind)
    }
}

/// The `dropped` kinds without those that a trusted proxy has sent and that are kept.
#[cold]
pub(super) fn without_told(fields: &FieldTable, dropped: KindSet) -> KindSet {
    [
        FieldKind::XForwardedHost,
        FieldKind::XForwardedProto,
        FieldKind::XForwardedPort,
        FieldKind::Forwarded,
    ]
    .into_iter()
    .fold(dropped, |dropped, kind| {
        dropped.without_if(fields.has(kind), kind)
    })
}
