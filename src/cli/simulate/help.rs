//! The parts of the page of `lb simulate --help` that are not one flag's.

use super::super::help::sections;
use clap::builder::StyledStr;

pub(super) const ABOUT: &str = "Compare strategies on simulated traffic";

pub(super) const LONG_ABOUT: &str = "\
Compare strategies on simulated traffic.

The code that picks backends in production is driven through scenarios: requests that come at
random, servers that differ, stall, fail or heal. Only clients, servers and the clock are
simulated; hours pass in seconds, and the same seed gives the same result.

For each scenario a table shows, for each strategy, the time within which half, 99 % and 99.9 %
of the requests were served (one that fails counts as its whole timeout), how many failed, the
least and the largest share of a server, and how far the 99th percentile is from that of an
oracle that knows how long every request takes.";

const SECTIONS: [(&str, &str); 1] = [(
    "Examples",
    "
  Every scenario, four runs each, with a drawing:
    lb simulate --seeds 4 --plot ratios.svg
  Two of them, for the three strategies of interest:
    lb simulate slow hanging --strategy least-rt,least-conn,p2c
  The reason for the pick of the thousandth request:
    lb simulate slow --strategy least-rt --explain 1000
  A scenario of your own, from one that is there:
    lb simulate --show slow > mine.toml
    lb simulate --scenario mine.toml
  Recorded traffic under another strategy, or with a fifth server:
    lb simulate --replay access.log --backends 5",
)];

/// Returns the end of `simulate --help`.
pub(super) fn after_long() -> StyledStr {
    sections(&SECTIONS)
}
