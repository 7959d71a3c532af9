//! `lb-chord get`: prints a value.

use std::io::{self, Write};

use super::value::{self, Format};
use super::{Failure, Outcome, Target, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Key
    key: String,

    /// How to print the value; native values are printed as they are
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let found = args.target.client()?.get(&args.key)?;
    let Some(bytes) = found else {
        return Err(Failure::new(format!(
            "there is no value for {:?}",
            args.key
        )));
    };
    if args.target.mode.is_native() {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&bytes)?;
        return Ok(stdout.flush()?);
    }
    let value = lb_pickle::read_opcodes(&bytes).map_err(Failure::new)?;
    print(&value::print(&value, args.format))
}
