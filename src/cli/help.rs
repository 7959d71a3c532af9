//! The parts of the help page that are not one flag's.
//!
//! Owns the prose around the flags. The strategies are listed from the library's own table.

use clap::builder::{StyledStr, Styles};
use lb::config::{CheckKind, NO_CHECK};
use lb::strategy::registry::ENTRIES;
use std::fmt::Write as _;

pub(super) const ABOUT: &str = "A small, fast TCP and HTTP load balancer";

pub(super) const LONG_ABOUT: &str = "\
A small, fast TCP and HTTP load balancer.

lb accepts clients and spreads their requests, or their connections, over several servers:
the backends. --backends is all it needs; everything else has a default.";

pub(super) const USAGE: &str = "\
lb [OPTIONS] --backends HOST:PORT,HOST:PORT...
       lb heartbeat [OPTIONS] --to HOST:PORT --as NAME
       lb ping [OPTIONS] HOST...
       lb monitor [OPTIONS] HOST:PORT...
       lb simulate [OPTIONS] [NAME]...";

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
  Log lines for a program and nothing else:
    lb --backends 5000,5001 --access-log json --quiet",
    ),
    (
        "Signals",
        "
  SIGINT, SIGTERM  Accept no more, let open exchanges finish, exit; a second one exits at once
  SIGUSR1          Print the table of backends",
    ),
    (
        "Exit codes",
        "
  0  Stopped as it was told to
  1  Could not start, or could not go on
  2  The command line is wrong; one line on stderr says what would be right",
    ),
];

/// What ends `-h`: how to start, and where there is more.
pub(super) const AFTER_SHORT: &str = "\
Example: lb --backends 127.0.0.1:5000,127.0.0.1:5001
--help tells more: strategies, examples, signals, exit codes.";

/// What ends `--help`.
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

/// What `-h` says of `--strategy`.
pub(super) fn strategy() -> String {
    let names: Vec<_> = ENTRIES.iter().take(4).map(|entry| entry.name).collect();
    let names = names.join(", ");
    format!("How a backend is picked: {names}, or another; list shows all")
}

/// What `--help` says of `--strategy`: each with when to use it, and its other names.
pub(super) fn strategy_long() -> String {
    let mut text = String::from("How a backend is picked\n");
    for entry in &ENTRIES {
        let _ = write!(text, "\n{:<21} {}", entry.usage(), entry.when);
    }
    let aliases = ENTRIES.iter().flat_map(|entry| entry.aliases);
    let aliases: Vec<_> = aliases.copied().collect();
    let _ = write!(text, "\n\nAlso understood: {}.", aliases.join(", "));
    text
}

/// What `-h` says of `--health`.
pub(super) fn check_kinds() -> String {
    let names = CheckKind::ALL.map(CheckKind::name).join(", ");
    format!("Kind of health check: {names} or {NO_CHECK}")
}

/// What `--help` says of `--health`: each kind with what it finds out.
pub(super) fn check_kinds_long() -> String {
    let mut text = String::from("Kind of health check, on connections of its own\n");
    for kind in CheckKind::ALL {
        let _ = write!(text, "\n{:<5} {}", kind.name(), kind.about());
    }
    let _ = write!(
        text,
        "\n{NO_CHECK:<5} backends are not checked\n\n\
         ping needs the group of lb in net.ipv4.ping_group_range, or CAP_NET_RAW."
    );
    text
}
