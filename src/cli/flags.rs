//! The flags of `lb` and its commands.
//!
//! The flags of the balancer come from the library's table of settings; here are those that
//! concern the command alone.

use super::ctl::CtlFlags;
use super::file_flags::{CheckFlags, ConfigFlags};
use super::heartbeat::SenderFlags;
use super::help;
use super::pages::{CompletionFlags, ManFlags};
use super::process_flags::{ReloadFlags, UpgradeFlags};
use super::setting_flags::SettingFlags;
use super::watch_flags::{MonitorFlags, PingFlags};
use clap::Parser;
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    override_usage = help::USAGE,
    after_help = help::AFTER_SHORT,
    after_long_help = help::after_long(),
    max_term_width = 100,
    allow_negative_numbers = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Configuration file; other flags override it
    ///
    /// It has all settings by the names of the flags, and what flags cannot say: several
    /// listeners, several pools, settings of each. lb config --default prints one to begin with,
    /// lb check FILE tells what is wrong with one.
    #[arg(long, value_name = "FILE", help_heading = "Configuration file")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) settings: SettingFlags,

    /// File for the number of the process, from when it serves to its end
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) pid_file: Option<PathBuf>,

    /// Print no start line, no summary and no changes of backends
    #[arg(long, help_heading = "Output")]
    pub(super) quiet: bool,
}

/// The commands other than balancing.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    #[cfg(feature = "simulate")]
    Simulate(super::simulate::SimulateFlags),
    Heartbeat(SenderFlags),
    Ping(PingFlags),
    Monitor(MonitorFlags),
    Check(CheckFlags),
    Config(ConfigFlags),
    Reload(ReloadFlags),
    Ctl(Box<CtlFlags>),
    #[cfg(feature = "top")]
    Top(Box<super::top::TopFlags>),
    Completions(CompletionFlags),
    Man(ManFlags),
    Upgrade(UpgradeFlags),
}
