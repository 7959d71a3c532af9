//! Mistakes in a file, each with its place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One mistake: where it is and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Bytes of the file.
    pub(crate) span: Option<Range<usize>>,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn at(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            text: text.into(),
        }
    }

    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            span: None,
            text: text.into(),
        }
    }
}

/// All mistakes of a file, shown as `FILE:LINE:COLUMN: what is wrong` with the line below.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    path: PathBuf,
    source: String,
    problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(path: &Path, source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        Self {
            path: path.to_owned(),
            source: source.to_owned(),
            problems,
        }
    }

    /// Line and column of a byte, both from 1, and the text of the line.
    fn place(&self, at: usize) -> (usize, usize, &str) {
        let before = self
            .source
            .get(..at.min(self.source.len()))
            .unwrap_or(&self.source);
        let line = before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).map_or(0, |text| text.chars().count());
        (
            line + 1,
            column + 1,
            self.source.lines().nth(line).unwrap_or(""),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (nth, problem) in self.problems.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            let Some(span) = &problem.span else {
                write!(f, "{path}: {}", problem.text)?;
                continue;
            };
            let (line, column, text) = self.place(span.start);
            let length = self.source.get(span.clone()).map_or(1, |it| {
                it.lines()
                    .next()
                    .map_or(1, |line| line.chars().count().max(1))
            });
            writeln!(f, "{path}:{line}:{column}: {}", problem.text)?;
            writeln!(f, "{line:5} | {text}")?;
            write!(
                f,
                "      | {}{}",
                " ".repeat(column - 1),
                "^".repeat(length)
            )?;
        }
        Ok(())
    }
}

/// The nearest of `known` to `word`, if it is near enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| {
        let mut row: Vec<usize> = (0..=other.chars().count()).collect();
        for (i, a) in word.chars().enumerate() {
            let mut corner = i;
            if let Some(first) = row.first_mut() {
                *first = i + 1;
            }
            let mut left = i + 1;
            for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
                let cost = usize::from(a != b);
                let best = (corner + cost).min(left + 1).min(*cell + 1);
                corner = std::mem::replace(cell, best);
                left = best;
            }
        }
        row.last().copied().unwrap_or(usize::MAX)
    };
    let (best, name) = known.iter().map(|name| (distance(name), *name)).min()?;
    (best <= 2.max(word.len() / 3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_line() {
        let source = "a = 1\nbé = two\n";
        let at = source.find("two").expect("is there");
        let problems = vec![Problem::at(at..at + 3, "no number")];
        let report = Report::new(Path::new("fleet.toml"), source, problems);
        assert_eq!(
            report.to_string(),
            "fleet.toml:2:6: no number\n    2 | bé = two\n      |      ^^^"
        );
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("comand", &["command", "check"]), Some("command"));
        assert_eq!(nearest("zzz", &["command", "check"]), None);
    }
}
