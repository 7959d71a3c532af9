//! `lb-chord figures`: the figures of the paper, measured in the simulator.

use std::fs;
use std::path::{Path, PathBuf};

use lb_chord::sim::figures::{Figures, Scale, charts, markdown, measure};

use super::{Failure, Outcome, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder for the charts (SVG) and the numbers (figures.json); made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Seed: the same gives the same figures
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Measure nothing: draw the numbers of an earlier run again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "quick"])]
    redraw: Option<PathBuf>,

    /// Smaller rings and fewer lookups, in seconds instead of minutes
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let figures = match &args.redraw {
        Some(file) => read(file)?,
        None => measured(args)?,
    };
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

fn measured(args: &Args) -> Result<Figures, Failure> {
    let scale = if args.quick {
        Scale::quick(args.seed)
    } else {
        Scale::full(args.seed)
    };
    eprintln!("seed {}", args.seed);
    measure(&scale, &|done| eprintln!("{done}")).map_err(Failure::new)
}

fn read(file: &Path) -> Result<Figures, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("--redraw {}: {error}", file.display()))
    };
    let json = fs::read_to_string(file).map_err(|error| failed(&error))?;
    serde_json::from_str(&json).map_err(|error| failed(&error))
}
