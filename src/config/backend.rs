//! One backend as the user writes it.

/// Where a backend is: a host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A backend's share relative to the others: 1 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(u16);

/// One backend: where it is and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSpec {
    /// Where it is.
    pub address: HostPort,
    /// Its share relative to the others.
    pub weight: Weight,
}
