//! `lb-chord demo`: a ring in one process, shown live.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lb_chord::addr::Addr;
use lb_chord::id::Space;
use lb_chord::message::Phase;
use lb_chord::shell::{Clock, Shell, random_seed};
use lb_chord::{Config, Snapshot};

use super::node::{Tuning, describe};
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
    let mut screen = Screen {
        is_terminal,
        space: args.mode.space(),
        sent: 0,
        last_lines: String::new(),
        log: Vec::new(),
    };
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

struct Screen {
    is_terminal: bool,
    space: Space,
    sent: u64,
    /// What was printed last, where it is only printed when it changes.
    last_lines: String,
    log: Vec<String>,
}

const LOG_LINES: usize = 6;

impl Screen {
    fn log(&mut self, line: String) {
        if !self.is_terminal {
            eprintln!("{line}");
            return;
        }
        self.log.push(line);
        if self.log.len() > LOG_LINES {
            self.log.remove(0);
        }
    }

    fn draw(&mut self, shell: &Shell) -> String {
        let sent: u64 = shell.hosts().map(|host| host.traffic().sent).sum();
        let rate = (sent - self.sent) as f64 / REFRESH.as_secs_f64();
        self.sent = sent;
        let mut snapshots: Vec<Snapshot> = shell.hosts().flat_map(|h| h.snapshots()).collect();
        snapshots.sort_by_key(|snapshot| snapshot.me.id);
        let lines = self.lines(&snapshots);
        if !self.is_terminal {
            if lines == self.last_lines {
                return String::new();
            }
            self.last_lines.clone_from(&lines);
            return format!("{lines}{rate:.0} messages/s\n\n");
        }
        let mut text = String::from("\x1b[H");
        for line in lines
            .lines()
            .chain(["", &format!("{rate:.0} messages/s; Ctrl-C leaves")])
        {
            let _ = write!(text, "{line}\x1b[K\r\n");
        }
        for line in &self.log {
            let _ = write!(text, "{line}\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        text
    }

    fn lines(&self, snapshots: &[Snapshot]) -> String {
        let mut text = String::new();
        let circle = 2_f64.powi(i32::from(self.space.bits()));
        let _ = writeln!(
            text,
            "{:>4} {:<18} {:>5} {:<20} {:>4} {:>4} {:>4} {:>6}  fingers",
            "id", "address", "arc", "", "pred", "succ", "keys", "copies"
        );
        for node in snapshots {
            let me = &node.me;
            let arc = match &node.predecessor {
                Some(before) if before.id == me.id => 1.0,
                Some(before) => self.space.distance(before.id, me.id).as_f64() / circle,
                None => 0.0,
            };
            let id = |id: lb_chord::id::Id| {
                let text = id.to_string();
                text.chars().take(6).collect::<String>()
            };
            let succ = node.successors.first().unwrap_or(me);
            let pred = node.predecessor.as_ref().map_or("-".into(), |p| id(p.id));
            let state = match node.phase {
                Phase::Member => id(succ.id),
                Phase::Joining => "join".into(),
                Phase::Leaving => "leav".into(),
                Phase::Gone => "gone".into(),
            };
            let _ = writeln!(
                text,
                "{:>4} {:<18} {:>4.0}% {:<20} {pred:>4} {state:>4} {:>4} {:>6}  {}",
                id(me.id),
                me.addr,
                arc * 100.0,
                "#".repeat((arc * 20.0).round() as usize),
                node.owned.len(),
                node.copies.len(),
                fingers(node, &id),
            );
            let keys: Vec<String> = node.owned.iter().map(|(k, ..)| format!("{k:?}")).collect();
            if !keys.is_empty() {
                let shown: Vec<String> = keys.iter().take(8).cloned().collect();
                let more = if keys.len() > 8 { " ..." } else { "" };
                let _ = writeln!(text, "{:>10}{}{more}", "", shown.join(" "));
            }
        }
        text
    }
}

/// Runs of fingers, as `654 x7, 752, 895`.
fn fingers(node: &Snapshot, name: &impl Fn(lb_chord::id::Id) -> String) -> String {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for finger in &node.fingers {
        let id = name(finger.as_ref().unwrap_or(&node.me).id);
        match runs.last_mut() {
            Some((last, count)) if *last == id => *count += 1,
            _ => runs.push((id, 1)),
        }
    }
    let runs = runs.into_iter().map(|(id, count)| match count {
        1 => id,
        count => format!("{id} x{count}"),
    });
    runs.collect::<Vec<_>>().join(", ")
}
