//! `/metrics`, in the text format of Prometheus.

use crate::fleet::hold::Hold;
use crate::fleet::server::Phase;
use crate::fleet::view::{LbView, ServerView, ServiceView};
use std::fmt::Write;

/// Counters that the shell keeps.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) term: u64,
    pub(crate) agents: usize,
    pub(crate) commits: u64,
    pub(crate) failed_commits: u64,
    /// Records of the status bus, by what became of them; `None`: there is no bus.
    pub(crate) statuses: Option<Vec<(&'static str, u64)>>,
}

/// One family: its name, help, type, and its lines.
fn family(out: &mut String, name: &str, help: &str, kind: &str, lines: &[(String, f64)]) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in lines {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

/// The whole page. Labels are names of the specification, which need no escaping; addresses of
/// lbs are quoted as they are written there.
pub(crate) fn text(
    services: &[ServiceView],
    servers: &[ServerView],
    lbs: &[LbView],
    holds: &[Hold],
    counts: &Counts,
) -> String {
    let mut out = String::new();
    let of = |value: fn(&ServiceView) -> usize| -> Vec<(String, f64)> {
        let line = |it: &ServiceView| (format!("{{service=\"{}\"}}", it.name), value(it) as f64);
        services.iter().map(line).collect()
    };
    let page = &mut out;
    family(
        page,
        "lb_fleet_servers_wanted",
        "Servers wanted.",
        "gauge",
        &of(|it| it.want),
    );
    family(
        page,
        "lb_fleet_servers_serving",
        "Servers serving.",
        "gauge",
        &of(|it| it.serving),
    );
    family(
        page,
        "lb_fleet_units",
        "Units that may exist at the provider.",
        "gauge",
        &of(|it| it.units),
    );
    let mut states = Vec::new();
    for service in services {
        for phase in Phase::ALL {
            if phase == Phase::Gone {
                continue;
            }
            let of = servers.iter().filter(|it| it.service == service.name);
            let count = of.filter(|it| it.state == phase.word()).count();
            let labels = format!(
                "{{service=\"{}\",state=\"{}\"}}",
                service.name,
                phase.word()
            );
            states.push((labels, count as f64));
        }
    }
    family(
        page,
        "lb_fleet_servers",
        "Servers by state.",
        "gauge",
        &states,
    );
    let loads: Vec<(String, f64)> = servers
        .iter()
        .filter_map(|it| {
            let labels = format!("{{service=\"{}\",server=\"{}\"}}", it.service, it.name);
            Some((labels, it.load?))
        })
        .collect();
    family(
        page,
        "lb_fleet_server_load_ratio",
        "Load that the agent reports.",
        "gauge",
        &loads,
    );
    let reachable: Vec<(String, f64)> = lbs
        .iter()
        .map(|lb| {
            (
                format!("{{lb=\"{}\"}}", lb.name),
                f64::from(u8::from(lb.is_reachable)),
            )
        })
        .collect();
    family(
        page,
        "lb_fleet_lb_reachable",
        "1 if the lb answers.",
        "gauge",
        &reachable,
    );
    let held: Vec<(String, f64)> = holds
        .iter()
        .map(|hold| {
            let service = hold.service.as_ref().map_or("", |it| it.as_str());
            (
                format!("{{hold=\"{}\",service=\"{service}\"}}", hold.kind.word()),
                1.0,
            )
        })
        .collect();
    family(
        page,
        "lb_fleet_hold",
        "1 for each hold that stands.",
        "gauge",
        &held,
    );
    let one = |value: f64| vec![(String::new(), value)];
    family(
        page,
        "lb_fleet_term",
        "Term of this leader.",
        "gauge",
        &one(counts.term as f64),
    );
    family(
        page,
        "lb_fleet_agents",
        "Sessions of agents.",
        "gauge",
        &one(counts.agents as f64),
    );
    family(
        page,
        "lb_fleet_commits_total",
        "Commits stored.",
        "counter",
        &one(counts.commits as f64),
    );
    let failed = one(counts.failed_commits as f64);
    family(
        page,
        "lb_fleet_failed_commits_total",
        "Commits refused by the database.",
        "counter",
        &failed,
    );
    if let Some(statuses) = &counts.statuses {
        let line = |(kind, count): &(&str, u64)| (format!("{{kind=\"{kind}\"}}"), *count as f64);
        let lines: Vec<_> = statuses.iter().map(line).collect();
        family(
            page,
            "lb_fleet_statuses_total",
            "Records read from the status bus: news, history (too old) or refused.",
            "counter",
            &lines,
        );
    }
    out
}
