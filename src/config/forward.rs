//! Header fields that carry data of the client to backends.

use super::settings::{Scope, Section};
use super::{ForwardOptions, ForwardedFor, ProxyVersion};
use crate::address::Network;

static SECTION: Section = Section {
    title: "Forwarding (client data for backends)",
    scope: Scope::Pool,
};
static PER_LISTENER: Section = Section {
    title: SECTION.title,
    scope: Scope::Listener,
};

settings! {
    /// Header fields that carry data of the client to backends.
    #[derive(Clone, Debug)]
    pub(crate) struct ForwardSettings in draft.forward, section SECTION;

    /// PROXY header ahead of everything else: v1 or v2
    ///
    /// For backends that expect it, in both modes; the other flags here are for http mode.
    /// Connections to backends are then not shared, which costs time.
    "send-proxy" <"v1|v2"> send_proxy: Option<ProxyVersion> = None;

    /// X-Forwarded-For: append, replace or leave
    ///
    /// append adds the client's address to the field; replace overwrites the field, for clients
    /// that are not trusted; leave passes the field on unchanged.
    "x-forwarded-for" <"append|replace|leave"> x_forwarded_for: ForwardedFor = ForwardedFor::Append, with { section: &PER_LISTENER, http_only: true };

    /// X-Forwarded-Host, -Proto and -Port: on or off
    "x-forwarded" <"on|off"> x_forwarded: bool = true, with { section: &PER_LISTENER, http_only: true };

    /// Forwarded, the same in one field (RFC 7239): on or off
    "forwarded" <"on|off"> forwarded: bool = false, with { section: &PER_LISTENER, http_only: true };

    /// Via, which names lb as a proxy: on or off
    ///
    /// Some servers do not compress responses to requests that have it.
    "via" <"on|off"> via: bool = false, with { section: &PER_LISTENER, http_only: true };

    /// Date for responses that come without, local replies included: on or off
    "date" <"on|off"> date: bool = true, with { section: &PER_LISTENER, http_only: true };

    /// Refusal of what comes back, by CDN-Loop (RFC 8586) or PROXY v2: on or off
    "loop-detection" <"on|off"> loop_detection: bool = true, with { section: &PER_LISTENER };

    /// X-Request-Id for requests that come without: on or off
    "request-id" <"on|off"> request_id: bool = true, with { section: &PER_LISTENER, http_only: true };

    /// Networks of trusted proxies in front, separated by commas
    ///
    /// ADDRESS/BITS, or one address. X-Forwarded-* and Forwarded of connections from there are
    /// believed and carried on; the client they name is the client of strategies and logs. Fields
    /// of any other connection are not. The flag can be repeated.
    "trusted-proxies" <"CIDR,..."> trusted_proxies: Vec<Network> = Vec::new(),
        with { section: &PER_LISTENER, http_only: true };

    /// Host field of requests to backends, instead of the client's
    "host" <"HOST[:PORT]"> host: Option<String> = None, with { http_only: true };
}

impl ForwardSettings {
    /// The header fields that tell backends of clients.
    pub(super) const fn options(&self) -> ForwardOptions {
        ForwardOptions {
            x_forwarded_for: self.x_forwarded_for,
            x_forwarded_host: self.x_forwarded,
            x_forwarded_proto: self.x_forwarded,
            x_forwarded_port: self.x_forwarded,
            forwarded: self.forwarded,
            via: self.via,
            date: self.date,
            loop_token: self.loop_detection,
        }
    }
}
