//! `lb-chord demo`: a ring in one process, shown live.

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lb_chord::Config;
use lb_chord::addr::Addr;
use lb_chord::shell::{Clock, Shell, random_seed};

use super::node::{Tuning, describe};
use super::screen::Screen;
use super::{Failure, Mode, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Nodes of the ring
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    nodes: u16,

    /// Port of the first node on localhost; the others have the next ones
    #[arg(long, value_name = "PORT", default_value_t = 5000,
          value_parser = clap::value_parser!(u16).range(1..))]
    base_port: u16,

    #[command(flatten)]
    mode: Mode,

    #[command(flatten)]
    tuning: Tuning,
}

/// How often the picture is drawn.
const REFRESH: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> Outcome {
    let mut shell = start(args)?;
    let clock = Clock::start();
    let is_terminal = io::stdout().is_terminal();
    let mut screen = Screen::new(is_terminal, args.mode.space());
    if is_terminal {
        write(SHOW)?;
    }
    let result = watch(&mut shell, &clock, &mut screen);
    if is_terminal {
        write(HIDE)?;
    }
    result
}

/// The alternate screen without a cursor, and back.
const SHOW: &str = "\x1b[?1049h\x1b[?25l";
const HIDE: &str = "\x1b[?25h\x1b[?1049l";

fn write(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn start(args: &Args) -> Result<Shell, Failure> {
    let key = args.mode.key()?;
    let mut shell = Shell::new()?;
    let localhost = |port| Addr::new("localhost", port);
    for nth in 0..args.nodes {
        let Some(port) = args.base_port.checked_add(nth) else {
            return Err(Failure::usage("--base-port leaves no room for all --nodes"));
        };
        let Some(addr) = localhost(port) else {
            return Err(Failure::usage("localhost is no address here"));
        };
        let seed = random_seed()?;
        let join = localhost(args.base_port).filter(|_| nth > 0);
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let key = key.clone();
        let make = |_| {
            let config = if args.mode.is_native() {
                Config::native(addr, key, seed)
            } else {
                Config::course(addr, seed)
            };
            args.tuning.apply(Config {
                join: join.into_iter().collect(),
                ..config
            })
        };
        shell
            .add(bind, make)
            .map_err(|error| Failure::usage(format!("{error}; choose others with --base-port")))?;
    }
    Ok(shell)
}

fn watch(shell: &mut Shell, clock: &Clock, screen: &mut Screen) -> Outcome {
    let mut next = clock.now();
    let mut signals = 0;
    loop {
        let now = clock.now();
        if now >= next {
            next = now + REFRESH;
            let drawn = screen.draw(shell);
            write(&drawn)?;
        }
        let turn = shell.turn(next.since(clock.now()))?;
        for (host, event) in turn.events {
            let name = shell.hosts().nth(host).map(|host| host.addr().to_string());
            if let (Some(name), Some(line)) = (name, describe(&event)) {
                screen.log(format!("{name} {line}"));
            }
        }
        if turn.signals > signals {
            signals = turn.signals;
            if signals > 1 {
                return Ok(());
            }
            shell.leave();
        }
        if shell.hosts().all(lb_chord::Host::is_gone) {
            return Ok(());
        }
    }
}
