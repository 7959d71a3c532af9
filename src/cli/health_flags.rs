//! The flags about the health of backends.

use super::help;
use clap::{ArgAction, Args};
use lb::config::{
    CheckKind, Health, HttpCheckSettings, HumanDuration, parse_check_kind, parse_number,
    parse_switch,
};

#[derive(Args, Debug)]
#[command(next_help_heading = "Health of backends")]
pub(super) struct HealthFlags {
    #[arg(long, value_name = "KIND", value_parser = parse_check,
        default_value = CheckKind::default().name(),
        help = help::check_kinds(), long_help = help::check_kinds_long())]
    health: CheckChoice,

    /// Page that an http check asks for
    #[arg(long, value_name = "PATH", default_value_t = HttpCheckSettings::default().path)]
    health_path: String,

    /// Status that an http check expects
    #[arg(long, value_name = "STATUS", value_parser = parse_number::<u16>,
        default_value_t = HttpCheckSettings::default().expect_status)]
    health_expect_status: u16,

    /// Text that the body of the page must contain [default: any body will do]
    #[arg(long, value_name = "TEXT")]
    health_expect_body: Option<String>,

    /// From one check of a backend to the next
    ///
    /// A quarter of it while a backend is suspect.
    #[arg(long, value_name = "TIME",
        default_value_t = HumanDuration(Health::default().interval))]
    health_interval: HumanDuration,

    /// For a check to pass
    #[arg(long, value_name = "TIME",
        default_value_t = HumanDuration(Health::default().timeout))]
    health_timeout: HumanDuration,

    /// Checks that must pass, one after another, after they failed
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>,
        default_value_t = Health::default().rise)]
    health_rise: u32,

    /// Checks that must fail, one after another
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>,
        default_value_t = Health::default().fall)]
    health_fall: u32,

    /// Whether failing requests eject a backend: on or off
    ///
    /// One that refuses connections is left alone at once, one that fails five requests in a
    /// row, or half of them, if others do better: for 1s, and longer each time. What is the
    /// client's fault (4xx) does not count. Off: only checks eject.
    #[arg(long, value_name = "on|off", action = ArgAction::Set, value_parser = parse_switch,
        default_value = "on")]
    passive: bool,

    /// Backends ejected at once for what they answer, in percent of all
    ///
    /// One that does not answer at all is always ejected.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent,
        default_value_t = Health::default().max_ejected_percent)]
    max_ejected: u8,

    /// Times slower than the others that ejects a backend, or off
    ///
    /// The median of 20 answers counts, if it is half a second longer as well. It is not looked
    /// at in TCP mode, nor where the request decides on the backend (-hash, -maglev, --sticky).
    #[arg(long, value_name = "RATIO|off", value_parser = parse_ratio, default_value = "20")]
    slow_outlier: Ratio,

    /// For the share of a backend that comes back to grow
    ///
    /// 0s gives it its whole share at once. Those that lb starts with have it from the start.
    #[arg(long, value_name = "TIME",
        default_value_t = HumanDuration(Health::default().slow_start))]
    slow_start: HumanDuration,
}

/// A kind of check, or `None` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CheckChoice(Option<CheckKind>);

fn parse_check(text: &str) -> Result<CheckChoice, lb::config::ConfigError> {
    parse_check_kind(text).map(CheckChoice)
}

/// A ratio, or `None` for off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratio(Option<u32>);

fn parse_ratio(text: &str) -> Result<Ratio, lb::config::ConfigError> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Ratio(None));
    }
    let ratio = parse_number(text).map_err(|_| {
        let invalid = lb::config::ConfigError::new("not a ratio", "give 2 to 1000, or off");
        invalid.with_value(text)
    })?;
    Ok(Ratio(Some(ratio)))
}

/// Reads `50` and `50%`.
fn parse_percent(text: &str) -> Result<u8, lb::config::ConfigError> {
    parse_number(text.strip_suffix('%').unwrap_or(text))
}

impl From<HealthFlags> for Health {
    fn from(flags: HealthFlags) -> Self {
        Self {
            passive: flags.passive,
            max_ejected_percent: flags.max_ejected,
            slow_outlier: flags.slow_outlier.0,
            slow_start: flags.slow_start.0,
            check: flags.health.0,
            http: HttpCheckSettings {
                path: flags.health_path,
                expect_status: flags.health_expect_status,
                expect_body: flags.health_expect_body,
            },
            interval: flags.health_interval.0,
            timeout: flags.health_timeout.0,
            rise: flags.health_rise,
            fall: flags.health_fall,
        }
    }
}
