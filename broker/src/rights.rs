//! Owns who may publish and subscribe where: tokens and their topics, read from TOML. Keeps digests
//! of tokens only, so a comparison tells nothing by its time and a dump of memory no token.

use crate::topic::{Topic, TopicLimits, is_at_or_below};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// The topics that a connection may use, each with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    publish: Vec<Box<str>>,
    subscribe: Vec<Box<str>>,
}

impl Rights {
    /// Everything, the broker's own topics included.
    #[must_use]
    pub fn all() -> Self {
        let everywhere = || vec!["".into(), crate::topic::OWN.into()];
        Self {
            publish: everywhere(),
            subscribe: everywhere(),
        }
    }

    /// Reports the right to publish to a topic.
    #[must_use]
    pub fn may_publish(&self, key: &str) -> bool {
        allows(&self.publish, key)
    }

    /// Reports the right to subscribe to a topic, to read its last value and to see it listed.
    #[must_use]
    pub fn may_subscribe(&self, key: &str) -> bool {
        allows(&self.subscribe, key)
    }
}

fn allows(prefixes: &[Box<str>], key: &str) -> bool {
    prefixes.iter().any(|prefix| is_at_or_below(key, prefix))
}

/// The tokens that are known, and what a connection without one may do.
#[derive(Clone, Debug)]
pub struct AccessRules {
    tokens: HashMap<[u8; 32], Arc<Rights>>,
    anonymous: Option<Arc<Rights>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<TokenEntry>,
    anonymous: Option<RightsEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    secret: String,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RightsEntry {
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
}

impl AccessRules {
    /// No tokens: every connection may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self {
            tokens: HashMap::new(),
            anonymous: Some(Arc::new(Rights::all())),
        }
    }

    /// Reads rules from the text of a file: `[[token]]` tables with `secret`, `publish` and
    /// `subscribe`, and an optional `[anonymous]` table.
    ///
    /// # Errors
    /// A sentence that says which entry is wrong; it never repeats a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The message of toml alone: its display would show the line, and with it a secret.
        let file: File = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| {
                text.get(..span.start).map_or(0, |t| t.lines().count())
            });
            format!("line {}: {}", line.max(1), e.message())
        })?;
        let mut tokens = HashMap::new();
        for (nth, entry) in file.token.into_iter().enumerate() {
            if !is_token(&entry.secret) {
                return Err(format!(
                    "token {}: a secret is 1 to 256 visible ASCII characters",
                    nth + 1
                ));
            }
            let rights = rights(&entry.publish, &entry.subscribe)
                .map_err(|error| format!("token {}: {error}", nth + 1))?;
            if tokens
                .insert(digest(&entry.secret), Arc::new(rights))
                .is_some()
            {
                return Err(format!("token {}: this secret is there twice", nth + 1));
            }
        }
        let anonymous = match file.anonymous {
            Some(entry) => Some(Arc::new(
                rights(&entry.publish, &entry.subscribe)
                    .map_err(|error| format!("anonymous: {error}"))?,
            )),
            None => None,
        };
        Ok(Self { tokens, anonymous })
    }

    /// The rights of a connection with this token, or without one. None if it may not connect.
    #[must_use]
    pub fn rights_of(&self, token: Option<&str>) -> Option<Arc<Rights>> {
        match token {
            Some(token) if !self.tokens.is_empty() => self.tokens.get(&digest(token)).cloned(),
            // Without any token to compare with, a client that sends one is as good as any.
            _ => self.anonymous.clone(),
        }
    }
}

fn rights(publish: &[String], subscribe: &[String]) -> Result<Rights, String> {
    Ok(Rights {
        publish: keys(publish)?,
        subscribe: keys(subscribe)?,
    })
}

/// The keys of topics: one that can never be published to would be a right to nothing.
fn keys(topics: &[String]) -> Result<Vec<Box<str>>, String> {
    // How long topics may be is not said here.
    let limits = TopicLimits {
        max_bytes: usize::MAX,
        max_depth: usize::MAX,
    };
    let key = |text: &String| match Topic::parse(text, &limits) {
        Ok(topic) => Ok(topic.key().into()),
        Err(refusal) => Err(refusal.text.into_owned()),
    };
    topics.iter().map(key).collect()
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A token stands between spaces in the announcement.
fn is_token(secret: &str) -> bool {
    (1..=256).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[token]]
        secret = "station"
        publish = ["/weather"]

        [[token]]
        secret = "admin"
        publish = ["/"]
        subscribe = ["/", "$broker"]

        [anonymous]
        subscribe = ["weather/temperature"]
    "#;

    #[test]
    fn rights_are_by_whole_segments() {
        let rules = AccessRules::parse(FILE).unwrap();
        let station = rules.rights_of(Some("station")).unwrap();
        assert!(station.may_publish("weather/wind"));
        assert!(!station.may_publish("weathers"));
        assert!(!station.may_subscribe("weather"));
        let anonymous = rules.rights_of(None).unwrap();
        assert!(anonymous.may_subscribe("weather/temperature/in"));
        assert!(!anonymous.may_subscribe("weather"));
        let admin = rules.rights_of(Some("admin")).unwrap();
        assert!(admin.may_subscribe("$broker/uptime") && admin.may_subscribe(""));
        assert!(rules.rights_of(Some("wrong")).is_none());
    }

    #[test]
    fn without_an_anonymous_table_a_token_is_needed() {
        let rules = AccessRules::parse("[[token]]\nsecret = \"x\"").unwrap();
        assert!(rules.rights_of(None).is_none());
        assert!(AccessRules::open().rights_of(Some("any")).is_some());
    }

    #[test]
    fn the_example_of_the_readme_is_read() {
        let readme = include_str!("../README.md");
        let example = readme
            .split("```toml")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let rules = AccessRules::parse(example.unwrap()).unwrap();
        assert!(
            rules
                .rights_of(Some("s3cr3t"))
                .unwrap()
                .may_publish("weather/wind")
        );
        assert!(rules.rights_of(None).unwrap().may_subscribe("weather"));
    }

    #[test]
    fn mistakes_are_named_and_secrets_are_not() {
        for text in [
            "[[token]]\nsecret = \"s3cr3t\"\npublsh = []",
            "[[token]]\nsecret = \"s3cr3t two\"",
            "[[token]]\nsecret = \"s3cr3t\"\n[[token]]\nsecret = \"s3cr3t\"",
            "[[token]]\nsecret = s3cr3t",
            // Neither would ever match.
            "[[token]]\nsecret = \"s3cr3t\"\npublish = [\"/weather/\"]",
            "[anonymous]\nsubscribe = [\"/weather//wind\"]",
        ] {
            let error = AccessRules::parse(text).unwrap_err();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
