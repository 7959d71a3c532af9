//! A strategy of one's own: stay with one backend until it is busy, so that the others may sleep.
//!
//! `cargo run --example custom_strategy`: of four requests at once, the fourth goes elsewhere.

#![allow(clippy::disallowed_types, reason = "it plays clients and servers")]

use lb::strategy::{BackendId, Candidate, Strategy};
use lb::{Balancer, config::Config, telemetry::Summary, time::Timestamp};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::{error::Error, sync::Barrier, thread};

struct StayUntilBusy(Option<BackendId>); // the last pick

impl Strategy for StayUntilBusy {
    fn name(&self) -> &'static str {
        "stay-until-busy"
    }

    fn pick(&mut self, candidates: &[Candidate], _key: u64, _now: Timestamp) -> Option<BackendId> {
        let may_stay = |c: &Candidate| Some(c.id) == self.0 && c.in_flight < 3;
        let pickable = candidates.iter().filter(|c| c.pickable);
        let best = pickable.min_by_key(|c| (!may_stay(c), c.in_flight))?;
        self.0 = Some(best.id);
        self.0
    }
}

/// Holds all four responses back until all four requests have come.
static ALL_ASKED: Barrier = Barrier::new(5);

fn serve(mut stream: TcpStream) {
    thread::spawn(move || {
        let _head = stream.read(&mut [0; 1024]);
        ALL_ASKED.wait();
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    });
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut backends = Vec::new();
    for _ in 0..2 {
        let server = TcpListener::bind("127.0.0.1:0")?;
        backends.push(server.local_addr()?.to_string().parse()?);
        thread::spawn(move || server.incoming().flatten().for_each(serve));
    }
    let mut config = Config::new(backends)?;
    config.set_listeners(["127.0.0.1:0".parse()?])?;
    let balancer = Balancer::bind_with(&config, |_worker| Box::new(StayUntilBusy(None)))?;
    let running = balancer.spawn()?;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(running.addresses())?;
        client.write_all(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")?;
        clients.push(client);
    }
    ALL_ASKED.wait();
    println!("{}", Summary(&running.stop()?.snapshot)); // stop finishes what is open
    Ok(())
}
