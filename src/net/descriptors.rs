//! File descriptors: as many as the connections may need.

use super::{BindError, BindErrorKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: listeners, events, standard streams, pipes.
const OTHERS: u64 = 640;
/// Those of each further worker. Most pipes are shared out.
const OTHERS_PER_WORKER: u64 = 32;
/// Descriptors beside those of checks: events, standard streams.
const OTHERS_OF_CHECKS: u64 = 16;

/// Client connections by default.
pub(crate) const DEFAULT_CONNECTIONS: usize = 8_000;

/// Raises the limit of open files so that `max_connections` clients, and as many connections to
/// backends, can be open at once over all workers, and `conns` connections for heartbeats. Returns
/// the number of clients that fit: without a number given, fewer than the default if no more fit.
///
/// # Errors
/// The system does not allow that many; says how many it needs.
pub(crate) fn allow_connections(
    max_connections: Option<usize>,
    conns: usize,
    workers: usize,
) -> Result<usize, BindError> {
    let more_workers = (workers as u64).saturating_sub(1);
    let others = OTHERS + OTHERS_PER_WORKER * more_workers + conns as u64;
    let wanted = max_connections.unwrap_or(DEFAULT_CONNECTIONS);
    let needed = wanted as u64 * 2 + others;
    let Err(maximum) = raise_limit(needed) else {
        return Ok(wanted);
    };
    let fitting = maximum.saturating_sub(others) / 2;
    if max_connections.is_none() && fitting > 0 && raise_limit(fitting * 2 + others).is_ok() {
        return Ok(usize::try_from(fitting).unwrap_or(wanted));
    }
    let remedy = remedy(needed, maximum, others);
    Err(too_few(needed, maximum, remedy)
        .with_flag("--max-connections")
        .with_value(wanted))
}

/// Raises the limit of open files so that so many checks can be under way at once.
///
/// # Errors
/// The system does not allow that many; says how many it needs.
pub(crate) fn allow_checks(checks: usize) -> Result<(), BindError> {
    let needed = checks as u64 + OTHERS_OF_CHECKS;
    raise_limit(needed).map_err(|maximum| {
        let remedy = format!("raise the limit with ulimit -n {needed}, or give fewer targets");
        too_few(needed, maximum, remedy)
    })
}

/// The error is the most that is allowed.
fn raise_limit(needed: u64) -> Result<(), u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.unwrap_or(u64::MAX) >= needed {
        return Ok(());
    }
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    match maximum >= needed && setrlimit(Resource::Nofile, raised).is_ok() {
        true => Ok(()),
        false => Err(maximum),
    }
}

fn too_few(needed: u64, maximum: u64, remedy: String) -> BindError {
    let problem = format!("needs {needed} file descriptors, and the limit is {maximum}");
    BindError::new(BindErrorKind::Descriptors, problem, remedy)
}

/// Fewer connections are offered only where at least one fits.
fn remedy(needed: u64, maximum: u64, others: u64) -> String {
    let raise = format!("raise the limit with ulimit -n {needed}");
    match maximum.saturating_sub(others) / 2 {
        0 => raise,
        fits => format!("{raise}, or give at most {fits}"),
    }
}
