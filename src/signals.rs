//! What signals ask for, on a thread of their own: they are heard whatever the loop is doing.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::thread;

/// The exit code after a second signal to stop, by the custom of shells.
const KILLED: i32 = 128;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To come to an end.
    Stop,
    /// To show how things are.
    Show,
}

/// Begins to obey: SIGINT and SIGTERM wish for the end, a second one ends the process at once,
/// SIGUSR1 wishes to be shown.
///
/// # Errors
/// The system does not let the process watch signals or start a thread.
pub(crate) fn obey(mut grant: impl FnMut(Wish) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    thread::Builder::new()
        .name("lb-signals".to_owned())
        .spawn(move || {
            let mut stopping = false;
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => grant(Wish::Show),
                    _ if stopping => std::process::exit(KILLED + signal),
                    _ => {
                        stopping = true;
                        grant(Wish::Stop);
                    }
                }
            }
        })?;
    Ok(())
}
