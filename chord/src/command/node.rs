//! `lb-chord node`: runs one node until it is told to leave.

use std::net::SocketAddr;
use std::time::Duration;

use lb_chord::addr::Addr;
use lb_chord::shell::{Shell, first_ip, random_seed};
use lb_chord::{Config, Event};

use super::{Failure, Mode, Outcome, print, seconds};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:5000")]
    listen: Addr,

    /// Address that other nodes reach this one by, if not the same
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<Addr>,

    /// Node of the ring to join; repeat it to try several in turn. Without, a new ring is started
    #[arg(long, value_name = "HOST:PORT")]
    join: Vec<Addr>,

    #[command(flatten)]
    mode: Mode,

    #[command(flatten)]
    pub(super) tuning: Tuning,
}

/// What can be tuned, for a node and for the demo.
#[derive(clap::Args)]
pub(crate) struct Tuning {
    /// Virtual nodes of this host, for even arcs (native mode)
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    vnodes: u16,

    /// Entries of the successor list: a ring survives the death of so many neighbours less one
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=16))]
    successors: u16,

    /// Copies of each key, on the next successors
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(0..=8))]
    replicas: u16,

    /// Time between two stabilizations, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    stabilize_interval: Duration,

    /// Time after which a newcomer asks again, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    join_timeout: Duration,

    /// Time to wait for a reply, in seconds; a node that twice gives none counts as dead
    #[arg(long, value_name = "SECONDS", default_value = "0.3", value_parser = seconds)]
    request_timeout: Duration,

    /// Most keys kept, owned and copied; PUT beyond is refused
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_keys: usize,

    /// Most bytes kept, of keys and values, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    max_memory: u32,
}

impl Tuning {
    pub(super) fn apply(&self, config: Config) -> Config {
        Config {
            vnodes: self.vnodes,
            successors: usize::from(self.successors),
            replicas: usize::from(self.replicas.min(self.successors)),
            stabilize_interval: self.stabilize_interval,
            join_timeout: self.join_timeout,
            request_timeout: self.request_timeout,
            max_keys: self.max_keys,
            max_bytes: (self.max_memory as usize) << 20,
            ..config
        }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (mut shell, addr) = start(args)?;
    for peer in shell.hosts().flat_map(|host| host.peers()) {
        print(&format!("lb-chord {} listens on {addr}", peer.id))?;
    }
    let mut signals = 0;
    loop {
        let turn = shell.turn(Duration::from_secs(60))?;
        if turn.signals > signals {
            if signals > 0 {
                return Err(Failure::new("ended without leaving the ring"));
            }
            signals = turn.signals;
            eprintln!("lb-chord: leaving the ring; once more to end at once");
            shell.leave();
        }
        for (_, event) in turn.events {
            if let Some(line) = describe(&event) {
                eprintln!("lb-chord: {line}");
            }
        }
        if shell.hosts().all(lb_chord::Host::is_gone) {
            return Ok(());
        }
    }
}

fn start(args: &Args) -> Result<(Shell, Addr), Failure> {
    let host = args.listen.host();
    let Some(ip) = first_ip(&host) else {
        return Err(Failure::usage(format!("--listen {host}: no such host")));
    };
    if ip.ip().is_unspecified() && args.advertise.is_none() {
        return Err(Failure::usage(format!(
            "--listen {host} is every address: give --advertise, the one that others reach"
        )));
    }
    let bind = SocketAddr::new(ip.ip(), args.listen.port());
    let key = args.mode.key()?;
    let seed = random_seed()?;
    let mut shell = Shell::new()?;
    let mut advertised = args.listen.clone();
    let make = |local: SocketAddr| {
        let listen = Addr::new(&host, local.port()).unwrap_or_else(|| local.into());
        advertised = args.advertise.clone().unwrap_or(listen);
        let config = if args.mode.is_native() {
            Config::native(advertised.clone(), key, seed)
        } else {
            Config::course(advertised.clone(), seed)
        };
        let mut join = args.join.clone();
        join.retain(|addr| *addr != advertised);
        args.tuning.apply(Config { join, ..config })
    };
    shell
        .add(bind, make)
        .map_err(|error| Failure::usage(format!("{error}; choose another with --listen")))?;
    if args.join.contains(&advertised) && args.join.len() == 1 {
        return Err(Failure::usage(format!(
            "--join {advertised} is this node itself; leave it out to start a ring"
        )));
    }
    Ok((shell, advertised))
}

/// A line for an event that an operator may want to know of.
pub(super) fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Joined(successor) => {
            format!("joined, before {} {}", successor.id, successor.addr)
        }
        Event::JoinUnanswered(addr, times) => format!(
            "no answer to joining by {addr}, asked {times} time{}: no node there, or the id is taken",
            if *times == 1 { "" } else { "s" }
        ),
        Event::Successor(peer) => format!("successor is {} {}", peer.id, peer.addr),
        Event::Predecessor(peer) => format!("predecessor is {} {}", peer.id, peer.addr),
        Event::Lost(peer) => format!(
            "lost {} {}: two requests without answer",
            peer.id, peer.addr
        ),
        Event::Back(peer) => format!("{} {} is back", peer.id, peer.addr),
        Event::Left { keys_left: 0 } => "left the ring".to_owned(),
        Event::Left { keys_left } => {
            format!("left the ring; {keys_left} keys were not handed over")
        }
        Event::Looked(_) => return None,
    })
}
