//! Answers as a page for people. The HTML lives in `page/`: a frame, and a fragment per answer.
//!
//! Everything put into a page is escaped, except fragments that were filled here already: the
//! two are told apart by [`Slot`], so text of a client cannot become markup by oversight.

use std::f64::consts::PI;

use crate::answer::{Answer, Sum};
use crate::pi::{self, Estimate, Precision};
use crate::refusal::Refusal;

const FRAME: &str = include_str!("page/frame.html");
const INDEX: &str = include_str!("page/index.html");
const ESTIMATE: &str = include_str!("page/pi.html");
const SUM: &str = include_str!("page/sum.html");
const REFUSED: &str = include_str!("page/refused.html");

/// The precisions a page links to.
const LINKED: [&str; 6] = ["1", "10", "50", "100", "500", "1000"];

/// What goes into a place of a template.
enum Slot {
    /// Escaped.
    Text(String),
    /// Inserted as it is.
    Html(String),
}

/// The answer's body, a whole page.
pub(crate) fn write(answer: &Answer, server: &str) -> String {
    let (title, body) = match answer {
        Answer::Index { term_ms } => ("Pi, slowly".to_owned(), index(*term_ms)),
        // Never asked for: pong is sent as text.
        Answer::Pong => ("pong".to_owned(), String::new()),
        Answer::Sum(sum) => (format!("{} + {}", sum.first, sum.second), self::sum(sum)),
        Answer::Pi(estimate) => (title(estimate), self::estimate(estimate)),
        Answer::Refused(refusal) => (refusal.reason().to_owned(), refused(refusal)),
    };
    fill(
        FRAME,
        &[
            ("title", Slot::Text(title)),
            ("body", Slot::Html(body)),
            ("links", Slot::Html(links(answer))),
            ("server", Slot::Text(server.to_owned())),
            ("hue", Slot::Text(hue(server).to_string())),
        ],
    )
}

fn title(estimate: &Estimate) -> String {
    match estimate.precision.terms() {
        1 => "Pi from 1 term".to_owned(),
        terms => format!("Pi from {terms} terms"),
    }
}

fn estimate(estimate: &Estimate) -> String {
    let printed = estimate.pi.to_string();
    let (correct, wrong) = pi::split_correct(&printed);
    let precision = estimate.precision.terms();
    fill(
        ESTIMATE,
        &[
            ("correct", Slot::Text(correct.to_owned())),
            ("wrong", Slot::Text(wrong.to_owned())),
            ("precision", Slot::Text(precision.to_string())),
            (
                "terms",
                Slot::Text(if precision == 1 { "term" } else { "terms" }.to_owned()),
            ),
            ("error", Slot::Text(off_by(estimate.pi))),
            ("ms", Slot::Text(format!("{:.1}", estimate.took_ms()))),
        ],
    )
}

/// The error with two digits that count, as a plain decimal.
fn off_by(pi: f64) -> String {
    let error = (pi - PI).abs();
    let decimals = (1..=12)
        .find(|decimals| error * 10_f64.powi(*decimals) >= 0.995)
        .unwrap_or(12);
    format!("{error:.*}", usize::try_from(decimals).unwrap_or(0) + 1)
}

fn index(term_ms: f64) -> String {
    fill(
        INDEX,
        &[
            ("term_ms", Slot::Text(term_ms.to_string())),
            ("max", Slot::Text(Precision::MAX.to_string())),
        ],
    )
}

fn sum(sum: &Sum) -> String {
    fill(
        SUM,
        &[
            ("first", Slot::Text(sum.first.to_string())),
            ("second", Slot::Text(sum.second.to_string())),
            ("sum", Slot::Text(sum.sum.to_string())),
            ("random", Slot::Text(sum.random.to_string())),
        ],
    )
}

fn refused(refusal: &Refusal) -> String {
    fill(
        REFUSED,
        &[
            ("status", Slot::Text(refusal.status().to_string())),
            ("sentence", Slot::Text(refusal.to_string())),
        ],
    )
}

/// Links to other precisions; the one on the page is marked.
fn links(answer: &Answer) -> String {
    let shown = match answer {
        Answer::Pi(estimate) => estimate.precision.terms().to_string(),
        Answer::Index { .. } | Answer::Pong | Answer::Sum(_) | Answer::Refused(_) => String::new(),
    };
    LINKED
        .iter()
        .map(|terms| {
            let mark = if *terms == shown {
                " aria-current=\"page\""
            } else {
                ""
            };
            format!("<a href=\"/{terms}\"{mark}>{terms}</a>\n")
        })
        .collect()
}

/// A colour for a name, in degrees. Names that differ by one, as `pi-5000` and `pi-5001` do, land
/// far apart: 137 degrees is the golden angle.
fn hue(name: &str) -> u32 {
    let sum = name.bytes().fold(0_u32, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u32::from(b))
    });
    sum % 360 * 137 % 360
}

/// Puts values into the `{{name}}` places of a template, in one pass: a value that looks like a
/// place is not filled again. A place without a value stays empty.
fn fill(template: &str, slots: &[(&str, Slot)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        filled.push_str(before);
        match slots.iter().find(|(slot, _)| *slot == name) {
            Some((_, Slot::Text(text))) => escape(text, &mut filled),
            Some((_, Slot::Html(html))) => filled.push_str(html),
            None => {}
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::route;
    use std::time::Duration;

    fn page(target: &str, server: &str) -> String {
        write(
            &Answer::work_out(route("GET", target), Duration::ZERO),
            server,
        )
    }

    #[test]
    fn every_place_of_every_page_is_filled() {
        for target in ["/", "/100", "/1", "/?first=2&second=3", "/a/b", "/0"] {
            let page = page(target, "pi-5000");
            assert!(
                !page.contains("{{") && !page.contains("}}"),
                "{target}: {page}"
            );
            assert!(
                page.contains("pi-5000"),
                "{target} does not name the server"
            );
        }
    }

    #[test]
    fn places_and_values_agree() {
        for (template, names) in [
            (FRAME, &["title", "body", "links", "server", "hue"][..]),
            (INDEX, &["term_ms", "max"]),
            (
                ESTIMATE,
                &["correct", "wrong", "precision", "terms", "error", "ms"],
            ),
            (SUM, &["first", "second", "sum", "random"]),
            (REFUSED, &["status", "sentence"]),
        ] {
            for place in template
                .split("{{")
                .skip(1)
                .filter_map(|tail| tail.split("}}").next())
            {
                assert!(names.contains(&place), "nothing fills {place}");
            }
        }
    }

    #[test]
    fn correct_digits_are_told_from_wrong_ones() {
        let page = page("/100", "pi-5000");
        assert!(page.contains("<b>3.1</b><i>315929"), "{page}");
        assert!(
            page.contains(r#"<a href="/100" aria-current="page">100</a>"#),
            "{page}"
        );
    }

    #[test]
    fn an_error_has_two_digits_that_count() {
        assert_eq!(off_by(4.0), "0.86");
        assert_eq!(off_by(PI + 0.01), "0.010");
        assert_eq!(off_by(PI - 0.000_012), "0.000012");
        assert_eq!(off_by(PI), "0.0000000000000");
    }

    #[test]
    fn text_of_a_client_never_becomes_markup() {
        let page = page("/<script>alert('x')</script>{{title}}", "pi-5000");
        assert!(!page.contains("<script>"), "{page}");
        let page = write(
            &Answer::work_out(route("GET", "/<b>"), Duration::ZERO),
            "<i>\"&",
        );
        assert!(
            page.contains("&lt;b&gt;") && page.contains("&lt;i&gt;&quot;&amp;"),
            "{page}"
        );
    }

    #[test]
    fn a_value_that_looks_like_a_place_is_left_alone() {
        let slots = [
            ("a", Slot::Text("{{b}}".to_owned())),
            ("b", Slot::Text("x".to_owned())),
        ];
        assert_eq!(fill("<{{a}}|{{b}}|{{c}}>", &slots), "<{{b}}|x|>");
        assert_eq!(fill("an open {{place", &slots), "an open {{place");
    }

    #[test]
    fn neighbouring_servers_differ_in_colour() {
        let hues: Vec<u32> = (5000..5006)
            .map(|port| hue(&format!("pi-{port}")))
            .collect();
        for (i, a) in hues.iter().enumerate() {
            for b in &hues[..i] {
                let apart = a.abs_diff(*b).min(360 - a.abs_diff(*b));
                assert!(apart >= 20, "{a} and {b} look alike: {hues:?}");
            }
        }
    }
}
