//! Line charts as SVG, readable on light and dark pages.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;
/// Room for the legend where it is on the right.
const LEGEND: f64 = 180.0;
/// Lines across the chart, about.
const TICKS: f64 = 6.0;

/// The look of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Faint,
    /// Dashed: not ours.
    Paper,
    /// The same, where only these points are known and not what is between them.
    PaperPoints,
}

impl Style {
    const fn attributes(self) -> &'static str {
        match self {
            Self::Strong => "stroke=\"#2b7bba\" stroke-width=\"2.5\"",
            Self::Faint => "stroke=\"#2b7bba\" stroke-width=\"1\"",
            Self::Paper => "stroke=\"#d9822b\" stroke-width=\"2\" stroke-dasharray=\"6 4\"",
            Self::PaperPoints => "stroke=\"#d9822b\" stroke-width=\"2\"",
        }
    }

    /// These places in this look.
    fn draw(self, places: &[(f64, f64)]) -> String {
        let look = self.attributes();
        if self == Self::PaperPoints {
            let circle = |(x, y): &(f64, f64)| {
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"none\" {look}/>\n")
            };
            return places.iter().map(circle).collect();
        }
        let places = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
        let places: Vec<String> = places.collect();
        format!(
            "<polyline fill=\"none\" {look} points=\"{}\"/>\n",
            places.join(" ")
        )
    }
}

/// One line of a chart.
pub(crate) struct Line {
    name: String,
    style: Style,
    points: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) fn new(name: &str, style: Style, points: Vec<(f64, f64)>) -> Self {
        let name = name.to_owned();
        Self {
            name,
            style,
            points,
        }
    }
}

/// A chart; `is_log2` is said of the horizontal axis.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) is_log2: bool,
    pub(crate) lines: Vec<Line>,
}

impl Chart<'_> {
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let scaled = |x: f64| if self.is_log2 { x.log2() } else { x };
        let xs = || points().map(|(x, _)| scaled(*x));
        let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
        let top = points().map(|(_, y)| *y).fold(1e-9, f64::max);
        let step = round_step(top / TICKS);
        let top = (top / step).ceil() * step;
        let at_x = |x: f64| {
            let share = (scaled(x) - low) / (high - low).max(1e-9);
            LEFT + share * (WIDTH - LEFT - RIGHT)
        };
        let at_y = |y: f64| HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = self.frame();
        let mut tick = 0.0;
        while tick <= top + step / 2.0 {
            let y = at_y(tick);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#888\" stroke-opacity=\".3\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                number(tick)
            );
            tick += step;
        }
        for x in self.marks() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                at_x(x),
                HEIGHT - BOTTOM + 16.0,
                number(x)
            );
        }
        // Where the lines leave room.
        let highest = points().max_by(|a, b| a.1.total_cmp(&b.1));
        let is_left = highest.is_some_and(|(x, _)| at_x(*x) < (LEFT + WIDTH - RIGHT) / 2.0);
        let legend_x = if is_left { WIDTH - LEGEND } else { LEFT + 12.0 };
        for (nth, line) in self.lines.iter().enumerate() {
            let places: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|(x, y)| (at_x(*x), at_y(*y)))
                .collect();
            let legend_y = TOP + 6.0 + 16.0 * nth as f64;
            let sample = [(legend_x, legend_y), (legend_x + 24.0, legend_y)];
            svg.push_str(&line.style.draw(&places));
            svg.push_str(&line.style.draw(&sample));
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                legend_x + 30.0,
                legend_y + 4.0,
                line.name
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn frame(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#777\" role=\"img\">\n\
             <title>{0}</title>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{0}</text>\n\
             <text x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>\n\
             <text x=\"{4:.1}\" y=\"20\" text-anchor=\"end\">{5}</text>\n",
            self.title,
            WIDTH - RIGHT,
            HEIGHT - 10.0,
            self.x,
            WIDTH - RIGHT,
            self.y
        )
    }

    /// The places on the horizontal axis that are numbered: those of the longest line.
    fn marks(&self) -> Vec<f64> {
        let longest = self.lines.iter().max_by_key(|line| line.points.len());
        let points = longest.map(|line| line.points.as_slice());
        points.unwrap_or_default().iter().map(|(x, _)| *x).collect()
    }
}

/// 1, 2 or 5 times a power of ten, no less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let found = steps.into_iter().find(|step| *step >= least);
    found.unwrap_or(power * 10.0)
}

fn number(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_its_lines_within_its_frame() {
        let chart = Chart {
            title: "t",
            x: "x",
            y: "y",
            is_log2: true,
            lines: vec![Line::new("a", Style::Strong, vec![(8.0, 1.5), (64.0, 3.0)])],
        };
        let svg = chart.svg();
        assert!(svg.contains("points=\"56.0,174.0 624.0,36.0\""), "{svg}");
        assert!(svg.contains(">64</text>") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("<circle"));
    }

    #[test]
    fn points_are_not_joined_and_the_legend_is_where_the_lines_are_low() {
        let chart = |points| Chart {
            title: "t",
            x: "x",
            y: "y",
            is_log2: false,
            lines: vec![Line::new("a", Style::PaperPoints, points)],
        };
        let falling = chart(vec![(1.0, 4.0), (20.0, 1.0)]).svg();
        assert!(!falling.contains("<polyline"), "{falling}");
        assert!(
            falling.contains("<circle cx=\"56.0\" cy=\"36.0\""),
            "{falling}"
        );
        assert!(falling.contains("<text x=\"490.0\""), "{falling}");
        let rising = chart(vec![(1.0, 1.0), (20.0, 4.0)]).svg();
        assert!(rising.contains("<text x=\"98.0\""), "{rising}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(
            [0.3, 0.5, 1.1, 70.0].map(round_step),
            [0.5, 0.5, 2.0, 100.0]
        );
        assert_eq!([0.05, 10.0, 2.5].map(number), ["0.05", "10", "2.5"]);
    }
}
