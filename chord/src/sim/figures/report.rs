//! The figures as charts and as a table, beside the numbers of the paper.

use std::fmt::Write as _;

use super::Figures;
use crate::sim::svg::{Chart, Line, Style};

/// Failed lookups of 10,000 that the paper has for our rates of churn (its table III).
const PAPER_CHURN_FAILED: [u32; 4] = [0, 0, 5, 15];
/// Mean timeouts of a lookup that the paper has for our shares of dead nodes (its table II).
const PAPER_TIMEOUTS: [f64; 6] = [0.0, 0.60, 1.17, 2.02, 3.23, 5.10];
/// Mean path lengths for the same.
const PAPER_HOPS: [f64; 6] = [3.84, 4.03, 4.22, 4.44, 4.69, 5.09];

/// The charts: name of the file and SVG.
#[must_use]
pub fn charts(figures: &Figures) -> Vec<(&'static str, String)> {
    vec![
        ("path-length.svg", path_length(figures)),
        ("keys-per-node.svg", keys_per_node(figures)),
        ("failures.svg", failures(figures)),
        ("churn.svg", churn(figures)),
    ]
}

fn path_length(figures: &Figures) -> String {
    let rows = &figures.paths;
    let line = |name, style, of: &dyn Fn(&super::paths::Row) -> f64| {
        let points = rows.iter().map(|row| (row.nodes as f64, of(row)));
        Line::new(name, style, points.collect())
    };
    Chart {
        title: "Nodes asked by a lookup",
        x: "nodes",
        y: "nodes asked",
        is_log2: true,
        lines: vec![
            line("99th percentile", Style::Faint, &|row| row.hops.p99),
            line("mean", Style::Strong, &|row| row.hops.mean),
            line("paper: half of log2 N", Style::Paper, &|row| row.half_log2),
            line("1st percentile", Style::Faint, &|row| row.hops.p1),
        ],
    }
    .svg()
}

fn keys_per_node(figures: &Figures) -> String {
    let rows = &figures.vnodes;
    let line = |name, style, of: &dyn Fn(&super::keys::Row) -> f64| {
        let share = |row: &super::keys::Row| of(row) / row.per_host.mean;
        let points = rows.iter().map(|row| (f64::from(row.vnodes), share(row)));
        Line::new(name, style, points.collect())
    };
    // The text of the paper gives no more than these points.
    let paper = Line::new(
        "paper",
        Style::PaperPoints,
        vec![(1.0, 4.8), (20.0, 1.6), (1.0, 0.0), (20.0, 0.5)],
    );
    Chart {
        title: "Keys of a host, in means",
        x: "virtual nodes of a host",
        y: "keys / mean",
        is_log2: false,
        lines: vec![
            line("99th percentile", Style::Strong, &|row| row.per_host.p99),
            line("1st percentile", Style::Faint, &|row| row.per_host.p1),
            paper,
        ],
    }
    .svg()
}

fn failures(figures: &Figures) -> String {
    let rows = &figures.failures;
    let line = |name, style, of: &dyn Fn(&super::failures::Row) -> f64| {
        let points = rows.iter().map(|row| (row.dead_percent as f64, of(row)));
        Line::new(name, style, points.collect())
    };
    let paper = |name, means: [f64; 6]| {
        let points = rows.iter().zip(means);
        let points = points.map(|(row, mean)| (row.dead_percent as f64, mean));
        Line::new(name, Style::Paper, points.collect())
    };
    Chart {
        title: "Lookups after nodes died at once",
        x: "percent of the nodes that died",
        y: "nodes, mean",
        is_log2: false,
        lines: vec![
            line("asked that answered", Style::Strong, &|row| row.hops.mean),
            line("asked in vain", Style::Faint, &|row| row.timeouts.mean),
            paper("paper: path length", PAPER_HOPS),
            paper("paper: timeouts", PAPER_TIMEOUTS),
        ],
    }
    .svg()
}

fn churn(figures: &Figures) -> String {
    let rows = &figures.churn;
    let scale = 10_000.0 / figures.scale.lookups.max(1) as f64;
    let ours = rows.iter().map(|row| (row.rate, row.failed as f64 * scale));
    let paper = rows.iter().zip(PAPER_CHURN_FAILED);
    let paper = paper.map(|(row, failed)| (row.rate, f64::from(failed)));
    Chart {
        title: "Failed lookups during churn",
        x: "joins a second, and as many deaths",
        y: "failed of 10,000",
        is_log2: false,
        lines: vec![
            Line::new("ours", Style::Strong, ours.collect()),
            Line::new("paper", Style::Paper, paper.collect()),
        ],
    }
    .svg()
}

/// The table of the README.
#[must_use]
pub fn markdown(figures: &Figures) -> String {
    let mut text = String::from("| figure | here | paper |\n|---|---|---|\n");
    for row in &figures.paths {
        let (hops, nodes) = (row.hops, row.nodes);
        let _ = writeln!(
            text,
            "| path length, {nodes} nodes | {:.2} ({:.0} to {:.0}), {} failed | {:.2} |",
            hops.mean, hops.p1, hops.p99, row.failed, row.half_log2
        );
    }
    for row in &figures.keys {
        let spread = row.per_host;
        let paper = match row.keys / row.hosts {
            50 => "50, 99 % at 4.6 means, most 9.1 means",
            _ => "grows with the mean; some nodes have none",
        };
        let _ = writeln!(
            text,
            "| keys of a node, {} nodes, {} keys | mean {:.0}, 1 % {:.0}, 99 % {:.0}, most {:.0} \
             | {paper} |",
            row.hosts, row.keys, spread.mean, spread.p1, spread.p99, spread.max
        );
    }
    for row in &figures.vnodes {
        let spread = row.per_host;
        let paper = match row.vnodes {
            1 => "1 % 0, 99 % 4.8 means",
            20 => "1 % 0.5, 99 % 1.6 means",
            _ => "in between",
        };
        let _ = writeln!(
            text,
            "| keys of a host, {} virtual nodes | 1 % {:.2}, 99 % {:.2} means | {paper} |",
            row.vnodes,
            spread.p1 / spread.mean,
            spread.p99 / spread.mean
        );
    }
    for (nth, row) in figures.failures.iter().enumerate() {
        let paper = |numbers: [f64; 6]| numbers.get(nth).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} % of {} nodes dead | {} of {} failed; {:.2} asked, {:.2} timeouts \
             | none; {:.2}, {:.2} |",
            row.dead_percent,
            row.nodes,
            row.failed,
            row.lookups,
            row.hops.mean,
            row.timeouts.mean,
            paper(PAPER_HOPS),
            paper(PAPER_TIMEOUTS)
        );
    }
    for (row, paper) in figures.churn.iter().zip(PAPER_CHURN_FAILED) {
        let _ = writeln!(
            text,
            "| {:.2} joins and deaths a second | {} of {} failed; {:.2} asked, {:.2} timeouts \
             | {paper} of 10000 |",
            row.rate, row.failed, row.lookups, row.hops.mean, row.timeouts.mean
        );
    }
    text
}
