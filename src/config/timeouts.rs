//! Timeouts.
//!
//! Owns the default and the range of each. A timeout of zero would expire before it began, so none
//! is zero.

use super::settings::{Scope, Section, Setting, Value};
use super::{ConfigError, HumanDuration};
use std::time::Duration;

static SECTION: Section = Section {
    title: "Timeouts (as in 500ms, 3s, 2m, 1h)",
    scope: Scope::Global,
};
static PER_POOL: Section = Section {
    title: SECTION.title,
    scope: Scope::Pool,
};
static PER_LISTENER: Section = Section {
    title: SECTION.title,
    scope: Scope::Listener,
};

/// The longest timeout: 30 days, more than is ever waited and far less than clocks can count.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

settings! {
    /// Timeouts. Each is more than zero and at most 30 days.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Timeouts in draft.timeouts, section SECTION;

    /// Time for a backend to accept a connection
    ///
    /// Of each attempt; another backend is tried after it.
    "connect-timeout" <"TIME"> connect: Duration = secs(3), check timeout, with { section: &PER_POOL };

    /// Time for a client to begin its next request
    ///
    /// Counted on a new connection, and from each response. Then the connection is closed.
    "keep-alive-timeout" <"TIME"> keep_alive: Duration = secs(60),
        check timeout, with { section: &PER_LISTENER, http_only: true };

    /// Time for a client to send the head of a request
    ///
    /// Counted from its first byte to its last: sending it drop by drop gains no time.
    "head-timeout" <"TIME"> head: Duration = secs(10), check timeout, with { section: &PER_LISTENER };

    /// Time for a client to send the next bytes of a request body
    ///
    /// See --min-body-rate for clients that send just enough.
    "body-timeout" <"TIME"> body: Duration = secs(30),
        check timeout, with { section: &PER_LISTENER, http_only: true };

    /// Time for a client or a backend to take some of the bytes sent to it
    "write-timeout" <"TIME"> write: Duration = secs(30), check timeout, with { section: &PER_LISTENER };

    /// Time for a backend to send the next part of a response
    ///
    /// Sets --first-byte-timeout too, unless that is given.
    "server-timeout" <"TIME"> server: Duration = secs(60), check timeout, with {
        section: &PER_POOL, http_only: true, implies: &["first-byte-timeout"]
    };

    /// Time for a backend to send the head of its response
    ///
    /// Counted from the last byte of the request to the end of the head of the response.
    "first-byte-timeout" <"TIME"> first_byte: Duration = secs(60),
        check timeout, with { section: &PER_POOL, http_only: true };

    /// Time for either side of a tunnel to send something
    ///
    /// A tunnel is a connection in tcp mode, or one that was upgraded, as for a WebSocket.
    "tunnel-timeout" <"TIME"> tunnel: Duration = secs(3600), check timeout;

    /// Time for open exchanges to finish after a signal to stop
    "shutdown-timeout" <"TIME"> shutdown: Duration = secs(30), check timeout;

    /// Time for a backend to have room while all are at their limits
    ///
    /// Then the request gets a 503.
    "queue-timeout" <"TIME"> queue: Duration = secs(10), check timeout, with { section: &PER_POOL };

    /// Time for which an idle backend connection is kept
    ///
    /// Stay below the time after which the backends close theirs.
    "pool-idle-timeout" <"TIME"> pool_idle: Duration = secs(30),
        check timeout, with { section: &PER_POOL, http_only: true };
}

/// Settings of several timeouts at once.
pub(super) const GROUPED: &[Setting] = &[Setting {
    name: "client-timeout",
    placeholder: "TIME",
    section: &PER_LISTENER,
    is_list: false,
    http_only: false,
    implies: &[
        "keep-alive-timeout",
        "head-timeout",
        "body-timeout",
        "write-timeout",
    ],
    requires: None,
    doc: || {
        "Keep-alive, head, body and write timeouts at once\n\nThose that are given as well keep \
         their values."
            .into()
    },
    default: || None,
    // The settings that it implies do the rest.
    set: |_, text| {
        let time = Duration::read(text)?;
        timeout("--client-timeout", &time).map_err(|error| error.with_value(text))
    },
}];

fn timeout(flag: &'static str, time: &Duration) -> Result<(), ConfigError> {
    let (problem, remedy) = match *time {
        Duration::ZERO => (
            "zero would give up before it began",
            "give a longer time, as in 500ms or 3s",
        ),
        time if time > LONGEST => ("longer than 30 days", "give at most 720h"),
        _ => return Ok(()),
    };
    Err(ConfigError::new(problem, remedy)
        .with_flag(flag)
        .with_value(HumanDuration(*time)))
}
