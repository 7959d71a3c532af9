//! The flags made from the library's table of settings.
//!
//! Owns how a [`Setting`] becomes a flag with its help, and which were given. Values are checked
//! by the setting as they are read, so that a mistake names its flag.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use lb::config::ConfigError;
use lb::internal::config::{Given, Setting, settings};

/// The word that asks for the list of strategies.
const LIST: &str = "list";

/// The settings given on the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingFlags {
    /// Their values.
    pub(super) given: Given,
    /// True if `--strategy list` asks for the list of strategies.
    pub(super) wants_strategies: bool,
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        settings().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in settings() {
            for value in matches
                .get_many::<String>(setting.name)
                .into_iter()
                .flatten()
            {
                match is_list(setting, value) {
                    true => self.wants_strategies = true,
                    false => self.given.add(setting, value),
                }
            }
        }
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let doc = setting.doc();
    let short = doc.split("\n\n").next().unwrap_or_default().to_owned();
    let (mut help, mut long_help) = (short, doc.into_owned());
    if let Some(default) = setting.default() {
        help.push_str(&format!(" [default: {default}]"));
        long_help.push_str(&format!("\n\n[default: {default}]"));
    }
    let arg = Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.placeholder)
        .help(help)
        .long_help(long_help)
        .help_heading(setting.section.title)
        .value_parser(move |value: &str| check(setting, value));
    match setting.is_list {
        true => arg.action(ArgAction::Append).value_delimiter(','),
        false => arg.action(ArgAction::Set),
    }
}

fn check(setting: &Setting, value: &str) -> Result<String, ConfigError> {
    if !is_list(setting, value) {
        setting.check(value)?;
    }
    Ok(value.to_owned())
}

fn is_list(setting: &Setting, value: &str) -> bool {
    setting.name == "strategy" && value.eq_ignore_ascii_case(LIST)
}
