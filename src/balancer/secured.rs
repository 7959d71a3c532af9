//! The TLS of each listener of a configuration, shared by all workers, and how it follows a reload.

use crate::config::Config;
use crate::net::{BindError, BindErrorKind};
use crate::tls::{Certificate, Server};
use std::sync::Arc;

/// Of each listener of a configuration, in its order; `None` where clients speak no TLS.
pub(super) type Servers = Vec<Option<Arc<Server>>>;

/// Sets up the TLS of each listener. Sessions go on under a listener that has an address in common
/// with one of `before`.
///
/// # Errors
/// The system gives no random bytes, or the library refuses the settings.
pub(super) fn servers(
    config: &Config,
    before: Option<(&Config, &Servers)>,
) -> Result<Servers, BindError> {
    let listeners = config.listeners().iter();
    let servers = listeners.map(|listener| {
        let Some(tls) = &listener.tls else {
            return Ok(None);
        };
        let mut addresses = listener.addresses().iter();
        let known = addresses.find_map(|spec| serving(before?, spec));
        let server = Server::new(tls.spec.clone(), known.as_deref());
        server
            .map(|server| Some(Arc::new(server)))
            .map_err(|error| {
                let problem = format!("TLS cannot be set up: {error}");
                BindError::new(BindErrorKind::System, problem, "see the settings of TLS")
            })
    });
    servers.collect()
}

/// The TLS at an address.
fn serving(
    (config, servers): (&Config, &Servers),
    spec: &crate::config::ListenerSpec,
) -> Option<Arc<Server>> {
    let mut listeners = config.listeners().iter().zip(servers);
    let (_, server) = listeners.find(|(listener, _)| {
        let mut addresses = listener.addresses().iter();
        addresses.any(|it| it.address == spec.address)
    })?;
    server.clone()
}

/// The certificates that are not those of `before`, a line each.
pub(super) fn renewed(before: &Servers, after: &Servers) -> Vec<String> {
    let all = |servers: &Servers| -> Vec<Certificate> {
        let specs = servers.iter().flatten().map(|server| server.spec());
        specs.flat_map(|spec| spec.certificates).collect()
    };
    let known = all(before);
    let new = all(after).into_iter();
    let new = new.filter(|it| !known.iter().any(|known| known.is_same(it)));
    new.map(|it| told(&it)).collect()
}

/// A line that tells of a certificate that is shown from now on.
pub(super) fn told(certificate: &Certificate) -> String {
    let [chain, _] = certificate.files();
    let names = match certificate.names() {
        [] => "no name".to_owned(),
        names => names.join(", "),
    };
    format!("certificate {} loaded, for {names}", chain.display())
}
