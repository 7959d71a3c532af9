//! The flags of `lb top`.

use super::admin_flags::AdminFlags;
use super::help::sections;
use clap::Args;
use clap::builder::StyledStr;

const LONG_ABOUT: &str = "\
Watch and steer a running lb in the terminal.

Shows its pools, its backends with their state, load and response times, and what happens, several
times a second, over restarts of lb too. Works in 80 by 24 characters and over ssh. Asks the admin
interface, which lb has if it was started with --admin.";

const SECTIONS: [(&str, &str); 2] = [
    (
        "Keys",
        "
  up, down, PgUp, PgDn  Choose a backend
  d, u, x               Drain it, take it back, disable it
  s, r                  Sort by the next column, the other way round
  /                     Show backends with a text in their name or state; Esc for all
  p                     Show the next pool; after the last, all
  ?                     Help
  q                     Quit",
    ),
    (
        "Exit codes",
        "
  0  Quit
  1  There is no terminal, or lb refuses
  2  The command line is wrong; one line on stderr has the remedy",
    ),
];

/// The running lb to watch.
#[derive(Args, Debug)]
#[command(
    about = "Watch and steer a running lb in the terminal",
    long_about = LONG_ABOUT,
    after_long_help = after_long(),
    max_term_width = 100
)]
pub(crate) struct TopFlags {
    #[command(flatten)]
    pub(crate) admin: AdminFlags,
}

fn after_long() -> StyledStr {
    sections(&SECTIONS)
}
