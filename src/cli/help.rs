//! The parts of the help page that are not one flag's.
//!
//! Owns the prose around the flags; that of a flag is with its setting, in the library.

use clap::builder::{StyledStr, Styles};
use std::fmt::Write as _;

pub(super) const ABOUT: &str = "A small, fast TCP and HTTP load balancer";

pub(super) const LONG_ABOUT: &str = "\
A small, fast TCP and HTTP load balancer.

lb accepts clients and spreads their requests, or their connections, over several servers:
the backends. --backends is all it needs; everything else has a default.";

pub(super) const USAGE: &str = "\
lb [OPTIONS] --backends HOST:PORT,HOST:PORT...
       lb [OPTIONS] --config FILE
       lb check FILE
       lb config --default | --effective FILE | --schema
       lb reload | upgrade --pid-file FILE
       lb ctl [OPTIONS] COMMAND
       lb top [OPTIONS]
       lb heartbeat [OPTIONS] --to HOST:PORT --as NAME
       lb ping [OPTIONS] HOST...
       lb monitor [OPTIONS] HOST:PORT...
       lb simulate [OPTIONS] [NAME]...
       lb completions SHELL
       lb man DIR";

/// The sections that end the page, each a title and its lines.
const SECTIONS: [(&str, &str); 3] = [
    (
        "Examples",
        "
  Two servers on this machine, clients on 127.0.0.1:8080:
    lb --backends 5000,5001
  Clients from everywhere; three requests to the first server for each one to the second:
    lb --listen '*:80' --strategy round-robin --backends a.example:80=3,b.example:80
  A database with a standby:
    lb --mode tcp --listen 5432 --strategy n-to-1 --backends 10.0.0.1:5432,10.0.0.2:5432
  Several services, each on a listener of its own:
    lb --config lb.toml
  Log lines for a program and nothing else:
    lb --backends 5000,5001 --access-log json --quiet",
    ),
    (
        "Signals",
        "
  SIGINT, SIGTERM, SIGQUIT
                   Accept no more, let open exchanges finish, exit; a second one exits at once
  SIGHUP           Read the configuration file again
  SIGUSR2          Be replaced by the binary that is at the same path now
  SIGUSR1          Print the table of backends",
    ),
    (
        "Exit codes",
        "
  0  Stopped by a signal
  1  Could not start or go on: a port in use, a name without address, missing rights, an error in
     the configuration file
  2  The command line is wrong; one line on stderr has the remedy",
    ),
];

/// The end of `-h`: how to start, and where there is more.
pub(super) const AFTER_SHORT: &str = "\
Example: lb --backends 127.0.0.1:5000,127.0.0.1:5001
--help has more: strategies, examples, signals, exit codes.";

/// Returns the end of `--help`.
pub(super) fn after_long() -> StyledStr {
    sections(&SECTIONS)
}

/// Sections as clap shows its own: each a title and its lines.
pub(super) fn sections(sections: &[(&str, &str)]) -> StyledStr {
    let styles = Styles::styled();
    let header = styles.get_header();
    let mut page = StyledStr::new();
    for (nth, (title, lines)) in sections.iter().enumerate() {
        let gap = if nth == 0 { "" } else { "\n\n" };
        // Writing to a string cannot fail.
        let _ = write!(page, "{gap}{header}{title}:{header:#}{lines}");
    }
    page
}
