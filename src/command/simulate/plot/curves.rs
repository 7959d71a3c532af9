//! One scenario: the distribution of response times under each strategy.
//!
//! The share is drawn by how many nines it has, so that the tail, which is what strategies differ
//! in, takes as much room as the rest.

use super::colour;
use super::svg::{Anchor, LogAxis, Svg};
use lb::internal::simulate::Comparison;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 760.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 470.0;

pub(super) fn of(comparison: &Comparison) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let points = || comparison.rows.iter().flat_map(|row| &row.curve);
    let least = points().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
    let most = points().map(|(_, ms)| *ms).fold(0.0, f64::max);
    // The quickest of all requests would stretch the axis and tells nothing.
    let times = LogAxis::new((least.max(most * 1e-3), most), (LEFT, RIGHT));
    let rarest = points().map(|(share, _)| 1.0 - share).fold(1.0, f64::min);
    let shares = LogAxis::new((rarest, 1.0), (TOP, BOTTOM));
    let title = format!("{}: {}", comparison.scenario, comparison.about);
    svg.text((LEFT, 22.0), Anchor::Start, &title);
    grid(&mut svg, times, shares, rarest);
    for (nth, row) in comparison.rows.iter().enumerate() {
        let points = row.curve.iter();
        let points = points.map(|(share, ms)| (times.at(*ms), shares.at(1.0 - share)));
        svg.curve(points, colour(nth));
        let y = TOP + 20.0 + 20.0 * nth as f64;
        svg.line((RIGHT + 15.0, y), (RIGHT + 40.0, y), colour(nth));
        svg.text((RIGHT + 47.0, y + 4.0), Anchor::Start, &row.strategy);
    }
    svg.finish()
}

fn grid(svg: &mut Svg, times: LogAxis, shares: LogAxis, rarest: f64) {
    for tick in times.ticks() {
        let x = times.at(tick);
        svg.line((x, TOP), (x, BOTTOM), "#dddddd");
        svg.text((x, BOTTOM + 18.0), Anchor::Middle, &format!("{tick}"));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    svg.text((middle, BOTTOM + 38.0), Anchor::Middle, "milliseconds");
    let levels = [(1.0, "0"), (0.5, "50 %"), (0.1, "90 %"), (0.01, "99 %")];
    let rare = [(1e-3, "99.9 %"), (1e-4, "99.99 %"), (1e-5, "99.999 %")];
    let levels = levels.into_iter().chain(rare);
    for (beyond, label) in levels.filter(|(beyond, _)| *beyond >= rarest * 0.999) {
        let y = shares.at(beyond);
        svg.line((LEFT, y), (RIGHT, y), "#dddddd");
        svg.text((LEFT - 8.0, y + 4.0), Anchor::End, label);
    }
}
