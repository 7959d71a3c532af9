//! The parts of the pages of `lb ping --help` and `lb monitor --help` that are not one flag's.

use super::super::help::sections;
use clap::builder::StyledStr;

pub(super) const LONG_ABOUT_PING: &str = "\
Check machines by ICMP echo, again and again.

Prints a line for each reply and for each machine that goes down or comes back, and a table at the
end. A reply shows that the machine is up, not that its services are: for these see lb monitor.
Echo needs the group of lb in net.ipv4.ping_group_range, or CAP_NET_RAW.";

pub(super) const LONG_ABOUT_MONITOR: &str = "\
Check services by connection or page, again and again, as lb checks its backends.

Prints a line for each check with its response time and for each service that goes down or comes
back, and a table at the end.";

pub(super) const EXAMPLES_PING: &str = "
  Until Ctrl-C:
    lb ping 10.0.0.1 10.0.0.2 router.example
  For a script: the exit code is 0 if all are up
    lb ping --count 3 --interval 200ms --quiet 10.0.0.1";

pub(super) const EXAMPLES_MONITOR: &str = "
  A database by connecting, a site by its page:
    lb monitor 10.0.0.1:5432 http://10.0.0.2/health
  Servers that must say that they are ready:
    lb monitor --http /ping --expect-body pong 5000 5001 5002";

const SIGNALS: &str = "
  SIGINT, SIGTERM  End, with the table
  SIGUSR1          Print the table and go on";

const EXIT_CODES: &str = "
  0  Every target is up at the end
  1  One is not, or the watching could not go on
  2  The command line is wrong; one line on stderr has the remedy";

/// Returns the end of the page: its examples, and what both commands have in common.
pub(super) fn after_long(examples: &'static str) -> StyledStr {
    sections(&[
        ("Examples", examples),
        ("Signals", SIGNALS),
        ("Exit codes", EXIT_CODES),
    ])
}
