//! What servers say over the status bus, and how far its silence can be trusted.
//!
//! The bus comes in parts (topics, partitions), each read by itself. A server is silent only as
//! long as the part in which it speaks is read without a gap: a bus that cannot be read proves
//! nothing, and what it would have said in the meantime does not count against a server.

use super::input::Subject;
use super::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// A part that was not read for this long cannot be trusted.
const GAP: Duration = Duration::from_secs(15);

/// What was heard, and from where.
#[derive(Debug)]
pub(super) struct Statuses {
    silent: Duration,
    parts: BTreeMap<String, Part>,
    heard: BTreeMap<Subject, Heard>,
}

#[derive(Debug)]
struct Part {
    /// The server that alone speaks in it.
    of: Option<Subject>,
    /// Since when it is read without a gap, and until when.
    read: Option<(Moment, Moment)>,
    failing: Option<(Moment, String)>,
}

#[derive(Debug)]
struct Heard {
    at: Moment,
    part: String,
}

/// What the bus says about a server that is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It does not speak there, or the part that it speaks in cannot be read.
    Unknown,
    /// Silent for so long, and that is not too long.
    Within(Duration),
    TooLong(Duration),
}

impl Statuses {
    pub(super) fn new(silent: Duration) -> Self {
        Self {
            silent,
            parts: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    pub(super) fn heard(&mut self, subject: Subject, part: &str, at: Moment) {
        let heard = self.heard.entry(subject).or_insert_with(|| Heard {
            at,
            part: part.to_owned(),
        });
        if at >= heard.at {
            heard.at = at;
            if heard.part != part {
                part.clone_into(&mut heard.part);
            }
        }
    }

    /// A part was read up to its end.
    pub(super) fn read(&mut self, part: &str, of: Option<Subject>, at: Moment) {
        let part = self.part(part);
        part.of = of.or(part.of.take());
        part.failing = None;
        part.read = match part.read {
            Some((since, last)) if at.since(last) <= GAP => Some((since, last.max(at))),
            Some(_) | None => Some((at, at)),
        };
    }

    pub(super) fn failed(&mut self, part: &str, why: String, at: Moment) {
        let part = self.part(part);
        let since = part.failing.take().map_or(at, |(since, _)| since);
        part.failing = Some((since, why));
    }

    /// A part does not exist any more, and so says nothing.
    pub(super) fn gone(&mut self, part: &str) {
        self.parts.remove(part);
        self.heard.retain(|_, heard| heard.part != part);
    }

    fn part(&mut self, name: &str) -> &mut Part {
        self.parts.entry(name.to_owned()).or_insert_with(|| Part {
            of: None,
            read: None,
            failing: None,
        })
    }

    /// The silence of a server that is known by any of `names`, not counted before `floor`.
    pub(super) fn silence(&self, names: &[Subject], now: Moment, floor: Moment) -> Silence {
        let newest = names
            .iter()
            .filter_map(|name| self.heard.get(name))
            .max_by_key(|heard| heard.at);
        let (part, at) = match newest {
            Some(heard) => (self.parts.get(&heard.part), heard.at),
            // Never heard, in a part of its own: it is known to speak there.
            None => {
                let own = |part: &&Part| part.of.as_ref().is_some_and(|of| names.contains(of));
                (self.parts.values().find(own), floor)
            }
        };
        let Some((since, last)) = part.and_then(|part| part.read) else {
            return Silence::Unknown;
        };
        if now.since(last) > GAP {
            return Silence::Unknown;
        }
        // Up to the last read: what was written since then is not known.
        let silent = last.since(at.max(since).max(floor));
        if silent > self.silent {
            Silence::TooLong(silent)
        } else {
            Silence::Within(silent)
        }
    }

    /// A part that cannot be read, and why.
    pub(super) fn trouble(&self, now: Moment) -> Option<String> {
        self.parts.values().find_map(|part| {
            let last = part.read.map(|(_, last)| last);
            let (since, why) = match (&part.failing, last) {
                (Some((since, why)), last) => (last.unwrap_or(*since), why.as_str()),
                (None, Some(last)) => (last, "no answer"),
                (None, None) => return None,
            };
            let away = now.since(since);
            (away > GAP).then(|| {
                format!(
                    "the status bus was not read for {} s ({why})",
                    away.as_secs()
                )
            })
        })
    }

    /// It was read since `moment`, or is known not to be readable.
    pub(super) fn is_known_since(&self, moment: Moment) -> bool {
        let known = |part: &Part| {
            part.failing.is_some() || part.read.is_some_and(|(_, last)| last >= moment)
        };
        !self.parts.is_empty() && self.parts.values().all(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Duration = Duration::from_secs(80);

    fn name() -> Subject {
        Subject::Name("i-1".to_owned())
    }

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000)
    }

    /// Reads `part` every second.
    fn read(statuses: &mut Statuses, part: &str, seconds: std::ops::RangeInclusive<u64>) {
        for second in seconds {
            statuses.read(part, None, at(second));
        }
    }

    fn silence(statuses: &Statuses, now: u64) -> Silence {
        statuses.silence(&[name()], at(now), at(0))
    }

    #[test]
    fn a_server_that_speaks_and_stops_is_silent_after_the_limit() {
        let mut statuses = Statuses::new(SILENT);
        read(&mut statuses, "s-0", 0..=90);
        statuses.heard(name(), "s-0", at(10));
        let within = Silence::Within(Duration::from_secs(80));
        assert_eq!(silence(&statuses, 90), within);
        read(&mut statuses, "s-0", 91..=91);
        let too_long = Silence::TooLong(Duration::from_secs(81));
        assert_eq!(silence(&statuses, 91), too_long);
        statuses.heard(name(), "s-0", at(91));
        assert_eq!(silence(&statuses, 91), Silence::Within(Duration::ZERO));
    }

    #[test]
    fn a_bus_that_is_not_read_proves_nothing() {
        let mut statuses = Statuses::new(SILENT);
        read(&mut statuses, "s-0", 0..=10);
        statuses.heard(name(), "s-0", at(10));
        assert_eq!(silence(&statuses, 200), Silence::Unknown);
        let why = statuses.trouble(at(200)).expect("is not read");
        assert!(why.contains("190 s"), "{why}");
        // Back: silence counts from here, not from when it was last heard.
        read(&mut statuses, "s-0", 200..=210);
        let within = Silence::Within(Duration::from_secs(10));
        assert_eq!(silence(&statuses, 210), within);
        assert_eq!(statuses.trouble(at(210)), None);
    }

    #[test]
    fn a_read_that_is_late_is_not_silence() {
        let mut statuses = Statuses::new(Duration::from_secs(4));
        read(&mut statuses, "s-0", 0..=10);
        statuses.heard(name(), "s-0", at(8));
        let within = Silence::Within(Duration::from_secs(2));
        assert_eq!(silence(&statuses, 20), within);
    }

    #[test]
    fn one_part_that_fails_says_nothing_about_those_of_another() {
        let mut statuses = Statuses::new(SILENT);
        read(&mut statuses, "s-0", 0..=100);
        read(&mut statuses, "s-1", 0..=10);
        statuses.heard(name(), "s-0", at(5));
        for second in 11..=100 {
            statuses.failed("s-1", "refused".to_owned(), at(second));
        }
        assert!(matches!(silence(&statuses, 100), Silence::TooLong(_)));
        let why = statuses.trouble(at(100)).expect("one fails");
        assert!(why.contains("refused"), "{why}");
    }

    #[test]
    fn a_server_with_a_topic_of_its_own_is_expected_there() {
        let mut statuses = Statuses::new(SILENT);
        for second in 0..=81 {
            statuses.read("10.0.0.7_status", Some(name()), at(second));
        }
        assert!(matches!(silence(&statuses, 81), Silence::TooLong(_)));
        let other = Subject::Name("i-2".to_owned());
        let nothing = statuses.silence(&[other], at(81), at(0));
        assert_eq!(nothing, Silence::Unknown);
        statuses.gone("10.0.0.7_status");
        assert_eq!(silence(&statuses, 81), Silence::Unknown);
    }

    #[test]
    fn silence_does_not_count_before_the_server_was_there() {
        let mut statuses = Statuses::new(SILENT);
        read(&mut statuses, "s-0", 0..=100);
        statuses.heard(name(), "s-0", at(5));
        let silent = statuses.silence(&[name()], at(100), at(60));
        assert_eq!(silent, Silence::Within(Duration::from_secs(40)));
    }
}
