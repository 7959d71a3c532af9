//! `lb-chord figures`: the figures of the paper, measured in the simulator.

use std::fs;
use std::path::PathBuf;

use lb_chord::sim::figures::{Scale, charts, markdown, measure};

use super::{Failure, Outcome, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder for the charts (SVG) and the numbers (figures.json); made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Seed: the same gives the same figures
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Smaller rings and fewer lookups, in seconds instead of minutes
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let scale = if args.quick {
        Scale::quick(args.seed)
    } else {
        Scale::full(args.seed)
    };
    eprintln!("seed {}", args.seed);
    let figures = measure(&scale, &|done| eprintln!("{done}")).map_err(Failure::new)?;
    let json = serde_json::to_string_pretty(&figures).map_err(Failure::new)?;
    let write = |name: &str, text: &str| {
        let path = args.out.join(name);
        fs::write(&path, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
    };
    fs::create_dir_all(&args.out)
        .map_err(|error| Failure::new(format!("--out {}: {error}", args.out.display())))?;
    for (name, svg) in charts(&figures) {
        write(name, &svg)?;
    }
    write("figures.json", &format!("{json}\n"))?;
    print(markdown(&figures).trim_end())
}
