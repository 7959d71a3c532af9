//! One look-up of a name: its questions, for each full name that it may stand for.

use super::resolver::{Answer, Resolver};
use super::wire::{Kind, Question, Record};
use crate::time::Timestamp;
use std::collections::VecDeque;

/// What a look-up has found for one kind of record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Found(Vec<Record>),
    Nothing,
    /// It is not known: no server answered.
    Failed,
}

/// The end of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// Something was found: a part for each kind, and the seconds for which it is valid.
    Found(Vec<(Kind, Part)>, u32),
    /// There is nothing.
    Nothing,
    /// It is not known whether there is: why.
    Failed(String),
}

/// A look-up that is under way.
#[derive(Debug)]
pub(super) struct Lookup {
    kinds: &'static [Kind],
    candidates: VecDeque<String>,
    name: String,
    answers: Vec<(Kind, Answer)>,
    problem: Option<String>,
}

impl Lookup {
    /// Begins to look for records of these kinds.
    pub(super) fn start(
        name: &str,
        kinds: &'static [Kind],
        resolver: &mut Resolver,
        now: Timestamp,
    ) -> Self {
        let candidates = resolver.conf().candidates(name);
        let mut new = Self {
            kinds,
            candidates: candidates.into(),
            name: String::new(),
            answers: Vec::new(),
            problem: None,
        };
        new.ask_next(resolver, now);
        new
    }

    /// Returns whether there was a name to ask for.
    fn ask_next(&mut self, resolver: &mut Resolver, now: Timestamp) -> bool {
        let Some(name) = self.candidates.pop_front() else {
            return false;
        };
        for kind in self.kinds {
            let (name, kind) = (name.clone(), *kind);
            resolver.ask(Question { name, kind }, now);
        }
        self.name = name;
        self.answers.clear();
        true
    }

    /// Takes the answer to a question, if it is one of its own. Returns the end, if it is that.
    pub(super) fn answered(
        &mut self,
        question: &Question,
        answer: &Answer,
        resolver: &mut Resolver,
        now: Timestamp,
    ) -> Option<Result> {
        let is_awaited = question.name == self.name
            && self.kinds.contains(&question.kind)
            && self.answers.iter().all(|(kind, _)| *kind != question.kind);
        if !is_awaited {
            return None;
        }
        self.answers.push((question.kind, answer.clone()));
        if self.answers.len() < self.kinds.len() {
            return None;
        }
        if let Some(found) = self.found() {
            return Some(found);
        }
        for (_, answer) in &self.answers {
            if let Answer::Failed(problem) = answer {
                self.problem = Some(problem.clone());
            }
        }
        if self.ask_next(resolver, now) {
            return None;
        }
        Some(match self.problem.take() {
            Some(problem) => Result::Failed(problem),
            None => Result::Nothing,
        })
    }

    fn found(&self) -> Option<Result> {
        let mut ttl = None;
        let mut parts = Vec::new();
        for (kind, answer) in &self.answers {
            let part = match answer {
                Answer::Found(records, of_part) => {
                    ttl = Some(ttl.unwrap_or(u32::MAX).min(*of_part));
                    Part::Found(records.clone())
                }
                Answer::Nothing => Part::Nothing,
                Answer::Failed(_) => Part::Failed,
            };
            parts.push((*kind, part));
        }
        Some(Result::Found(parts, ttl?))
    }
}
