//! Parsing and display of the values of settings, by type.

use crate::address::Network;
use crate::config::{
    AccessLogFormat, BackendLimit, BackendSpec, CheckKind, ConfigError, Discover, FileMode,
    ForwardedFor, HumanDuration, ListenerSpec, LoadBound, LogFieldName, LogTarget, Mode,
    Nameserver, ProxyVersion, SameSite, SecureAttribute, ServiceName, StrategySpec, Workers,
    parse_forwarded_for, parse_load_bound, parse_number, parse_proxy_version, parse_strategy,
    parse_switch,
};
use crate::tls::Version;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The type of a setting.
pub trait Value: Sized {
    /// True if each text adds a value.
    const IS_LIST: bool = false;

    /// Reads a value.
    ///
    /// # Errors
    /// The text is malformed.
    fn read(text: &str) -> Result<Self, ConfigError>;

    /// The value as it is read; `None` if there is no notation for it.
    fn shown(&self) -> Option<String>;

    /// Reads a value over this one, or beside those of a list.
    ///
    /// # Errors
    /// The text is malformed.
    fn set(&mut self, text: &str) -> Result<(), ConfigError> {
        *self = Self::read(text)?;
        Ok(())
    }
}

/// Implements [`Value`] by a function that reads and one that shows.
macro_rules! values {
    ($($type:ty: $read:expr, $shown:expr;)*) => {$(
        impl Value for $type {
            fn read(text: &str) -> Result<Self, ConfigError> {
                $read(text)
            }

            fn shown(&self) -> Option<String> {
                let shown: fn(&$type) -> Option<String> = $shown;
                shown(self)
            }
        }
    )*};
}

values! {
    u8: parse_number, |n| Some(n.to_string());
    u16: parse_number, |n| Some(n.to_string());
    u32: parse_number, |n| Some(n.to_string());
    u64: parse_number, |n| Some(n.to_string());
    usize: parse_number, |n| Some(n.to_string());
    bool: parse_switch, |on| Some(if *on { "on" } else { "off" }.to_owned());
    String: |text: &str| Ok(text.to_owned()), |text| Some(text.clone());
    PathBuf: |text: &str| Ok(PathBuf::from(text)), |path| path.to_str().map(str::to_owned);
    Duration: |text: &str| text.parse().map(|HumanDuration(time)| time),
        |time| Some(HumanDuration(*time).to_string());
    Mode: str::parse, |mode| Some(mode.name().to_owned());
    AccessLogFormat: str::parse, |format| Some(format.name().to_owned());
    LogTarget: str::parse, |it| Some(it.to_string());
    LogFieldName: str::parse, |it| Some(it.to_string());
    Workers: str::parse, |workers| Some(workers.get().to_string());
    CheckKind: |text| crate::config::parse_check_kind(text)?.ok_or_else(not_a_kind),
        |check| Some(check.name().to_owned());
    StrategySpec: parse_strategy, |kind| Some(kind.name().to_owned());
    LoadBound: parse_load_bound, |_| None;
    ForwardedFor: parse_forwarded_for, |kind| crate::config::choice::forwarded_for_name(*kind);
    ProxyVersion: parse_proxy_version, |_| None;
    SocketAddr: crate::config::parse_heartbeat_address, |address| Some(address.to_string());
    Version: crate::config::tls::parse_version,
        |version| Some(crate::config::tls::show_version(*version).to_owned());
    Network: |text: &str| Ok(text.parse()?), |network| Some(network.to_string());
    SecureAttribute: str::parse, |secure| Some(secure.name().to_owned());
    SameSite: str::parse, |same_site| Some(same_site.name().to_owned());
    FileMode: FileMode::parse, |mode| Some(format!("{:03o}", mode.bits()));
    BackendLimit: str::parse, |limit| Some(limit.to_string());
    Discover: str::parse, |it| Some(it.name().to_owned());
    Nameserver: str::parse, |it| Some(it.to_string());
    ServiceName: str::parse, |it| Some(it.to_string());
    BackendSpec: str::parse, |spec| Some(spec.to_string());
    ListenerSpec: str::parse, |spec| Some(spec.to_string());
}

fn not_a_kind() -> ConfigError {
    ConfigError::new("no check", "name a kind of health check")
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, ConfigError> {
        T::read(text).map(Some)
    }

    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(T::shown)
    }
}

impl<T: Value> Value for Vec<T> {
    const IS_LIST: bool = true;

    fn read(text: &str) -> Result<Self, ConfigError> {
        T::read(text).map(|one| vec![one])
    }

    fn shown(&self) -> Option<String> {
        let all: Option<Vec<String>> = self.iter().map(T::shown).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.join(","))
    }

    fn set(&mut self, text: &str) -> Result<(), ConfigError> {
        self.push(T::read(text)?);
        Ok(())
    }
}
