//! The check by ICMP echo: a host that replies passes.
//!
//! It tells a machine that is down from one that is up, and nothing about the service on it.

use super::icmp::{EchoRequest, MESSAGE_BYTES};
use super::kind::{CheckRequest, CheckTransport, KindEntry};
use super::{Check, CheckFailure, CheckResult};
use std::net::{IpAddr, Ipv4Addr};

pub(super) const KIND: KindEntry = KindEntry {
    name: "ping",
    about: "sends an ICMP echo request; sees that the machine is up, nothing of the server on it",
    transport: CheckTransport::Echo,
    detects_hangs: false,
    begin: |request| Box::new(PingCheck::new(request)),
};

#[derive(Debug)]
struct PingCheck {
    request: EchoRequest,
    message: [u8; MESSAGE_BYTES],
    is_sent: bool,
}

impl PingCheck {
    fn new(check: &CheckRequest<'_>) -> Self {
        // No echo socket opens to a UNIX socket, so no such check gets as far as sending.
        let host = check.address.tcp().map(|address| address.ip());
        let host = host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let request = EchoRequest::new(host, check.sequence, check.nonce);
        Self {
            request,
            message: request.message(),
            is_sent: false,
        }
    }
}

impl Check for PingCheck {
    fn to_send(&self) -> &[u8] {
        match self.is_sent {
            true => b"",
            false => &self.message,
        }
    }

    /// All of the message, or nothing while the system has no room.
    fn sent(&mut self, count: usize) {
        self.is_sent = count > 0;
    }

    /// Any message but the reply means nothing.
    fn received(&mut self, message: &[u8]) -> Option<CheckResult> {
        self.request.is_reply(message).then_some(Ok(()))
    }

    /// The network reports that there is no route.
    fn ended(&mut self) -> CheckResult {
        Err(CheckFailure::Unreachable)
    }
}
