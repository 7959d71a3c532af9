//! Rows of cells in aligned columns.
//!
//! It does not know what the cells mean. Words are aligned at their start, numbers at their end.

use std::fmt::{self, Display, Formatter};

/// Stands between two columns.
const GAP: &str = "  ";

/// A table whose first row is its head.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Number of columns, from the first, that hold words.
    word_columns: usize,
}

impl Table {
    pub(crate) fn new<'a>(head: impl IntoIterator<Item = &'a str>, word_columns: usize) -> Self {
        Self {
            rows: vec![head.into_iter().map(str::to_owned).collect()],
            word_columns,
        }
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The longest cell of each column, in characters.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(row.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
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
