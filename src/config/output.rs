//! The access log.

use super::settings::{Scope, Section, within};
use super::{AccessLogFormat, Config, ConfigError, LogFieldName, LogTarget};
use std::num::NonZeroU32;

static SECTION: Section = Section {
    title: "Output",
    scope: Scope::Global,
};

settings! {
    /// The access log.
    #[derive(Clone, Debug)]
    pub(crate) struct OutputSettings in draft.output, section SECTION;

    /// Log of exchanges: off, text or json
    ///
    /// One line each: text is for people, json is one object a line, for programs.
    "access-log" <"off|text|json"> access_log: AccessLogFormat = AccessLogFormat::Off;

    /// Where it goes: stdout, the path of a file, or syslog: with a path or an address
    ///
    /// A path has a slash in it. A file that is renamed is made anew within a second, as logrotate needs
    /// it. syslog:/dev/log is a socket of this machine, syslog:HOST:PORT a server that takes RFC 5424 by
    /// UDP; facility local0, severity info.
    "access-log-to" <"stdout|PATH|syslog:..."> access_log_to: LogTarget = LogTarget::Stdout,
        with { requires: Some("access-log") };

    /// Fields of a line, separated by commas, in the order of docs/access-log.md [default: all]
    ///
    /// The flag can be repeated.
    "access-log-fields" <"FIELD,..."> access_log_fields: Vec<LogFieldName> = Vec::new(),
        with { requires: Some("access-log") };

    /// Log one of so many exchanges that went well
    ///
    /// All others are logged: those that failed, and those with a status from 500.
    "access-log-sample" <"N"> access_log_sample: u32 = 1, check within(1..=1_000_000),
        with { requires: Some("access-log") };
}

impl OutputSettings {
    /// Gives them to a configuration.
    ///
    /// # Errors
    /// A value is out of range.
    pub(super) fn give(&self, config: &mut Config) -> Result<(), ConfigError> {
        let checked = self.clone().checked()?;
        config.access_log = checked.access_log;
        config.access_log_to = checked.access_log_to;
        config.access_log_fields = checked.access_log_fields;
        config.access_log_sample =
            NonZeroU32::new(checked.access_log_sample).unwrap_or(NonZeroU32::MIN);
        Ok(())
    }
}
