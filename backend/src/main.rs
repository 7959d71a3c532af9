//! `pi-backend`: a demo server that computes Pi, one slow term at a time, for trying lb.
//!
//! A request goes through one file each: `server` receives it, `routes` reads what it asks for,
//! `answer` works it out (`pi` does the arithmetic and takes the time), and `format` chooses
//! between `text`, `json` and `page` to write it down.
//!
//! This file owns the command line and the exit codes: 0 never (it serves until it is ended),
//! 1 when accepting stops, 2 when it could not start.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the bans keep lb's core pure; this server reads the clock and sleeps by purpose"
)]

mod answer;
mod format;
mod json;
mod knock;
mod page;
mod panics;
mod pi;
mod refusal;
mod routes;
mod server;
mod text;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use server::{Service, Start};

/// Computes Pi slowly, for trying lb: GET /100 answers with 100 terms of the Leibniz series.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address to listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    host: IpAddr,

    /// Port to listen on; 0 takes a free one and prints it
    #[arg(long, default_value_t = 5000)]
    port: u16,

    /// Name in X-Served-By and on the page [default: pi-PORT]
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,

    /// Time that one term costs, in microseconds; 0 is as fast as it goes
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    term_us: u64,

    /// Requests worked on at the same time
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroU8,
}

fn main() -> ExitCode {
    let args = Args::parse();
    panics::park_broken_connections();
    let start = match server::listen(SocketAddr::new(args.host, args.port)) {
        Ok(start) => start,
        Err(error) => return fail(2, &error),
    };
    let service = Service {
        name: args
            .name
            .unwrap_or_else(|| format!("pi-{}", start.address.port())),
        term_cost: Duration::from_micros(args.term_us),
    };
    announce(&service, &start);
    let error = server::serve(start, service, args.threads);
    fail(1, &format!("stopped serving: {error}"))
}

/// Says on stdout that the server is up, at once even into a pipe: scripts read the port here.
fn announce(service: &Service, start: &Start) {
    let mut stdout = std::io::stdout().lock();
    // Nobody may be reading; the server serves all the same.
    let _ = writeln!(
        stdout,
        "pi-backend {} listens on {}",
        service.name, start.address
    );
    let _ = stdout.flush();
}

fn fail(code: u8, error: &str) -> ExitCode {
    eprintln!("pi-backend: {error}");
    ExitCode::from(code)
}

/// A name goes into a header, so it is one to 64 visible ASCII characters.
fn parse_name(text: &str) -> Result<String, &'static str> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a name is 1 to 64 visible ASCII characters without spaces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_name_must_fit_into_a_header() {
        assert!(parse_name("pi-5000").is_ok());
        assert!(parse_name("").is_err());
        assert!(parse_name("two words").is_err());
        assert!(parse_name("a\r\nSet-Cookie:x").is_err());
        assert!(parse_name(&"x".repeat(64)).is_ok());
        assert!(parse_name(&"x".repeat(65)).is_err());
    }
}
