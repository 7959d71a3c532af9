//! Comparisons as a drawing.
//!
//! Of one scenario, the times of its requests; of several, the distance of each strategy from the
//! oracle. SVG by hand: two charts do not earn a library.

mod curves;
mod ratios;
mod svg;

use lb::internal::simulate::Comparison;

/// The drawing, as the text of an SVG file.
pub(super) fn of(comparisons: &[Comparison]) -> String {
    match comparisons {
        [one] => curves::of(one),
        several => ratios::of(several),
    }
}

/// One colour for each strategy, distinct also to the colour-blind (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// The colour of the `nth` strategy.
fn colour(nth: usize) -> &'static str {
    COLOURS.iter().cycle().nth(nth).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb::internal::simulate::{Rule, Scenario, built_in, compare};
    use lb::strategy::{LeastResponseTime, Random};

    fn comparisons(count: usize) -> Vec<Comparison> {
        let rules = [
            Rule::Strategy(LeastResponseTime::ENTRY.spec()),
            Rule::Strategy(Random::ENTRY.spec()),
        ];
        let scenarios = built_in().unwrap().into_iter().take(count);
        let run = |scenario: Scenario| {
            let scenario = Scenario {
                requests: 1_000,
                about: "a < b & c".to_owned(),
                ..scenario
            };
            compare(&scenario, &rules, 1..2, &mut |_, _| {})
        };
        scenarios.map(run).collect()
    }

    /// Every element that is opened is closed, and no number is nonsense.
    fn check(drawing: &str) {
        assert!(drawing.starts_with("<svg xmlns=") && drawing.ends_with("</svg>\n"));
        let opened = drawing.matches('<').count() - drawing.matches("</").count();
        let closed = drawing.matches("/>").count() + drawing.matches("</").count();
        assert_eq!(opened, closed);
        assert!(
            !drawing.contains("NaN") && !drawing.contains("inf"),
            "{drawing}"
        );
    }

    #[test]
    fn one_scenario_is_drawn_as_curves() {
        let drawing = of(&comparisons(1));
        check(&drawing);
        assert_eq!(drawing.matches("<polyline").count(), 3);
        assert!(drawing.contains("a &lt; b &amp; c"), "text is escaped");
    }

    #[test]
    fn several_are_drawn_as_ratios() {
        let drawing = of(&comparisons(3));
        check(&drawing);
        // Each strategy but the oracle in each scenario, and once in the legend.
        assert_eq!(drawing.matches("<circle").count(), 2 * 3 + 2);
    }

    #[test]
    fn nothing_is_drawn_without_fault() {
        check(&of(&[]));
    }
}
