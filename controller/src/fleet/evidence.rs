//! Evidence against servers, and when it makes a verdict.
//!
//! Each vantage point is kept, aged and shown by itself: that they differ is the mark of a gray
//! failure (Huang et al., HotOS 2017), and one blended score could not be explained. Evidence is
//! not stored; after a restart it is gathered again.

use super::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where an observation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Vantage {
    /// lb, by traffic and trial requests.
    Traffic,
    /// The path between controller and agent.
    Agent,
    /// The agent, beside its server.
    Beside,
    /// The controller's own check.
    Remote,
    /// The provider, which runs it: a container that is paused, or whose HEALTHCHECK fails.
    Provider,
}

impl Vantage {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Agent => "agent",
            Self::Beside => "beside",
            Self::Remote => "remote check",
            Self::Provider => "provider",
        }
    }
}

/// What one vantage point holds against a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) what: String,
    pub(crate) since: Moment,
    last: Moment,
}

/// Opinions older than this say nothing any more.
const STALE: Duration = Duration::from_secs(15);
/// Answers seen by lb within this time, or within `hang_after` if that is longer, rule a verdict out.
const ANSWERS: Duration = Duration::from_secs(4);

/// All that is held against one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    against: BTreeMap<Vantage, Opinion>,
    /// When lb last saw it answer.
    answered: Option<Moment>,
    /// When a check of it last passed.
    passed: Option<Moment>,
}

impl Evidence {
    /// A vantage point says how the server is: `Some` is what is wrong.
    pub(crate) fn hear(&mut self, from: Vantage, wrong: Option<String>, asked_at: Moment) {
        match wrong {
            None => {
                self.against.remove(&from);
            }
            Some(what) => {
                let opinion = self.against.entry(from).or_insert_with(|| Opinion {
                    what: String::new(),
                    since: asked_at,
                    last: asked_at,
                });
                if asked_at.since(opinion.last) > STALE {
                    opinion.since = asked_at;
                }
                opinion.what = what;
                opinion.last = asked_at;
            }
        }
    }

    pub(crate) fn answered(&mut self, at: Moment) {
        self.answered = Some(at);
    }

    /// A check of it: what is wrong, if anything is.
    pub(crate) fn check(&mut self, from: Vantage, result: &Result<(), String>, asked_at: Moment) {
        if result.is_ok() {
            self.passed = Some(asked_at);
        }
        self.hear(from, result.as_ref().err().cloned(), asked_at);
    }

    pub(crate) fn has_passed_after(&self, moment: Moment) -> bool {
        self.passed.is_some_and(|at| at >= moment)
    }

    /// What is held against it now, for people.
    pub(crate) fn suspicions(&self, now: Moment) -> impl Iterator<Item = (Vantage, &Opinion)> {
        let fresh = move |opinion: &Opinion| now.since(opinion.last) <= STALE;
        self.against
            .iter()
            .filter(move |(_, it)| fresh(it))
            .map(|(from, it)| (*from, it))
    }

    /// The verdict: two different vantage points, each for `hang_after`, and lb saw no answer.
    /// Says what they hold against it. With `trust_silence` off, an agent that cannot be heard
    /// counts for nothing.
    pub(crate) fn verdict(
        &self,
        now: Moment,
        hang_after: Duration,
        trust_silence: bool,
    ) -> Option<String> {
        // Busy is not dead: while answers come, more servers are the remedy, not fewer. What lb has
        // given up on and asked of others goes on being worked at, and checks wait behind it.
        let answers = ANSWERS.max(hang_after);
        if self.answered.is_some_and(|at| now.since(at) <= answers) {
            return None;
        }
        let standing: Vec<String> = self
            .suspicions(now)
            .filter(|(from, _)| trust_silence || *from != Vantage::Agent)
            .filter(|(_, opinion)| now.since(opinion.since) >= hang_after)
            .map(|(from, opinion)| format!("{}: {}", from.word(), opinion.what))
            .collect();
        (standing.len() >= 2).then(|| standing.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG: Duration = Duration::from_secs(10);

    fn heard(evidence: &mut Evidence, from: Vantage, seconds: std::ops::RangeInclusive<u64>) {
        for second in seconds {
            evidence.hear(from, Some("no answer".into()), Moment(second * 1_000));
        }
    }

    #[test]
    fn one_vantage_point_is_never_enough() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Traffic, 0..=600);
        assert_eq!(evidence.verdict(Moment(600_000), HANG, true), None);
    }

    #[test]
    fn two_must_agree_for_the_whole_time() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Traffic, 0..=12);
        heard(&mut evidence, Vantage::Beside, 5..=12);
        assert_eq!(evidence.verdict(Moment(12_000), HANG, true), None);
        heard(&mut evidence, Vantage::Traffic, 13..=15);
        heard(&mut evidence, Vantage::Beside, 13..=15);
        let verdict = evidence
            .verdict(Moment(15_000), HANG, true)
            .expect("both stand for 10 s");
        assert_eq!(verdict, "traffic: no answer; beside: no answer");
    }

    #[test]
    fn a_good_word_ends_an_opinion() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Traffic, 0..=20);
        heard(&mut evidence, Vantage::Beside, 0..=19);
        evidence.hear(Vantage::Beside, None, Moment(20_000));
        assert_eq!(evidence.verdict(Moment(20_000), HANG, true), None);
    }

    #[test]
    fn busy_is_not_dead() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Agent, 0..=29);
        heard(&mut evidence, Vantage::Beside, 0..=29);
        evidence.answered(Moment(18_000));
        assert_eq!(evidence.verdict(Moment(28_000), HANG, true), None);
        assert!(evidence.verdict(Moment(28_001), HANG, true).is_some());
    }

    #[test]
    fn silence_can_be_left_out() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Agent, 0..=20);
        heard(&mut evidence, Vantage::Traffic, 0..=20);
        assert_eq!(evidence.verdict(Moment(20_000), HANG, false), None);
    }

    #[test]
    fn an_opinion_grows_old_and_starts_anew() {
        let mut evidence = Evidence::default();
        heard(&mut evidence, Vantage::Traffic, 0..=10);
        heard(&mut evidence, Vantage::Beside, 0..=40);
        assert_eq!(evidence.suspicions(Moment(40_000)).count(), 1);
        heard(&mut evidence, Vantage::Traffic, 41..=41);
        heard(&mut evidence, Vantage::Beside, 41..=41);
        assert_eq!(evidence.verdict(Moment(41_000), HANG, true), None);
    }
}
