//! File descriptors: as many as the connections may need.

use crate::config::Invalid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: listeners, events, standard streams, pipes.
const OTHERS: u64 = 640;

/// Raises the limit of open files so that `max_connections` clients, and as many connections to
/// backends, can be open at once, and `feeds` connections for heartbeats.
///
/// # Errors
/// The system does not allow that many; says how many it needs.
pub(crate) fn allow_connections(max_connections: usize, feeds: usize) -> Result<(), Invalid> {
    let needed = (max_connections * 2 + feeds) as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return Ok(());
    }
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    if maximum >= needed && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let problem = format!("needs {needed} file descriptors, and the limit is {maximum}");
    Err(Invalid::new(problem, remedy(needed, maximum))
        .with_flag("--max-connections")
        .with_value(max_connections))
}

/// Fewer connections are offered only where at least one fits.
fn remedy(needed: u64, maximum: u64) -> String {
    let raise = format!("raise the limit with ulimit -n {needed}");
    match maximum.saturating_sub(OTHERS) / 2 {
        0 => raise,
        fits => format!("{raise}, or give at most {fits}"),
    }
}
