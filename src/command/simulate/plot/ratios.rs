//! Many scenarios: for each a row, with a dot for each strategy where its 99th percentile is
//! relative to the oracle's.

use super::colour;
use super::svg::{Anchor, LogAxis, Svg};
use lb::internal::simulate::Comparison;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 880.0;
const TOP: f64 = 70.0;
const ROW: f64 = 22.0;
/// Ratios beyond this are drawn at the edge.
const MOST: f64 = 100.0;

pub(super) fn of(comparisons: &[Comparison]) -> String {
    let bottom = TOP + ROW * comparisons.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 40.0);
    let ratios = comparisons.iter().flat_map(|it| &it.rows);
    let most = ratios.map(|row| row.p99_to_oracle).fold(2.0, f64::max);
    let axis = LogAxis::new((0.8, most.min(MOST)), (LEFT, RIGHT));
    let title = "99th percentile over the oracle's: 1 is ideal, 100 or more is at the edge";
    svg.text((LEFT, 20.0), Anchor::Start, title);
    for tick in axis.ticks() {
        let x = axis.at(tick);
        svg.line(
            (x, TOP),
            (x, bottom),
            if tick == 1.0 { "#333333" } else { "#dddddd" },
        );
        svg.text((x, bottom + 18.0), Anchor::Middle, &format!("{tick}"));
    }
    for (nth, comparison) in comparisons.iter().enumerate() {
        let y = TOP + ROW * (nth as f64 + 0.5);
        svg.text((LEFT - 10.0, y + 4.0), Anchor::End, &comparison.scenario);
        svg.line((LEFT, y), (RIGHT, y), "#eeeeee");
        // The first strategy given is drawn last, over the others. The oracle is the axis.
        for (nth, row) in comparison.rows.iter().enumerate().skip(1).rev() {
            svg.dot((axis.at(row.p99_to_oracle), y), colour(nth));
        }
    }
    legend(&mut svg, comparisons);
    svg.finish()
}

fn legend(svg: &mut Svg, comparisons: &[Comparison]) {
    let rows = comparisons.first().map_or(&[][..], |first| &first.rows);
    for (nth, row) in rows.iter().enumerate().skip(1) {
        let x = LEFT + 110.0 * (nth as f64 - 1.0);
        svg.dot((x, 44.0), colour(nth));
        svg.text((x + 10.0, 48.0), Anchor::Start, &row.strategy);
    }
}
