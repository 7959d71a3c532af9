//! The flags about what backends are told of clients. Their defaults are those of the library;
//! a test holds them to it.

use clap::{ArgAction, Args};
use lb::config::{
    Config, ConfigError, ForwardOptions, ForwardedFor, ProxyVersion, parse_forwarded_for,
    parse_proxy_version, parse_switch,
};

#[derive(Args, Debug)]
#[command(next_help_heading = "What backends are told of clients")]
pub(super) struct ForwardFlags {
    /// PROXY header ahead of everything else: v1 or v2
    ///
    /// For backends that ask for it, in both modes; the other flags here are for http mode.
    /// Connections to backends are then not shared, which costs time.
    #[arg(long, value_name = "v1|v2", value_parser = parse_proxy_version)]
    send_proxy: Option<ProxyVersion>,

    /// What becomes of X-Forwarded-For: append, replace or leave
    ///
    /// append adds the client's address to what the request says; replace says it instead, for
    /// clients that are not to be believed; leave passes the field on as it came.
    #[arg(long, value_name = "append|replace|leave", value_parser = parse_forwarded_for,
        default_value = "append")]
    x_forwarded_for: ForwardedFor,

    /// X-Forwarded-Host, -Proto and -Port: on or off
    #[arg(long, value_name = "on|off", action = ArgAction::Set, value_parser = parse_switch,
        default_value = "on")]
    x_forwarded: bool,

    /// Forwarded, which says the same in one field (RFC 7239): on or off
    #[arg(long, value_name = "on|off", action = ArgAction::Set, value_parser = parse_switch,
        default_value = "off")]
    forwarded: bool,

    /// Via, which names lb as a proxy: on or off
    ///
    /// Some servers compress nothing that is asked for through a proxy.
    #[arg(long, value_name = "on|off", action = ArgAction::Set, value_parser = parse_switch,
        default_value = "off")]
    via: bool,

    /// X-Request-Id for requests that come without: on or off
    #[arg(long, value_name = "on|off", action = ArgAction::Set, value_parser = parse_switch,
        default_value = "on")]
    request_id: bool,

    /// Host to ask the backends for, instead of the one the client asked
    #[arg(long, value_name = "HOST[:PORT]")]
    host: Option<String>,
}

impl ForwardFlags {
    /// Hands the settings to `config`.
    pub(super) fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        config.forward = ForwardOptions {
            x_forwarded_for: self.x_forwarded_for,
            x_forwarded_host: self.x_forwarded,
            x_forwarded_proto: self.x_forwarded,
            x_forwarded_port: self.x_forwarded,
            forwarded: self.forwarded,
            via: self.via,
        };
        config.send_proxy = self.send_proxy;
        config.request_id = self.request_id;
        config.set_host(self.host)
    }
}
