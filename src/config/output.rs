//! The access log.

use super::AccessLogFormat;
use super::settings::{Scope, Section};

static SECTION: Section = Section {
    title: "Output",
    scope: Scope::Global,
};

settings! {
    /// The access log.
    #[derive(Clone, Debug)]
    pub(crate) struct OutputSettings in draft.output, section SECTION;

    /// Log of exchanges on stdout: off, text or json
    ///
    /// One line each: text is for people, json is one object a line, for programs.
    "access-log" <"off|text|json"> access_log: AccessLogFormat = AccessLogFormat::Off;
}
