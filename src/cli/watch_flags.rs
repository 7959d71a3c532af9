//! The flags of `lb ping` and `lb monitor`, and the [`Watching`] they order.
//!
//! Owns their names, their help and which of them go together. Nothing is resolved or checked
//! here but the settings.

mod help;

use clap::Args;
use lb::config::{
    AddressKind, ConfigError, Host, HttpCheckSettings, HumanDuration, MonitorConfig, Plan,
    ServiceSpec, Target,
};
use lb::internal::config::parse_number;

/// The arguments of `lb ping` and `lb monitor`.
#[derive(Debug)]
pub(crate) struct Watching {
    /// Targets and plan.
    pub(crate) config: MonitorConfig,
    /// True if only changes and the table are printed.
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
#[command(
    about = "Check machines by ICMP echo, again and again",
    long_about = help::LONG_ABOUT_PING,
    after_long_help = help::after_long(help::EXAMPLES_PING),
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
    about = "Check services by connection or page, again and again",
    long_about = help::LONG_ABOUT_MONITOR,
    after_long_help = help::after_long(help::EXAMPLES_MONITOR),
    max_term_width = 100
)]
pub(super) struct MonitorFlags {
    /// Services to check: HOST:PORT, unix:PATH or http://HOST:PORT/PATH
    ///
    /// A bare PORT is on this machine. A URL is checked by a request for its page, the others by a
    /// connection.
    #[arg(value_name = "SERVICE")]
    services: Vec<ServiceSpec>,

    /// Ask those without a URL for this page
    #[arg(long, value_name = "PATH", help_heading = "Pages")]
    http: Option<String>,

    /// Status that a page must have
    #[arg(long, value_name = "STATUS", value_parser = parse_number::<u16>,
        default_value_t = HttpCheckSettings::default().expect_status, help_heading = "Pages")]
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

    /// Time limit for one check
    #[arg(long, value_name = "TIME", default_value_t = HumanDuration(Plan::default().timeout))]
    timeout: HumanDuration,

    /// Checks of each target, then end [default: until stopped]
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
    pub(super) fn order(self) -> Result<Watching, ConfigError> {
        if self.hosts.is_empty() {
            return Err(no_target("lb ping 10.0.0.1"));
        }
        let targets = self.hosts.into_iter().map(Target::machine);
        self.plan.order(targets.collect())
    }
}

impl MonitorFlags {
    /// The order these flags give.
    pub(super) fn order(self) -> Result<Watching, ConfigError> {
        if self.services.is_empty() {
            return Err(no_target("lb monitor 10.0.0.1:80"));
        }
        let defaults = HttpCheckSettings::default();
        let expects = self.expect_status != defaults.expect_status || self.expect_body.is_some();
        let asks_for_pages = self.http.is_some() || self.services.iter().any(|s| s.path.is_some());
        if expects && !asks_for_pages {
            let flag = match self.expect_body {
                Some(_) => "--expect-body",
                None => "--expect-status",
            };
            let remedy = "add --http PATH, or give a URL";
            return Err(ConfigError::new("no page is asked for", remedy).with_flag(flag));
        }
        let page = |path: Option<String>| HttpCheckSettings {
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
    fn order(self, targets: Vec<Target>) -> Result<Watching, ConfigError> {
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

fn no_target(example: &str) -> ConfigError {
    let remedy = format!("name at least one, as in {example}");
    ConfigError::new("no target given", remedy)
}

#[cfg(test)]
mod tests;
