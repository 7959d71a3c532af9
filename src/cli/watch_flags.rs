//! The flags of `lb ping` and `lb monitor`, and the [`Watching`] they order.
//!
//! Owns their names, their help and which of them go together. Nothing is resolved or checked
//! here but the settings.

use super::help::sections;
use clap::Args;
use clap::builder::StyledStr;
use lb::config::{
    AddressKind, Host, HttpCheck, HumanDuration, Invalid, MonitorConfig, Plan, ServiceSpec, Target,
    parse_number,
};

/// What is to be watched, and how much of it is told.
#[derive(Debug)]
pub(crate) struct Watching {
    /// What is watched, and how.
    pub(crate) config: MonitorConfig,
    /// Whether only changes and the table are told.
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
#[command(
    about = "Ask machines for an echo, again and again",
    long_about = LONG_ABOUT_PING,
    after_long_help = after_long(EXAMPLES_PING),
    max_term_width = 100
)]
pub(super) struct PingFlags {
    /// Machines to ask: names or addresses
    #[arg(value_name = "HOST")]
    hosts: Vec<Host>,

    #[command(flatten)]
    plan: PlanFlags,
}

#[derive(Args, Debug)]
#[command(
    about = "Check services, again and again",
    long_about = LONG_ABOUT_MONITOR,
    after_long_help = after_long(EXAMPLES_MONITOR),
    max_term_width = 100
)]
pub(super) struct MonitorFlags {
    /// Services to check: HOST:PORT, unix:PATH or http://HOST:PORT/PATH
    ///
    /// A bare PORT is on this machine. A URL is asked for its page, the others are connected to.
    #[arg(value_name = "SERVICE")]
    services: Vec<ServiceSpec>,

    /// Ask those without a URL for this page
    #[arg(long, value_name = "PATH", help_heading = "Pages")]
    http: Option<String>,

    /// Status that a page must have
    #[arg(long, value_name = "STATUS", value_parser = parse_number::<u16>,
        default_value_t = HttpCheck::default().expect_status, help_heading = "Pages")]
    expect_status: u16,

    /// Text that the body of a page must contain [default: any body will do]
    #[arg(long, value_name = "TEXT", help_heading = "Pages")]
    expect_body: Option<String>,

    #[command(flatten)]
    plan: PlanFlags,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Checks (times as in 500ms, 3s, 2m, 1h)")]
struct PlanFlags {
    /// From one check of a target to the next
    ///
    /// Up to a tenth more or less, so that watchers do not move in step. A quarter of it while
    /// checks fail, and until the target is up again.
    #[arg(long, value_name = "TIME", default_value_t = HumanDuration(Plan::default().interval))]
    interval: HumanDuration,

    /// For a check to pass
    #[arg(long, value_name = "TIME", default_value_t = HumanDuration(Plan::default().timeout))]
    timeout: HumanDuration,

    /// Checks of each target, then end [default: until told to stop]
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>)]
    count: Option<u64>,

    /// Checks that must pass, one after another, for a target to be up again
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>,
        default_value_t = Plan::default().rise)]
    rise: u32,

    /// Checks that must fail, one after another, for a target to be down
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>,
        default_value_t = Plan::default().fall)]
    fall: u32,

    /// Use IPv4 addresses of names only
    #[arg(long, short = '4', conflicts_with = "ipv6")]
    ipv4: bool,

    /// Use IPv6 addresses of names only
    #[arg(long, short = '6')]
    ipv6: bool,

    /// Tell only when a target goes down or comes back, and the table at the end
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

impl PingFlags {
    /// The order these flags give.
    pub(super) fn order(self) -> Result<Watching, Invalid> {
        if self.hosts.is_empty() {
            return Err(nobody("lb ping 10.0.0.1"));
        }
        let targets = self.hosts.into_iter().map(Target::machine);
        self.plan.order(targets.collect())
    }
}

impl MonitorFlags {
    /// The order these flags give.
    pub(super) fn order(self) -> Result<Watching, Invalid> {
        if self.services.is_empty() {
            return Err(nobody("lb monitor 10.0.0.1:80"));
        }
        let defaults = HttpCheck::default();
        let expects = self.expect_status != defaults.expect_status || self.expect_body.is_some();
        let asks_for_pages = self.http.is_some() || self.services.iter().any(|s| s.path.is_some());
        if expects && !asks_for_pages {
            let flag = match self.expect_body {
                Some(_) => "--expect-body",
                None => "--expect-status",
            };
            let remedy = "add --http PATH, or give a URL";
            return Err(Invalid::new("no page is asked for", remedy).with_flag(flag));
        }
        let page = |path: Option<String>| HttpCheck {
            path: path.unwrap_or(defaults.path.clone()),
            expect_status: self.expect_status,
            expect_body: self.expect_body.clone(),
        };
        let services = self.services.into_iter();
        let targets = services.map(|service| {
            let is_page = self.http.is_some() || service.path.is_some();
            Target::service(service, is_page.then(|| page(self.http.clone())))
        });
        self.plan.order(targets.collect())
    }
}

impl PlanFlags {
    fn order(self, targets: Vec<Target>) -> Result<Watching, Invalid> {
        let plan = Plan {
            interval: self.interval.0,
            timeout: self.timeout.0,
            rise: self.rise,
            fall: self.fall,
            count: self.count,
        };
        let mut config = MonitorConfig::new(targets, plan)?;
        config.addresses = match (self.ipv4, self.ipv6) {
            (true, _) => AddressKind::V4,
            (false, true) => AddressKind::V6,
            (false, false) => AddressKind::Any,
        };
        Ok(Watching {
            config,
            quiet: self.quiet,
        })
    }
}

fn nobody(example: &str) -> Invalid {
    let remedy = format!("name at least one, as in {example}");
    Invalid::new("no target given", remedy)
}

const LONG_ABOUT_PING: &str = "\
Ask machines for an echo, again and again.

A line tells of each answer, and of each machine that goes down or comes back; a table at the end,
of all. An answer says that the machine is there, and nothing of what it serves: see lb monitor.
Echo is ICMP. It needs the group of lb in net.ipv4.ping_group_range, or CAP_NET_RAW.";

const LONG_ABOUT_MONITOR: &str = "\
Check services, again and again, as lb checks its backends.

A line tells of each check and how long the answer took, and of each service that goes down or
comes back; a table at the end, of all.";

const EXAMPLES_PING: &str = "
  Until Ctrl-C:
    lb ping 10.0.0.1 10.0.0.2 router.example
  For a script: the exit code tells whether all answer
    lb ping --count 3 --interval 200ms --quiet 10.0.0.1";

const EXAMPLES_MONITOR: &str = "
  A database by connecting, a site by its page:
    lb monitor 10.0.0.1:5432 http://10.0.0.2/health
  Servers that must say that they are ready:
    lb monitor --http /ping --expect-body pong 5000 5001 5002";

const SIGNALS: &str = "
  SIGINT, SIGTERM  End, with the table
  SIGUSR1          Print the table and go on";

const EXIT_CODES: &str = "
  0  Every target is up at the end
  1  One is not, or the watching could not go on
  2  The command line is wrong; one line on stderr says what would be right";

fn after_long(examples: &'static str) -> StyledStr {
    sections(&[
        ("Examples", examples),
        ("Signals", SIGNALS),
        ("Exit codes", EXIT_CODES),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Invocation, read};
    use lb::config::Question;
    use std::ffi::OsString;
    use std::time::Duration;

    fn read_line(line: &str) -> Result<Invocation, Invalid> {
        read(line.split_whitespace().map(OsString::from))
    }

    fn watching(line: &str) -> Watching {
        match read_line(line) {
            Ok(Invocation::Watch(watching)) => *watching,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn names(watching: &Watching) -> Vec<&str> {
        let targets = watching.config.targets().iter();
        targets.map(Target::name).collect()
    }

    #[test]
    fn targets_are_all_that_is_needed() {
        for line in ["lb ping ::1 a.example", "lb monitor 80 unix:/a"] {
            let watching = watching(line);
            assert_eq!(watching.config.plan(), &Plan::default(), "{line}");
            assert_eq!(watching.config.addresses, AddressKind::Any);
            assert!(!watching.quiet);
        }
        assert_eq!(names(&watching("lb ping [::1] A")), ["::1", "a"]);
        assert_eq!(names(&watching("lb monitor 80")), ["127.0.0.1:80"]);
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        for command in ["ping -6 a", "monitor a:1 --ipv6"] {
            let watching = watching(&format!(
                "lb {command} --interval 10ms --timeout 2s --count 3 --rise 4 --fall 5 --quiet"
            ));
            let expected = Plan {
                interval: Duration::from_millis(10),
                timeout: Duration::from_secs(2),
                rise: 4,
                fall: 5,
                count: Some(3),
            };
            assert_eq!(watching.config.plan(), &expected);
            assert_eq!(watching.config.addresses, AddressKind::V6);
            assert!(watching.quiet);
        }
        let pages =
            watching("lb monitor a:1 http://b/x --http /p --expect-status 204 --expect-body ok -4");
        assert_eq!(pages.config.addresses, AddressKind::V4);
        let asked = pages.config.targets().iter().map(|target| {
            let Question::Http(_, check) = target.question() else {
                panic!("{target:?}");
            };
            assert_eq!(check.expect_status, 204);
            assert_eq!(check.expect_body.as_deref(), Some("ok"));
            check.path.as_str()
        });
        assert_eq!(asked.collect::<Vec<_>>(), ["/p", "/x"]);
    }

    #[test]
    fn every_mistake_is_one_line_with_a_remedy() {
        for (line, message) in [
            (
                "lb ping",
                "no target given; name at least one, as in lb ping 10.0.0.1",
            ),
            (
                "lb monitor",
                "no target given; name at least one, as in lb monitor 10.0.0.1:80",
            ),
            (
                "lb ping a:80",
                "'a:80': neither a host name nor an IP address; \
                 write it as in example.com, 127.0.0.1 or ::1",
            ),
            (
                "lb monitor a",
                "'a': the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
            ),
            (
                "lb monitor 80 --expect-status 204",
                "--expect-status: no page is asked for; add --http PATH, or give a URL",
            ),
            (
                "lb ping a -4 -6",
                "--ipv4: does not go with --ipv6; give one of the two",
            ),
            (
                "lb ping a --count 0",
                "--count '0': nothing would be done; give at least 1",
            ),
            (
                "lb --backends 1 ping",
                "ping: does not go with --backends; give one of the two",
            ),
        ] {
            let complaint = read_line(line).unwrap_err().to_string();
            assert_eq!(complaint, message, "{line}");
        }
    }

    #[test]
    fn every_example_of_the_help_is_understood_and_fits_the_screen() {
        for command in ["ping", "monitor"] {
            let Ok(Invocation::Show(page)) = read_line(&format!("lb {command} --help")) else {
                panic!("no help");
            };
            let page = page.to_string();
            let examples = page.lines().filter_map(|line| line.strip_prefix("    lb "));
            let examples: Vec<&str> = examples.collect();
            assert_eq!(examples.len(), 2);
            for example in examples {
                watching(&format!("lb {example}"));
            }
            assert!(page.lines().all(|line| line.chars().count() <= 100));
        }
    }
}
