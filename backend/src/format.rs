//! Which of the three formats a client gets, from its `Accept` header.
//!
//! The first media type that names one of them wins: browsers put `text/html` first, and
//! programs name what they want. Quality values are not weighed; `*/*`, as curl sends, or nothing
//! that is known here means plain text.

use crate::answer::Answer;
use crate::{json, page, text};

/// How an answer is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Page,
}

impl Format {
    pub(crate) fn from_accept(accept: &str) -> Self {
        accept
            .split(',')
            .find_map(Self::from_media_range)
            .unwrap_or(Format::Text)
    }

    fn from_media_range(range: &str) -> Option<Self> {
        let media = range.split(';').next().unwrap_or(range).trim();
        [
            ("text/html", Format::Page),
            ("application/json", Format::Json),
            ("text/plain", Format::Text),
        ]
        .into_iter()
        .find_map(|(name, format)| media.eq_ignore_ascii_case(name).then_some(format))
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; charset=utf-8",
            Format::Json => "application/json",
            Format::Page => "text/html; charset=utf-8",
        }
    }

    /// Writes the answer of the server called `server`.
    pub(crate) fn write(self, answer: &Answer, server: &str) -> String {
        match self {
            Format::Text => text::write(answer, server),
            Format::Json => json::write(answer, server),
            Format::Page => page::write(answer, server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_media_type_wins() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(Format::from_accept(browser), Format::Page);
        assert_eq!(Format::from_accept("application/json"), Format::Json);
        assert_eq!(
            Format::from_accept("image/png, Application/JSON;q=0.5"),
            Format::Json
        );
        assert_eq!(Format::from_accept("text/plain, text/html"), Format::Text);
        assert_eq!(Format::from_accept("*/*"), Format::Text);
        assert_eq!(Format::from_accept(""), Format::Text);
    }
}
