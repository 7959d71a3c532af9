//! The prose of the help page of `lb ctl`.

use crate::cli::help::sections;
use clap::builder::StyledStr;

pub(super) const LONG_ABOUT: &str = "\
Show and steer a running lb.

Asks its admin interface, which lb has if it was started with --admin. Tables are for people;
--json prints what lb answers, for programs. docs/admin.md describes the interface.";

const SECTIONS: [(&str, &str); 3] = [
    (
        "Examples",
        "
  What is going on, again every two seconds:
    lb ctl backends --watch
  Take a server out for maintenance, see it empty, take it back:
    lb ctl drain web1:80
    lb ctl backends
    lb ctl undrain web1:80
  Twice the share of the others, until lb ends or says otherwise:
    lb ctl weight web1:80 2
  A new server in one of several pools, and the end of an old one:
    lb ctl add 10.0.0.9:80 --name web9 --pool api
    lb ctl remove web1:80 --pool api --drain 30s
  Why is one backend never picked:
    lb ctl explain
  Everything that happens, as lines of JSON:
    lb ctl events --follow --json
  A lb that asks for a token, on a UNIX socket:
    export LB_ADMIN=unix:/run/lb.sock LB_ADMIN_TOKEN_FILE=/etc/lb/tokens
    lb ctl status",
    ),
    (
        "Environment",
        "
  LB_ADMIN             As --admin
  LB_ADMIN_TOKEN_FILE  As --token-file",
    ),
    (
        "Exit codes",
        "
  0  Done
  1  lb refuses, and says why; of status: lb is not ready
  2  The command line is wrong; one line on stderr has the remedy
  3  lb cannot be reached, or does not answer in time",
    ),
];

/// Returns the end of `--help`.
pub(super) fn after_long() -> StyledStr {
    sections(&SECTIONS)
}
