//! `lb ctl`: asks a running lb, and shows what it answers.
//!
//! | file | owns |
//! |---|---|
//! | `ask` | what each command asks for |
//! | `target` | which pool is meant |
//! | `show` | answers as tables |
//! | `events` | events as lines |

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value indexed by a name is null where it has none"
)]

mod ask;
mod events;
mod show;
mod target;

use super::admin_client::{AdminClient, Failure};
use super::terminal;
use crate::cli::{Steering, Verb};
use crate::stderr::say;
use lb::config::HumanDuration;
use lb::internal::clock::Clock;
use show::Frame;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::thread::park_timeout;
use std::time::Duration;

/// Exit code: lb refuses.
const REFUSED: u8 = 1;
/// Exit code: lb cannot be reached.
const UNREACHABLE: u8 = 3;
/// Moves to the top and clears the screen (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Carries out one command.
pub(crate) fn carry_out(steering: &Steering) -> ExitCode {
    let ended = AdminClient::new(&steering.admin).and_then(|client| match &steering.verb {
        Verb::Events(flags) => events::follow(&client, flags, steering.json),
        _ => match steering.watch {
            Some(pause) => watch(&client, steering, pause),
            None => {
                let (text, failure) = look(&client, steering)?;
                put(&text);
                failure.map_or(Ok(()), Err)
            }
        },
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format_args!("lb: {failure}"));
            ExitCode::from(match failure {
                Failure::Unreachable(_) => UNREACHABLE,
                _ => REFUSED,
            })
        }
    }
}

/// Asks once. Returns what is to be printed, and what is wrong all the same.
fn look(client: &AdminClient, steering: &Steering) -> Result<(String, Option<Failure>), Failure> {
    let answer = ask::ask(client, steering)?;
    let failure = answer.failure().cloned();
    if steering.json {
        return Ok((answer.as_json(), failure));
    }
    let frame = Frame {
        width: terminal::width(),
        now: Clock::start().wall(),
    };
    Ok((show::page(&answer, &frame), failure))
}

/// Shows it again and again, over restarts of lb, until the process is stopped or nobody reads.
fn watch(client: &AdminClient, steering: &Steering, pause: HumanDuration) -> Result<(), Failure> {
    if !ask::may_be_repeated(&steering.verb) {
        let problem = "--watch: this command changes something; give it once without";
        return Err(Failure::Unfit(problem.to_owned()));
    }
    let pause = pause.0.max(Duration::from_millis(100));
    let is_screen = io::stdout().is_terminal() && !steering.json;
    loop {
        let text = match look(client, steering) {
            Ok((text, _)) => text,
            Err(failure @ Failure::Unreachable(_)) => format!("lb: {failure}\n"),
            Err(failure) => return Err(failure),
        };
        let clear = if is_screen { CLEAR } else { "" };
        let gap = if is_screen || steering.json { "" } else { "\n" };
        if !put(&format!("{clear}{text}{gap}")) {
            return Ok(());
        }
        park_timeout(pause);
    }
}

/// Prints text. Returns whether it can be read.
fn put(text: &str) -> bool {
    let mut out = io::stdout();
    let written = out.write_all(text.as_bytes());
    written.and_then(|()| out.flush()).is_ok()
}
