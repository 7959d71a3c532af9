//! Connections of TCP mode that routes decide on, by the network of their clients.

use super::request::RequestContext;
use crate::proxy::client_conn::ClientConn;
use crate::route::{Host, Request, Target};
use crate::transport::Transport;
use std::net::IpAddr;

/// A connection as routes see it: it asks for nothing.
struct Connection {
    client: Option<IpAddr>,
    host: Host<'static>,
}

impl Request for Connection {
    fn host(&self) -> &Host<'_> {
        &self.host
    }

    fn path(&self) -> &[u8] {
        b"/"
    }

    fn method(&self) -> &[u8] {
        b""
    }

    fn field(&self, _: &[u8]) -> Option<&[u8]> {
        None
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

impl RequestContext<'_> {
    /// Chooses the pool of a connection. Returns whether there is one.
    pub(crate) fn route_connection<T: Transport>(&mut self, client: &ClientConn<T>) -> bool {
        let Some(routes) = &client.listener.routes else {
            return true;
        };
        let connection = Connection {
            client: client.address.ip(),
            host: Host::default(),
        };
        let found = routes.table.find(&connection);
        let pool = match found.map(|destination| &destination.target) {
            None => routes.otherwise,
            Some(Target::Pool(pool)) => Some(*pool),
            Some(Target::Split(split)) => split.pick(connection.client),
            Some(Target::Redirect(_) | Target::Respond(_) | Target::Reject(_)) => None,
        };
        if let Some(pool) = pool {
            self.choose(pool);
        }
        pool.is_some()
    }
}
