use super::*;
use crate::monitor::Standing;

const START: Timestamp = Timestamp::from_nanos(1_000_000_000);
const TOOK: Duration = Duration::from_millis(3);
const LOST: Verdict = Err(CheckFailure::Timeout);

/// A watch, a clock moved by hand, and everything that was told.
struct Stage {
    watch: Watch,
    now: Timestamp,
    told: Vec<String>,
    begun: Vec<(TargetId, Duration)>,
    /// Checks that wait for an answer, and when it comes.
    open: Vec<(TargetId, Timestamp)>,
    given_up: usize,
}

fn plan() -> Plan {
    Plan {
        interval: Duration::from_millis(1_000),
        timeout: Duration::from_millis(500),
        rise: 2,
        fall: 3,
        count: None,
    }
}

impl Stage {
    fn new(names: &[&str], plan: Plan) -> Self {
        Self {
            watch: Watch::new(names.iter().copied(), plan, 7, START),
            now: START,
            told: Vec::new(),
            begun: Vec::new(),
            open: Vec::new(),
            given_up: 0,
        }
    }

    /// Lives for `time`. A check is answered 3 ms after it was begun, as `answer` has it; `None`
    /// is no answer.
    fn live(&mut self, time: Duration, answer: impl Fn(TargetId) -> Option<Verdict>) {
        let end = self.now + time;
        while self.now < end && !self.watch.is_over() {
            self.now = self.now + Duration::from_millis(1);
            for (id, _) in self.open.extract_if(.., |(_, at)| *at <= self.now) {
                if let Some(verdict) = answer(id) {
                    self.watch.checked(id, verdict, self.now);
                }
            }
            for step in self.watch.pass_time(self.now) {
                match step {
                    Step::Begin(id) => {
                        self.watch.begun(id, self.now);
                        self.begun.push((id, self.now.since(START)));
                        self.open.push((id, self.now + TOOK));
                    }
                    Step::GiveUp(_) => self.given_up += 1,
                }
            }
            let events = self.watch.take_events().into_iter();
            self.told
                .extend(events.map(|e| format!("{} {}", e.target, e.news)));
        }
    }

    fn changes(&self) -> Vec<&str> {
        let told = self.told.iter().map(String::as_str);
        told.filter(|line| !line.contains(" check ")).collect()
    }

    fn report(&self) -> Report {
        self.watch.report(self.now)
    }
}

fn well(_: TargetId) -> Option<Verdict> {
    Some(Ok(()))
}

fn dead(_: TargetId) -> Option<Verdict> {
    None
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_target_that_answers_is_up_and_asked_once_an_interval() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(10), well);
    assert_eq!(stage.told[..2], ["a check 1: 3.00 ms", "a is up"]);
    assert_eq!(stage.changes(), ["a is up"]);
    assert!((9..=12).contains(&stage.begun.len()), "{:?}", stage.begun);
    assert!(stage.begun[0].1 < Duration::from_millis(20), "at once");
    let report = stage.report();
    assert!(report.all_up());
    let target = &report.targets[0];
    assert_eq!(target.checks, target.passed);
    assert_eq!(target.times.map(|times| times.min), Some(TOOK));
    assert_eq!((target.outages, target.down_time), (0, Duration::ZERO));
}

#[test]
fn it_goes_down_and_comes_back() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(3), well);
    stage.live(secs(4), dead);
    let before = stage.begun.len();
    assert!(stage.changes()[1].starts_with("a is down: no answer in time (3 in a row, "));
    assert!(stage.report().targets[0].down_time > secs(2), "until now");
    stage.live(secs(3), well);
    let [(_, first), (_, second), ..] = stage.begun[before..] else {
        panic!("it is checked");
    };
    assert!(second - first < Duration::from_millis(300), "faster");
    let changes = stage.changes();
    assert!(
        changes[2].starts_with("a is up again, after "),
        "{changes:?}"
    );
    assert_eq!(changes.len(), 3);
    let report = stage.report();
    let target = &report.targets[0];
    assert_eq!((target.outages, target.standing), (1, Standing::Up));
    let lost = target.checks - target.passed;
    assert_eq!(lost as usize, stage.given_up);
    assert!(target.down_time > secs(2) && target.down_time < secs(6));
}

#[test]
fn one_lost_answer_is_no_outage() {
    let mut stage = Stage::new(&["a"], plan());
    stage.live(secs(2), well);
    for _ in 0..3 {
        let before = stage.given_up;
        while stage.given_up == before {
            stage.live(Duration::from_millis(1), dead);
        }
        stage.live(secs(2), well);
    }
    assert_eq!(stage.changes(), ["a is up"]);
    assert_eq!(stage.report().targets[0].outages, 0);
    assert!(
        stage
            .told
            .contains(&"a check 4: no answer in time".to_owned())
    );
}

#[test]
fn a_target_that_never_answers_is_down_from_the_start() {
    let mut stage = Stage::new(
        &["a"],
        Plan {
            count: Some(3),
            ..plan()
        },
    );
    stage.live(secs(60), dead);
    assert!(stage.watch.is_over());
    assert!(stage.changes()[0].starts_with("a is down: no answer in time (3 in a row, "));
    assert!(!stage.report().all_up());
}

#[test]
fn too_few_failures_leave_it_unknown_and_not_up() {
    let mut stage = Stage::new(
        &["a"],
        Plan {
            count: Some(2),
            ..plan()
        },
    );
    stage.live(secs(60), |_| Some(Err(CheckFailure::Status(500))));
    assert_eq!(stage.changes(), [""; 0]);
    assert_eq!(stage.report().targets[0].standing, Standing::Unknown);
    assert!(!stage.report().all_up());
}

#[test]
fn each_is_checked_as_often_as_it_should_be() {
    let names = ["a", "b", "c"];
    let mut stage = Stage::new(
        &names,
        Plan {
            count: Some(5),
            ..plan()
        },
    );
    stage.live(secs(60), |id| (id.0 != 1).then_some(Ok(())));
    assert!(stage.watch.is_over());
    let report = stage.report();
    for (target, name) in report.targets.iter().zip(names) {
        assert_eq!((target.name.as_str(), target.checks), (name, 5));
    }
    assert_eq!(stage.begun.len(), 15);
}

#[test]
fn the_first_checks_are_spread() {
    let names: Vec<String> = (0..100).map(|nth| nth.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&names, plan());
    stage.live(Duration::from_millis(500), well);
    assert!(
        (45..=55).contains(&stage.begun.len()),
        "{}",
        stage.begun.len()
    );
}

#[test]
fn an_answer_that_comes_too_late_is_none() {
    let timeout = Duration::from_millis(2);
    let mut stage = Stage::new(
        &["a"],
        Plan {
            timeout,
            count: Some(1),
            ..plan()
        },
    );
    stage.live(secs(1), well);
    assert_eq!(stage.told, ["a check 1: no answer in time"]);
}

#[test]
fn what_could_not_be_begun_counts_for_nothing() {
    let mut stage = Stage::new(
        &["a"],
        Plan {
            count: Some(1),
            ..plan()
        },
    );
    let later = START + Duration::from_millis(20);
    assert_eq!(stage.watch.pass_time(later), [Step::Begin(TargetId(0))]);
    stage.watch.begun(TargetId(0), later);
    stage.watch.postponed(TargetId(0), later);
    assert!(!stage.watch.is_over());
    assert_eq!(stage.watch.take_events(), []);
    // Late news of it finds nobody.
    stage.watch.checked(TargetId(0), LOST, later);
    assert_eq!(stage.watch.take_events(), []);
    stage.live(secs(2), well);
    assert_eq!(stage.report().targets[0].checks, 1);
}

#[test]
fn events_tell_the_time_of_the_wall() {
    let mut stage = Stage::new(&["a"], plan());
    stage.watch.set_wall_clock(secs(1_000_000), START);
    let later = START + Duration::from_millis(20);
    stage.watch.pass_time(later);
    stage.watch.begun(TargetId(0), later);
    stage.watch.checked(TargetId(0), Ok(()), later + TOOK);
    let events = stage.watch.take_events();
    assert_eq!(events[0].wall, Duration::from_millis(1_000_000_023));
    assert_eq!(events[1].news, News::Up);
}
