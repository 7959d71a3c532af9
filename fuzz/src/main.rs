//! `lb-fuzz TARGET [--seconds N | --seed N]`: see the library.

use lb_fuzz::Target;
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

const USAGE: &str =
    "lb-fuzz head|chunks|session|pickle|course|native|node [--seconds N | --seed N]";

/// The task.
enum Run {
    One { seed: u64 },
    For { seconds: u64 },
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((target, run)) = parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run {
        Run::One { seed } => target.attack(seed),
        Run::For { seconds } => {
            name_failures(target);
            attack_for(target, seconds);
        }
    }
    ExitCode::SUCCESS
}

fn parse(args: &[String]) -> Option<(Target, Run)> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (name, run) = match words[..] {
        [name] => (name, Run::For { seconds: 60 }),
        [name, "--seconds", count] => (
            name,
            Run::For {
                seconds: count.parse().ok()?,
            },
        ),
        [name, "--seed", seed] => (
            name,
            Run::One {
                seed: seed.parse().ok()?,
            },
        ),
        _ => return None,
    };
    let target = Target::ALL
        .into_iter()
        .find(|target| target.name() == name)?;
    Some((target, run))
}

/// Tries seeds that have not been tried before, until time is up or a rule is broken.
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "only the choice of the first seed and the end depend on a clock"
)]
fn attack_for(target: Target, seconds: u64) {
    use std::time::{Duration, Instant, SystemTime};
    let epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let first = u64::try_from(epoch.as_nanos()).unwrap_or_default();
    let started = Instant::now();
    let mut seed = first;
    while started.elapsed() < Duration::from_secs(seconds) {
        CURRENT.store(seed, Ordering::Relaxed);
        target.attack(seed);
        seed = seed.wrapping_add(1);
    }
    println!("{}: {} cases, all well", target.name(), seed - first);
}

/// The seed being tried, for a panic message.
static CURRENT: AtomicU64 = AtomicU64::new(0);

/// Says how to try a case again that ended in a panic. A hook, as a panic may end the process.
fn name_failures(target: Target) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        usual(info);
        let seed = CURRENT.load(Ordering::Relaxed);
        eprintln!(
            "again: cargo run -p lb-fuzz -- {} --seed {seed}",
            target.name()
        );
    }));
}
