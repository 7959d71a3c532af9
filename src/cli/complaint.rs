//! Errors of clap, in one line.
//!
//! Owns the translation of clap's errors, which take a paragraph and name no remedy, to the
//! form that all other complaints have: flag, value, problem, remedy.

use super::flags::Flags;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error};
use lb::config::AddressError;
use lb::config::ConfigError;
use lb::internal::config::nearest;
use std::error::Error as _;

/// The one-line form of `error`.
///
/// `command` is the name of the command they were given to, if it is not balancing.
pub(super) fn of(error: &Error, command: Option<&str>) -> ConfigError {
    let argument = Argument::of(error);
    match error.kind() {
        // What belongs to no flag, as a target, is named by its value.
        ErrorKind::ValueValidation if !argument.flag.starts_with('-') => bad_value(error),
        ErrorKind::ValueValidation => bad_value(error).with_flag(argument.flag),
        ErrorKind::UnknownArgument => unknown(command, argument.flag),
        ErrorKind::InvalidValue => {
            let remedy = format!("write {} {}", argument.flag, argument.placeholder);
            ConfigError::new("no value given", remedy).with_flag(argument.flag)
        }
        ErrorKind::TooManyValues => {
            let remedy = format!("write {} alone", argument.flag);
            ConfigError::new("takes no value", remedy).with_flag(argument.flag)
        }
        ErrorKind::ArgumentConflict => match text(error, ContextKind::InvalidSubcommand) {
            // clap says so of any word after a flag.
            Some(word) if !is_command(word) => unknown(command, word.to_owned()),
            Some(command) => conflict(error, command.to_owned()),
            None => conflict(error, argument.flag),
        },
        ErrorKind::InvalidSubcommand => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown(command, word.to_owned())
        }
        ErrorKind::MissingSubcommand => {
            let command = command.unwrap_or_default();
            let remedy = format!("lb {command} --help lists them");
            ConfigError::new("a command is missing", remedy).with_value(format!("lb {command}"))
        }
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::InvalidUtf8 => ConfigError::new("an argument is not UTF-8", "write it in UTF-8"),
        _ => other(error),
    }
}

fn is_command(word: &str) -> bool {
    Flags::command().find_subcommand(word).is_some()
}

/// Returns a parser's text about a value.
fn bad_value(error: &Error) -> ConfigError {
    let source = error.source();
    if let Some(invalid) = source.and_then(|source| source.downcast_ref::<ConfigError>()) {
        return invalid.clone();
    }
    match source.and_then(|source| source.downcast_ref::<AddressError>()) {
        Some(error) => error.clone().into(),
        None => other(error),
    }
}

/// A flag that is there twice conflicts with itself.
fn conflict(error: &Error, flag: String) -> ConfigError {
    let others = match error.get(ContextKind::PriorArg) {
        Some(ContextValue::String(other)) => std::slice::from_ref(other),
        Some(ContextValue::Strings(others)) => others,
        _ => &[],
    };
    let other = others.first().map(|other| Argument::named(other).flag);
    match other.filter(|other| *other != flag) {
        None => ConfigError::new("given more than once", "give it once").with_flag(flag),
        Some(other) => ConfigError::new(format!("does not go with {other}"), "give one of the two")
            .with_flag(flag),
    }
}

fn unknown(command: Option<&str>, argument: String) -> ConfigError {
    let root = Flags::command();
    let known = command.and_then(|path| at_path(&root, path));
    let flags = known.unwrap_or(&root);
    if !argument.starts_with('-') {
        if let (Some(path), true) = (command, flags.has_subcommands()) {
            let names = flags.get_subcommands().map(clap::Command::get_name);
            let remedy = match nearest(&argument, names) {
                Some(similar) => format!("did you mean {similar}?"),
                None => format!("lb {path} --help lists them"),
            };
            return ConfigError::new("unknown command", remedy).with_value(argument);
        }
        return ConfigError::new(
            "belongs to no flag",
            "separate the values of a flag by commas without spaces; see lb --help",
        )
        .with_value(argument);
    }
    let names = flags.get_arguments().filter_map(|flag| flag.get_long());
    let remedy = match (nearest(argument.trim_start_matches('-'), names), command) {
        (Some(similar), _) => format!("did you mean --{similar}?"),
        (None, Some(command)) => format!("lb {command} --help shows the flags"),
        (None, None) => "lb --help shows the flags".to_owned(),
    };
    ConfigError::new("unknown flag", remedy).with_flag(argument)
}

/// The command of these words.
fn at_path<'a>(root: &'a clap::Command, path: &str) -> Option<&'a clap::Command> {
    let mut words = path.split(' ');
    words.try_fold(root, |command, word| command.find_subcommand(word))
}

/// A flag that another one needs is not there.
fn missing(error: &Error) -> ConfigError {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return other(error);
    };
    let usage = missing.join(" ");
    if usage.starts_with('<') {
        let remedy = "see the --help of the command";
        return ConfigError::new(format!("{usage} is missing"), remedy);
    }
    let remedy = format!("write {usage} too, or leave the other out");
    ConfigError::new("missing, and another flag needs it", remedy)
        .with_flag(Argument::named(&usage).flag)
}

/// The first line of what clap itself would print.
fn other(error: &Error) -> ConfigError {
    let paragraph = error.to_string();
    let line = paragraph.lines().next().unwrap_or_default();
    let problem = line.strip_prefix("error: ").unwrap_or(line).to_owned();
    ConfigError::new(problem, "lb --help shows what is possible")
}

/// An argument as clap names it, `--flag <PLACEHOLDER>`, taken apart.
struct Argument {
    flag: String,
    placeholder: String,
}

impl Argument {
    fn of(error: &Error) -> Self {
        Self::named(text(error, ContextKind::InvalidArg).unwrap_or_default())
    }

    fn named(argument: &str) -> Self {
        let (flag, placeholder) = argument.split_once(" <").unwrap_or((argument, ""));
        let placeholder = placeholder
            .rsplit_once('>')
            .map_or(placeholder, |(name, _)| name);
        Self {
            flag: flag.to_owned(),
            placeholder: placeholder.to_owned(),
        }
    }
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}
