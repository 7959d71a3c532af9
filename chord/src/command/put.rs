//! `lb-chord put`: stores a value.

use std::path::PathBuf;

use super::{Failure, Outcome, Target, value};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Key: any text
    key: String,

    /// Value: JSON, such as '[0, 1, 2]', or any other text as it is; the bytes of the text in native
    /// mode
    #[arg(required_unless_present = "file")]
    value: Option<String>,

    /// Take the value from a file instead (native mode)
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let is_native = args.target.mode.is_native();
    let bytes = match (&args.value, &args.file) {
        (Some(text), _) if is_native => text.clone().into_bytes(),
        (Some(text), _) => lb_pickle::to_opcodes(&value::parse(text)),
        (None, Some(file)) if is_native => std::fs::read(file)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?,
        _ => {
            return Err(Failure::usage(
                "--file needs --native: a value of the course is JSON",
            ));
        }
    };
    args.target.client()?.put(&args.key, bytes.into())?;
    Ok(())
}
