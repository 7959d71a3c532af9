//! The few shapes that a chart is made of.
//!
//! Owns the syntax and the escapes of SVG, and how a logarithmic axis is divided.

use std::fmt::{Display, Write as _};

/// A drawing in the making. Lengths are in user units, y downwards.
pub(super) struct Svg(String);

/// Position of a text relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        ))
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.element(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), colour: &str) {
        self.element(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" fill-opacity=\"0.85\"/>"
        ));
    }

    pub(super) fn curve(&mut self, points: impl Iterator<Item = (f64, f64)>, colour: &str) {
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.element(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
            points.join(" ")
        ));
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.element(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333333\">{text}</text>"
        ));
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    fn element(&mut self, element: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{element}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A logarithmic axis.
#[derive(Clone, Copy)]
pub(super) struct LogAxis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl LogAxis {
    /// From `low` to `high`, drawn between two coordinates.
    pub(super) fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let low = low.max(1e-6);
        Self {
            low,
            high: high.max(low * 1.5),
            from,
            to,
        }
    }

    /// Returns where a value is; what is out of range is at an end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + (self.to - self.from) * share.min(1.0)
    }

    /// 1, 2 and 5 of each power of ten in the range.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { low, high, .. } = *self;
        let first = low.log10().floor() as i32;
        let powers = (first..first + 12).map(|power| 10.0_f64.powi(power));
        let ticks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power));
        ticks.filter(move |tick| (low * 0.999..=high * 1.001).contains(tick))
    }
}
