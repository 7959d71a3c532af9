//! Certificates follow their files: a change is seen within seconds, without a signal.
//!
//! The files are looked at, not watched: a link that is turned to another folder, as Kubernetes does
//! it, is seen as well. A change is taken up when two looks in a row find the same, so that a file is
//! not read while it is written, nor a certificate before its key. If anything is wrong, the
//! certificates in effect stay, and the reason is told once.

use super::{ReloadError, Reloaded, Reloader};
use crate::balancer::secured::{Servers, told};
use crate::tls::{Server, ServerSpec};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at the files of certificates.
pub(super) const CERTIFICATES_PAUSE: Duration = Duration::from_secs(2);

/// What tells a file from one that was there before: device and number, length, time of the last
/// change in seconds and nanoseconds. `None`: it is not there.
type Mark = Option<(u64, u64, u64, i64, i64)>;

/// What was seen of the files.
#[derive(Debug, Default)]
pub(in crate::balancer) struct Seen {
    /// Of the files that are in effect, or were found wrong.
    settled: Vec<Mark>,
    /// Seen at the last look.
    last: Vec<Mark>,
}

impl Seen {
    /// Returns whether the files have changed, and have stopped changing.
    fn has_changed(&mut self, servers: &Servers) -> bool {
        let now = marks(servers);
        let is_steady = now == self.last;
        self.last = now;
        let has_changed = is_steady && self.last != self.settled;
        if has_changed {
            self.settled.clone_from(&self.last);
        }
        has_changed
    }
}

fn marks(servers: &Servers) -> Vec<Mark> {
    let specs = servers.iter().flatten().map(|server| server.spec());
    let mut all = Vec::new();
    for spec in specs {
        for certificate in &spec.certificates {
            all.extend(certificate.files().map(mark));
        }
    }
    all
}

fn mark(path: &Path) -> Mark {
    let file = fs::metadata(path).ok()?;
    Some((
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
    ))
}

impl Reloader {
    /// Takes up certificates whose files have changed.
    pub(super) fn follow_certificates(&mut self) {
        if !self.seen.has_changed(&self.blueprint.servers) {
            return;
        }
        let outcome = match self.renew_certificates() {
            Ok(changes) if changes.is_empty() => return,
            Ok(changes) => Ok(Reloaded {
                generation: self.generation,
                changes,
            }),
            Err(reason) => Err(ReloadError::Refused(vec![reason])),
        };
        if let Some(source) = &mut self.source {
            source.ended(&outcome);
        }
    }

    /// Reads all certificates again. Returns a line for each that is another now.
    fn renew_certificates(&self) -> Result<Vec<String>, String> {
        let servers: Vec<_> = self.blueprint.servers.iter().flatten().collect();
        let specs = servers.iter().map(|server| {
            let spec = server.spec().read_again();
            spec.map_err(|error| format!("{}: {}", error.path.display(), error.problem))
        });
        let specs: Vec<ServerSpec> = specs.collect::<Result<_, _>>()?;
        let mut changes = Vec::new();
        for (server, spec) in servers.into_iter().zip(specs) {
            changes.extend(renew(server, spec)?);
        }
        Ok(changes)
    }
}

fn renew(server: &Arc<Server>, spec: ServerSpec) -> Result<Vec<String>, String> {
    let before = server.spec().certificates;
    let new = spec.certificates.iter();
    let new = new.filter(|it| !before.iter().any(|before| before.is_same(it)));
    let lines = new.map(told).collect();
    server
        .replace(spec)
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(lines)
}
