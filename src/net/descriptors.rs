//! File descriptors: as many as the connections may need.

use super::{BindError, BindErrorKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: listeners, events, standard streams, pipes.
const OTHERS: u64 = 640;
/// Those without pipes.
const OTHERS_WITHOUT_PIPES: u64 = 128;
/// Those of each further worker. Most pipes are shared out.
const OTHERS_PER_WORKER: u64 = 32;
/// Descriptors beside those of checks: events, standard streams.
const OTHERS_OF_CHECKS: u64 = 16;

/// Client connections by default.
pub(crate) const DEFAULT_CONNECTIONS: usize = 8_000;

/// Open file descriptors of this process. Since Linux 6.2 the size of their folder is their number;
/// before that they would have to be counted one by one, and are not.
pub(crate) fn open_descriptors() -> Option<u64> {
    let size = std::fs::metadata("/proc/self/fd").ok()?.len();
    (size > 0).then_some(size)
}

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
    let more = OTHERS_PER_WORKER * more_workers + conns as u64;
    let others = OTHERS + more;
    let wanted = max_connections.unwrap_or(DEFAULT_CONNECTIONS);
    let needed = wanted as u64 * 2 + others;
    let Err(maximum) = raise_limit(needed) else {
        return Ok(wanted);
    };
    if max_connections.is_none() {
        let fitting = fit(maximum, more);
        return fitting.map_err(|error| error.with_flag("--max-connections").with_value(wanted));
    }
    let remedy = remedy(needed, maximum, others);
    Err(too_few(needed, maximum, remedy)
        .with_flag("--max-connections")
        .with_value(wanted))
}

/// Returns the number of clients that fit into `maximum` descriptors beside `more` others. Where
/// there is no room for all pipes, each client is counted with two of its own.
fn fit(maximum: u64, more: u64) -> Result<usize, BindError> {
    const WITH_PIPES: u64 = 6;
    let few = OTHERS_WITHOUT_PIPES + more;
    let by_two = maximum.saturating_sub(OTHERS + more) / 2;
    let by_six = maximum.saturating_sub(few) / WITH_PIPES;
    match by_two.max(by_six) {
        0 => {
            let needed = few + WITH_PIPES;
            let remedy = format!("raise the limit with ulimit -n {needed}");
            Err(too_few(needed, maximum, remedy))
        }
        fitting => {
            // What is allowed but not granted is left as it is: then descriptors run short earlier.
            let _ = raise_limit(maximum);
            Ok(usize::try_from(fitting).unwrap_or(usize::MAX))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_fit_beside_the_others() {
        assert_eq!(fit(16_639, 0).unwrap(), 7_999);
        assert_eq!(fit(1_024, 0).unwrap(), 192);
        assert_eq!(fit(256, 0).unwrap(), 21);
        assert_eq!(fit(256, 64).unwrap(), 10);
        assert_eq!(fit(134, 0).unwrap(), 1);
        let error = fit(133, 0).unwrap_err().to_string();
        assert!(
            error.contains("needs 134 file descriptors, and the limit is 133"),
            "{error}"
        );
    }
}
