//! Signals, on a thread of their own that never blocks: they work even if other threads are held
//! up.
//!
//! Stopping is done on that thread. What may take long, such as a report to a pipe that is not
//! read, runs on another; a signal that comes meanwhile is dropped.

use crate::stderr::say;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The exit code after a second signal to stop, by the custom of shells.
const KILLED: i32 = 128;

/// A request that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To report the state.
    Report,
    /// To tell what is still open after a stop.
    Stopping,
}

/// A request to go on in another way. It must not block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// With another configuration: SIGHUP.
    Reload,
    /// As another process: SIGUSR2.
    Upgrade,
}

/// Says that a command knows no such change.
pub(crate) fn no_change(change: Change) {
    say(&match change {
        Change::Reload => "lb: SIGHUP has no effect here",
        Change::Upgrade => "lb: SIGUSR2 has no effect here",
    });
}

/// Begins to obey. SIGINT, SIGTERM and SIGQUIT call `stop`, which must not block, and a second one
/// ends the process at once. SIGUSR1 calls `answer` for a report; so does a stop, for open work.
/// SIGHUP and SIGUSR2 call `change`.
///
/// # Errors
/// The system does not let the process watch signals or start a thread.
pub(crate) fn obey(
    stop: impl Fn() + Send + 'static,
    change: impl Fn(Change) + Send + 'static,
    answer: impl FnMut(Request) + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGHUP, SIGUSR2])?;
    let (ask, requests) = sync_channel(1);
    spawn("lb-reports", move || serve_all(&requests, answer))?;
    spawn("lb-signals", move || {
        watch(&mut signals, &stop, &change, &ask)
    })
}

fn watch(
    signals: &mut Signals,
    stop: &impl Fn(),
    change: &impl Fn(Change),
    ask: &SyncSender<Request>,
) {
    let mut is_stopping = false;
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => {
                let _ = ask.try_send(Request::Report);
            }
            SIGHUP => change(Change::Reload),
            SIGUSR2 => change(Change::Upgrade),
            _ if is_stopping => std::process::exit(KILLED + signal),
            _ => {
                is_stopping = true;
                stop();
                let _ = ask.try_send(Request::Stopping);
            }
        }
    }
}

fn serve_all(requests: &Receiver<Request>, mut answer: impl FnMut(Request)) {
    for request in requests {
        answer(request);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}
