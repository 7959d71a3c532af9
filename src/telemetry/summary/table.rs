//! Rows of cells in aligned columns.
//!
//! It does not know what the cells mean. Words are aligned at their start, numbers at their end.

use std::fmt::{self, Display, Formatter};

/// Stands between two columns.
const GAP: &str = "  ";

/// A table of `N` columns; the first row is its head.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
    /// How many columns, from the first, hold words.
    word_columns: usize,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&str; N], word_columns: usize) -> Self {
        Self {
            rows: vec![head.map(str::to_owned)],
            word_columns,
        }
    }

    pub(crate) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// The longest cell of each column, in characters.
    fn widths(&self) -> [usize; N] {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                let gap = if column == 0 { "" } else { GAP };
                if column < self.word_columns {
                    write!(f, "{gap}{cell:<width$}")?;
                } else {
                    write!(f, "{gap}{cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
