//! Numbers of eight backends side by side.
//!
//! A formula over rows is written once and computed for eight backends: a compiler turns each step
//! into a few instructions that work on several numbers at a time. No step branches on what
//! differs from one backend to the next, which a processor would guess wrong half of the time.
//! Seven digits are more than enough for costs that are estimates.

use crate::balance::sample::BLOCK;
use std::array;
use std::ops::{Add, Mul, Sub};

/// One number for each of eight backends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row([f32; BLOCK]);

impl Row {
    /// The same number for all.
    pub(super) const fn all(number: f32) -> Self {
        Self([number; BLOCK])
    }

    /// What `of` says of each lane.
    pub(super) fn each(of: impl Fn(usize) -> f32) -> Self {
        Self(array::from_fn(of))
    }

    pub(super) fn get(&self, lane: usize) -> Option<f32> {
        self.0.get(lane).copied()
    }

    pub(super) fn set(&mut self, lane: usize, number: f32) {
        if let Some(own) = self.0.get_mut(lane) {
            *own = number;
        }
    }

    pub(super) fn iter(self) -> array::IntoIter<f32, BLOCK> {
        self.0.into_iter()
    }

    /// The least of all.
    pub(super) fn least(self) -> f32 {
        self.iter()
            .fold(f32::INFINITY, |a, b| if b < a { b } else { a })
    }

    pub(super) fn contain(&self, number: f32) -> bool {
        self.0
            .iter()
            .fold(false, |found, own| found | (*own == number))
    }

    pub(super) fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(f))
    }

    /// The lesser of each two. Neither is NaN.
    pub(super) fn at_most(self, limit: Self) -> Self {
        self.if_below(limit, self, limit)
    }

    /// The greater of each two. Neither is NaN.
    pub(super) fn at_least(self, limit: Self) -> Self {
        limit.if_below(self, self, limit)
    }

    /// Where a number is below its limit, `then`; elsewhere, `otherwise`.
    pub(super) fn if_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let mut chosen = otherwise;
        let choices = chosen.0.iter_mut().zip(then.0);
        for ((own, then), (number, limit)) in choices.zip(self.0.into_iter().zip(limit.0)) {
            *own = if number < limit { then } else { *own };
        }
        chosen
    }

    fn with(mut self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let pairs = self.0.iter_mut().zip(other.0);
        pairs.for_each(|(own, other)| *own = f(*own, other));
        self
    }
}

impl From<[f32; BLOCK]> for Row {
    fn from(numbers: [f32; BLOCK]) -> Self {
        Self(numbers)
    }
}

impl Add for Row {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Row {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
}

impl Mul for Row {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(numbers: [f32; 3]) -> Row {
        Row::each(|lane| numbers.get(lane).copied().unwrap_or(9.0))
    }

    fn numbers(row: Row) -> [f32; 4] {
        [0, 1, 2, 7].map(|lane| row.get(lane).unwrap())
    }

    #[test]
    fn each_lane_is_computed_by_itself() {
        let (a, b) = (row([1.0, 2.0, 3.0]), row([3.0, 2.0, 1.0]));
        assert_eq!(numbers(a + b), [4.0, 4.0, 4.0, 18.0]);
        assert_eq!(numbers(a - b), [-2.0, 0.0, 2.0, 0.0]);
        assert_eq!(numbers(a * b), [3.0, 4.0, 3.0, 81.0]);
        assert_eq!(numbers(a.at_most(b)), [1.0, 2.0, 1.0, 9.0]);
        assert_eq!(numbers(a.at_least(b)), [3.0, 2.0, 3.0, 9.0]);
        let (yes, no) = (Row::all(1.0), Row::all(0.0));
        assert_eq!(numbers(a.if_below(b, yes, no)), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_lane_that_is_not_there_is_neither_read_nor_written() {
        let mut row = row([1.0, 2.0, 3.0]);
        row.set(8, 5.0);
        assert_eq!((row.get(8), numbers(row)), (None, [1.0, 2.0, 3.0, 9.0]));
        row.set(7, 5.0);
        assert_eq!(row.iter().sum::<f32>(), 1.0 + 2.0 + 3.0 + 4.0 * 9.0 + 5.0);
    }
}
