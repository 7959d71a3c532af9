//! Tables for people that fit a terminal, and the words and numbers in them.

use std::time::Duration;

/// The least that a column is cut to.
const MIN_CELL: usize = 8;

/// Rows of cells in aligned columns, one of which is cut where the terminal is too narrow.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Columns, from the first, that hold words; those after them hold numbers but for the last.
    words: usize,
    /// The column that is cut.
    elastic: usize,
    /// Whether the last column holds words too.
    ends_in_words: bool,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// A line about the row before.
    Note(String),
}

impl Table {
    /// A table with numbers from column `words` on; the first column is cut.
    pub(crate) fn new<const N: usize>(head: [&str; N], words: usize) -> Self {
        Self {
            rows: vec![Row::Cells(head.map(str::to_owned).to_vec())],
            words,
            elastic: 0,
            ends_in_words: false,
        }
    }

    /// The last column holds words, and is cut in place of the first.
    pub(crate) fn ending_in_words(mut self) -> Self {
        if let Some(Row::Cells(head)) = self.rows.first() {
            self.elastic = head.len().saturating_sub(1);
        }
        self.ends_in_words = true;
        self
    }

    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Row::Cells(cells.to_vec()));
    }

    /// Adds a line about the row before.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Note(text.into()));
    }

    /// Whether it has no row but its head.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                widths.resize(cells.len().max(widths.len()), 0);
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = cell.chars().count().max(*width);
                }
            }
        }
        widths
    }

    /// The lines, none longer than `width` if that can be.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let mut widths = self.widths();
        let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        if let Some(elastic) = widths.get_mut(self.elastic) {
            let cut = elastic.saturating_sub(total.saturating_sub(width));
            *elastic = cut.max(MIN_CELL.min(*elastic));
        }
        let rows = self.rows.iter();
        let lines = rows.map(|row| match row {
            Row::Cells(cells) => self.line(cells, &widths),
            Row::Note(text) => shortened(&format!("  {text}"), width),
        });
        lines.collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let is_last = self.ends_in_words && column + 1 == cells.len();
            let cell = match is_last {
                true => shortened(cell, *width),
                false => elided(cell, *width),
            };
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column < self.words || is_last {
                line.push_str(&cell);
                line.push_str(&pad);
            } else {
                line.push_str(&pad);
                line.push_str(&cell);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Cut at its end to `width` characters.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// Without its middle, for names differ at their ends.
pub(crate) fn elided(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let front = kept / 3;
    let back = length - (kept - front);
    let front = text.chars().take(front);
    front.chain(['…']).chain(text.chars().skip(back)).collect()
}

/// A count: in groups of three up to seven digits, then in millions or more.
pub(crate) fn count(number: u64) -> String {
    if number >= 10_000_000 {
        let mut scaled = number as f64 / 1e6;
        for unit in ["M", "G", "T"] {
            // Compared as it will be shown.
            if scaled < 999.95 {
                return format!("{scaled:.1}{unit}");
            }
            scaled /= 1e3;
        }
        return format!("{scaled:.1}P");
    }
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A response time: `850µs`, `1.23ms`, `12.3ms`, `2.50s`.
pub(crate) fn span(time: Duration) -> String {
    let micros = time.as_micros() as f64;
    let (millis, seconds) = (micros / 1e3, micros / 1e6);
    // Compared as they will be shown.
    if micros < 999.5 {
        format!("{micros:.0}µs")
    } else if millis < 9.995 {
        format!("{millis:.2}ms")
    } else if millis < 99.95 {
        format!("{millis:.1}ms")
    } else if millis < 999.5 {
        format!("{millis:.0}ms")
    } else if seconds < 99.95 {
        format!("{seconds:.2}s")
    } else {
        format!("{seconds:.0}s")
    }
}

/// How long something has lasted, in its largest unit: `12s`, `3m`, `2h`, `5d`.
pub(crate) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [
            0,
            999,
            1_234_567,
            9_999_999,
            10_000_000,
            999_949_999,
            5_000_000_000,
        ];
        let shown = shown.map(count);
        let expected = [
            "0",
            "999",
            "1,234,567",
            "9,999,999",
            "10.0M",
            "999.9M",
            "5.0G",
        ];
        assert_eq!(shown, expected);
        let shown = [
            0, 999, 1_000, 9_994, 9_995, 99_950, 999_499, 999_500, 99_950_000,
        ];
        let shown = shown.map(|micros| span(Duration::from_micros(micros)));
        let expected = [
            "0µs", "999µs", "1.00ms", "9.99ms", "10.0ms", "100ms", "999ms", "1.00s", "100s",
        ];
        assert_eq!(shown, expected);
        let shown = [0, 119, 120, 7_199, 7_200, 172_800];
        let shown = shown.map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "119s", "2m", "119m", "2h", "2d"]);
    }

    #[test]
    fn a_table_fits_its_width() {
        let mut table = Table::new(["NAME", "STATE", "N"], 2);
        table.push([
            "very-long-name-of-a-server-1".into(),
            "up".into(),
            "1".into(),
        ]);
        table.note("it has been there for a very long time");
        table.push(["b".into(), "draining".into(), "1,000".into()]);
        let lines = table.lines(30);
        assert_eq!(
            lines,
            [
                "NAME           STATE         N",
                "very…-server-1  up            1",
                "  it has been there for a ver…",
                "b              draining  1,000",
            ]
            .map(|line| line.replace("very…-server-1  up", "very…server-1  up"))
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 30));
        let whole = table.lines(usize::MAX);
        assert!(whole[1].starts_with("very-long-name-of-a-server-1  up"));
    }

    #[test]
    fn the_last_column_may_hold_words() {
        let mut table = Table::new(["N", "WHY"], 0).ending_in_words();
        table.push(["1".into(), "because of the weather".into()]);
        assert_eq!(table.lines(12), ["N  WHY", "1  because …"]);
        assert!(!table.is_empty());
    }
}
