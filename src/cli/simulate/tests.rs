use super::*;
use crate::cli::Invocation;
use crate::cli::tests::{complaint, page, read_line};

fn experiment(line: &str) -> Experiment {
    match read_line(line) {
        Ok(Invocation::Simulate(experiment)) => *experiment,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn arguments_are_optional() {
    let experiment = experiment("lb simulate");
    let rules: Vec<&str> = experiment.rules.iter().map(Rule::name).collect();
    assert_eq!(rules, STRATEGIES);
    assert_eq!(experiment.source, Source::BuiltIn);
    let (json, plot) = (false, None);
    assert_eq!(experiment.task, Task::Compare { json, plot });
    assert_eq!((experiment.requests, experiment.seeds), (None, 1..=1));
}

#[test]
fn every_flag_reaches_its_setting() {
    let experiment = experiment(
        "lb simulate a b --scenario f.toml --strategy p2c,header-hash:x --requests 7 \
         --seed 3 --seeds 4 --json --plot f.svg",
    );
    assert_eq!(experiment.names, ["a", "b"]);
    assert_eq!(experiment.source, Source::File("f.toml".into()));
    assert_eq!(experiment.rules.len(), 2);
    assert_eq!((experiment.requests, experiment.seeds), (Some(7), 3..=6));
    let (json, plot) = (true, Some("f.svg".into()));
    assert_eq!(experiment.task, Task::Compare { json, plot });
}

#[test]
fn tasks_and_sources_have_their_flags() {
    let task = |flag: &str| experiment(&format!("lb simulate {flag}")).task;
    assert_eq!(task("--list"), Task::List);
    assert_eq!(task("--show"), Task::Show);
    assert_eq!(task("--explain 5"), Task::Explain(5));
    let log = experiment("lb simulate --replay a.log --backends 3").source;
    assert_eq!(log, Source::Log("a.log".into(), Some(3)));
}

#[test]
fn every_mistake_is_one_line_with_a_remedy() {
    for (line, message) in [
        (
            "lb simulate --seeds 0",
            "--seeds '0': out of range; give 1 to 1000",
        ),
        (
            "lb simulate --explain 0",
            "--explain '0': out of range; give at least 1",
        ),
        (
            "lb simulate --json --explain 1",
            "--json: does not go with --explain; give one of the two",
        ),
        (
            "lb simulate --list --list",
            "--list: given more than once; give it once",
        ),
        (
            "lb --backends 1 simulate",
            "simulate: does not go with --backends; give one of the two",
        ),
    ] {
        assert_eq!(complaint(line), message, "{line}");
    }
    assert!(complaint("lb simulate --strategy x").starts_with("--strategy 'x': unknown"));
}

#[test]
fn every_example_of_the_help_is_understood_and_fits_the_screen() {
    let page = page("lb simulate --help");
    let examples = page.lines().filter_map(|line| line.strip_prefix("    lb "));
    let examples: Vec<&str> = examples.collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let words = example.split(" > ").next().unwrap_or_default();
        experiment(&format!("lb {words}"));
    }
    assert!(page.lines().all(|line| line.chars().count() <= 100));
}
