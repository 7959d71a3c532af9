//! What signals ask for, on a thread of their own: they are heard whatever the loop is doing.

use crate::say;
use lb::Handle;
use lb::observe::Summary;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::thread;

/// The exit code after a second signal to stop, by the custom of shells.
const KILLED: i32 = 128;

/// Begins to obey: SIGINT and SIGTERM stop the balancer, a second one ends the process at once,
/// SIGUSR1 prints the table of backends.
///
/// # Errors
/// The system does not let the process watch signals or start a thread.
pub(crate) fn obey(balancer: Handle) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    thread::Builder::new()
        .name("lb-signals".to_owned())
        .spawn(move || {
            let mut stopping = false;
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => {
                        if let Some(snapshot) = balancer.snapshot() {
                            say(&Summary(&snapshot));
                        }
                    }
                    _ if stopping => std::process::exit(KILLED + signal),
                    _ => {
                        stopping = true;
                        balancer.stop();
                    }
                }
            }
        })?;
    Ok(())
}
