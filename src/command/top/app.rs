//! What `lb top` shows and asks: which backend is chosen, sorting, filter, questions; and what a key
//! does.

use super::model::{Backend, Model};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::Ordering;

/// Backends that a page of keys goes over.
const PAGE: usize = 10;

/// The whole state of the screen.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) model: Model,
    /// Why lb is not heard, if it is not.
    pub(super) lost: Option<String>,
    pub(super) sort: Column,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// The pool that is shown; `None`: all.
    pub(super) pool: Option<String>,
    /// The number of the chosen backend.
    pub(super) chosen: Option<u64>,
    pub(super) mode: Mode,
    /// How the last order went.
    pub(super) reply: String,
}

/// What keys are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Table,
    Filter,
    /// A question that waits for yes or no.
    Confirm(Order),
    Help,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Column {
    #[default]
    Name,
    State,
    InFlight,
    Rate,
    P99,
    Errors,
}

impl Column {
    const ALL: [Self; 6] = [
        Self::Name,
        Self::State,
        Self::InFlight,
        Self::Rate,
        Self::P99,
        Self::Errors,
    ];

    fn next(self) -> Self {
        let mut all = Self::ALL.iter().copied().cycle();
        all.find(|column| *column == self);
        all.next().unwrap_or_default()
    }
}

/// An order to lb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) verb: &'static str,
    pub(super) pool: String,
    pub(super) backend: String,
}

/// What a key asks for beyond the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Quit,
    Order(Order),
}

impl App {
    /// The backends that are shown, in order.
    pub(super) fn shown(&self) -> Vec<&Backend> {
        let filter = self.filter.to_lowercase();
        let is_shown = |backend: &&Backend| {
            let about = &backend.about;
            self.pool.as_ref().is_none_or(|pool| *pool == backend.pool)
                && (filter.is_empty()
                    || about.name.to_lowercase().contains(&filter)
                    || about.state.contains(&filter))
        };
        let mut shown: Vec<_> = self.model.backends.values().filter(is_shown).collect();
        shown.sort_by(|one, other| {
            let order = self.compare(one, other);
            if self.is_reversed {
                order.reverse()
            } else {
                order
            }
        });
        shown
    }

    /// Numbers are sorted with the largest first.
    fn compare(&self, one: &Backend, other: &Backend) -> Ordering {
        let by_name = || (&one.pool, &one.about.name).cmp(&(&other.pool, &other.about.name));
        let order = match self.sort {
            Column::Name => Ordering::Equal,
            Column::State => one.about.state.cmp(&other.about.state),
            Column::InFlight => other.figures.in_flight.cmp(&one.figures.in_flight),
            Column::Rate => {
                let (one, other) = (one.rate.per_second(), other.rate.per_second());
                other.total_cmp(&one)
            }
            Column::P99 => other.figures.p99.cmp(&one.figures.p99),
            Column::Errors => other.figures.errors.cmp(&one.figures.errors),
        };
        order.then_with(by_name)
    }

    /// The place of the chosen backend among those that are shown.
    pub(super) fn place(&self, shown: &[&Backend]) -> usize {
        let place = shown.iter().position(|it| Some(it.about.id) == self.chosen);
        place.unwrap_or_default()
    }

    fn choose(&mut self, step: impl FnOnce(usize) -> usize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        let place = step(self.place(&shown)).min(last);
        self.chosen = shown.get(place).map(|backend| backend.about.id);
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Asked {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Asked::Quit;
        }
        match std::mem::take(&mut self.mode) {
            Mode::Table => return self.key_of_table(key.code),
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Confirm(order) => {
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    return self.give(order);
                }
                self.reply = format!("{} of {} not done", order.verb, order.backend);
            }
            Mode::Help => {}
        }
        Asked::Nothing
    }

    fn key_of_table(&mut self, code: KeyCode) -> Asked {
        match code {
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.choose(|at| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.choose(|at| at + 1),
            KeyCode::PageUp => self.choose(|at| at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.choose(|at| at + PAGE),
            KeyCode::Home => self.choose(|_| 0),
            KeyCode::End => self.choose(|_| usize::MAX),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('p') => self.next_pool(),
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Esc => {
                self.filter.clear();
                self.reply.clear();
            }
            KeyCode::Char('d') => self.confirm("drain"),
            KeyCode::Char('x') => self.confirm("disable"),
            KeyCode::Char('u') => {
                if let Some(order) = self.order("undrain") {
                    return self.give(order);
                }
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn key_of_filter(&mut self, code: KeyCode) {
        self.mode = Mode::Filter;
        match code {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
    }

    fn next_pool(&mut self) {
        let mut names = self.model.pools.iter().map(|pool| &pool.name);
        self.pool = match &self.pool {
            None => names.next().cloned(),
            Some(now) => {
                names.find(|name| *name == now);
                names.next().cloned()
            }
        };
    }

    fn order(&self, verb: &'static str) -> Option<Order> {
        let shown = self.shown();
        let backend = shown.get(self.place(&shown))?;
        Some(Order {
            verb,
            pool: backend.pool.clone(),
            backend: backend.about.name.clone(),
        })
    }

    /// Asks before traffic is taken from a backend.
    fn confirm(&mut self, verb: &'static str) {
        if let Some(order) = self.order(verb) {
            self.mode = Mode::Confirm(order);
        }
    }

    fn give(&mut self, order: Order) -> Asked {
        self.reply = format!("{} of {} ...", order.verb, order.backend);
        Asked::Order(order)
    }

    /// Backends of a pool that may be picked, beside one.
    pub(super) fn others_in(&self, order: &Order) -> usize {
        let others = self.model.backends.values().filter(|it| {
            let is_other = it.pool == order.pool && it.about.name != order.backend;
            is_other && !matches!(it.about.state.as_str(), "ejected" | "draining" | "disabled")
        });
        others.count()
    }
}
