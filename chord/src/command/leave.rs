//! `lb-chord leave`: has a node hand its keys over and end.

use lb_chord::message::{Reply, Request};
use lb_chord::shell::client::ClientError;

use super::{Outcome, Target, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut client = args.target.client()?;
    let mut token = 0;
    // Once for the challenge, once with it.
    for _ in 0..2 {
        match client.request(Request::Leave { token })? {
            Reply::Challenge(challenge) => token = challenge,
            Reply::Done => return print(&format!("{} leaves the ring", args.target.node)),
            Reply::Refused(cause) => return Err(ClientError::Refused(cause).into()),
            _ => break,
        }
    }
    Err(ClientError::Unexpected.into())
}
