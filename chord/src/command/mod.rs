//! The commands, and what their command lines have in common.

pub(crate) mod demo;
pub(crate) mod figures;
pub(crate) mod get;
pub(crate) mod leave;
pub(crate) mod lookup;
pub(crate) mod node;
pub(crate) mod put;
mod screen;
pub(crate) mod state;
mod value;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use lb_chord::addr::Addr;
use lb_chord::id::Space;
use lb_chord::shell::client::{Client, ClientError};
use lb_chord::wire::{Codec, Key};

/// The end of a command that did not do what was asked.
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    /// What was asked could not be done.
    pub(crate) fn new(message: impl ToString) -> Self {
        let message = message.to_string();
        Self { code: 1, message }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl ToString) -> Self {
        let message = message.to_string();
        Self { code: 2, message }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

pub(crate) type Outcome = Result<(), Failure>;

/// The mode of a ring, which all its nodes and clients share.
#[derive(clap::Args)]
pub(crate) struct Mode {
    /// Native mode: 160-bit ids, compact encoding, values up to 1 MiB
    #[arg(long)]
    pub(crate) native: bool,

    /// File with the secret that all messages are signed with, at least 16 bytes; implies --native
    #[arg(long = "key", id = "key_file", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Mode {
    pub(crate) const fn is_native(&self) -> bool {
        self.native || self.key_file.is_some()
    }

    pub(crate) fn key(&self) -> Result<Option<Key>, Failure> {
        let Some(path) = &self.key_file else {
            return Ok(None);
        };
        let file = path.display();
        let secret = std::fs::read(path)
            .map_err(|error| Failure::usage(format!("cannot read --key {file}: {error}")))?;
        match Key::new(secret.trim_ascii()) {
            Some(key) => Ok(Some(key)),
            None => Err(Failure::usage(format!(
                "--key {file} has fewer than 16 bytes"
            ))),
        }
    }

    pub(crate) fn codec(&self) -> Result<Codec, Failure> {
        Ok(match (self.is_native(), self.key()?) {
            (true, key) => Codec::Native(key),
            (false, _) => Codec::Course,
        })
    }

    pub(crate) const fn space(&self) -> Space {
        if self.is_native() {
            Space::NATIVE
        } else {
            Space::COURSE
        }
    }
}

/// How a client reaches the ring.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// Node to ask; a bare port is one of localhost
    #[arg(
        long,
        short,
        value_name = "HOST:PORT",
        default_value = "localhost:5000"
    )]
    pub(crate) node: Addr,

    /// Time to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    timeout: Duration,

    #[command(flatten)]
    pub(crate) mode: Mode,
}

impl Target {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(self.node.clone(), self.mode.codec()?, self.timeout)?;
        Ok(client)
    }
}

/// A time in seconds, with a fraction or without.
pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "expected seconds, such as 3 or 0.5")?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("expected 0.001 to 86400 seconds");
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Prints a line; that nobody reads it any more is no failure.
pub(crate) fn print(text: &str) -> Outcome {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
