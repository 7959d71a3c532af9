//! Named places at which the controller can be made to die, for tests of what a crash there leaves.
//!
//! Always compiled in, so that what is tested is what is shipped, and inert unless the environment
//! asks: `LB_CONTROLLER_CRASH_AT=PLACE`, or `PLACE*N` for the Nth time that it is passed. The
//! process ends by SIGKILL, as by the kernel: nothing is flushed, closed or said.
#![allow(
    clippy::disallowed_methods,
    reason = "reads one variable of the environment at the start"
)]

use crate::fleet::commit::{Change, Commit, Deed};
use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable of the environment.
pub(crate) const VARIABLE: &str = "LB_CONTROLLER_CRASH_AT";

/// On which side of a commit or an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    /// The commit is durable, or the act is done; nothing has followed from it.
    After,
    /// In the middle of it.
    Within,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Within => "within",
        }
    }
}

/// Commits, by what they write: the state of a server, the number wanted, the set of a pool.
const COMMITS: [&str; 12] = [
    "planned",
    "launching",
    "starting",
    "registering",
    "warming",
    "serving",
    "draining",
    "terminating",
    "backoff",
    "gone",
    "want",
    "set",
];
const ACTS: [&str; 5] = ["launch", "stop", "adopt", "put", "lame-duck"];
/// Places in the middle of a commit or an act.
const MIDDLES: [&str; 4] = ["commit", "directory", "order", "stop"];

struct Plan {
    side: Side,
    what: String,
    left: AtomicU32,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Every place, as it is named in the environment.
fn places() -> impl Iterator<Item = (Side, &'static str)> {
    let ends = COMMITS.into_iter().chain(ACTS);
    let ends = ends.flat_map(|what| [(Side::Before, what), (Side::After, what)]);
    ends.chain(MIDDLES.map(|what| (Side::Within, what)))
}

/// Reads the environment.
///
/// # Errors
/// It names no place: all there are.
pub(crate) fn arm() -> Result<(), String> {
    let Ok(text) = std::env::var(VARIABLE) else {
        return Ok(());
    };
    let plan = parse(&text)?;
    eprintln!("lb-controller: {VARIABLE} is set: it will die at {text}");
    let _ = PLAN.set(plan);
    Ok(())
}

fn parse(text: &str) -> Result<Plan, String> {
    let (place, nth) = text.split_once('*').unwrap_or((text, "1"));
    let found = places().find(|(side, what)| place == format!("{}-{what}", side.word()));
    let nth: Option<u32> = nth.parse().ok().filter(|nth| *nth > 0);
    let (Some((side, what)), Some(nth)) = (found, nth) else {
        let known: Vec<String> = places()
            .map(|(side, what)| format!("{}-{what}", side.word()))
            .collect();
        let known = known.join(", ");
        return Err(format!(
            "{VARIABLE} is {text:?}; it is PLACE or PLACE*N, with one of the places {known}"
        ));
    };
    Ok(Plan {
        side,
        what: what.to_owned(),
        left: AtomicU32::new(nth),
    })
}

/// Dies here, if that was asked for.
pub(crate) fn pass(side: Side, what: &str) {
    let Some(plan) = PLAN.get() else { return };
    if plan.side == side && plan.what == what && plan.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Passes the places of a commit.
pub(crate) fn pass_commit(side: Side, commit: &Commit) {
    if PLAN.get().is_none() {
        return;
    }
    for change in &commit.changes {
        match change {
            Change::Server(server) => pass(side, server.phase().word()),
            Change::Service(_) => pass(side, "want"),
            Change::Pool(_) => pass(side, "set"),
            Change::ForgetServer(_)
            | Change::ForgetService(_)
            | Change::Term(_)
            | Change::NextServer(_)
            | Change::Decision(..) => {}
        }
    }
}

/// The name of an act among the places.
pub(crate) fn act(deed: &Deed) -> &'static str {
    match deed {
        Deed::Launch { .. } => "launch",
        Deed::Stop { .. } => "stop",
        Deed::Adopt { .. } => "adopt",
        Deed::PutSet { .. } => "put",
        Deed::LameDuck { .. } => "lame-duck",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::server::Phase;

    #[test]
    fn every_place_can_be_named() {
        let mut count = 0;
        for (side, what) in places() {
            let plan = parse(&format!("{}-{what}*3", side.word())).expect("is known");
            assert_eq!((plan.side, plan.what.as_str()), (side, what));
            assert_eq!(plan.left.into_inner(), 3);
            count += 1;
        }
        assert!(count >= 30, "{count}");
    }

    #[test]
    fn a_name_that_is_none_is_told_with_all_there_are() {
        for text in ["", "before-lunch", "before-launch*0", "before-launch*x"] {
            let Err(error) = parse(text) else {
                panic!("{text} is no place")
            };
            assert!(error.contains("after-launch"), "{error}");
        }
    }

    #[test]
    fn states_of_servers_are_called_as_everywhere() {
        let words: Vec<&str> = Phase::ALL.iter().map(|phase| phase.word()).collect();
        for what in &COMMITS[..10] {
            assert!(words.contains(what), "{what}");
        }
    }
}
