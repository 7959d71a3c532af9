//! x
use clap::Parser;
#[derive(Debug, Parser)]
pub(crate) struct Args {}
pub(crate) fn run(_: &Args) -> Result<(), String> { Ok(()) }
