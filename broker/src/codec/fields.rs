//! Owns the fields of a request before they are known to make sense together. All formats share it,
//! so all refuse the same with the same sentence.

use super::{Body, Payload, Request};
use crate::error::{Code, Refusal};

/// A verb, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Subscribe,
    Cancel,
    Publish,
    List,
    Get,
    Subscribers,
    Ping,
    Pong,
}

const METHODS: [(&str, Method); 8] = [
    ("publish", Method::Publish),
    ("subscribe", Method::Subscribe),
    ("cancel", Method::Cancel),
    ("list", Method::List),
    ("get", Method::Get),
    ("subscribers", Method::Subscribers),
    ("ping", Method::Ping),
    ("pong", Method::Pong),
];

/// A field, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Method,
    Topic,
    Value,
    Id,
    Retain,
    RetainSubtree,
}

impl Field {
    /// The field of this name.
    ///
    /// # Errors
    /// There is none. A misspelled option must not be one that is silently off.
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        Ok(match name {
            "method" => Self::Method,
            "topic" => Self::Topic,
            "value" => Self::Value,
            "id" => Self::Id,
            "retain" => Self::Retain,
            "retain_subtree" => Self::RetainSubtree,
            _ => return Err(Refusal::malformed(format!("unknown field {}", shown(name)))),
        })
    }
}

/// A text of a peer, cut short enough for a reply.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let mut short: String = text.chars().take(MAX_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    format!("{short:?}")
}

/// The fields that were found.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    method: Option<Method>,
    pub(crate) topic: Option<String>,
    pub(crate) value: Option<Payload>,
    pub(crate) id: Option<u64>,
    pub(crate) retain: Option<bool>,
    pub(crate) retain_subtree: Option<bool>,
}

impl Fields {
    pub(crate) fn set_method(&mut self, name: &str) -> Result<(), Refusal> {
        let found = METHODS.iter().find(|(known, _)| *known == name);
        let Some((_, method)) = found else {
            return Err(Refusal::malformed(format!(
                "unknown method {}",
                shown(name)
            )));
        };
        self.method = Some(*method);
        Ok(())
    }

    /// Sets the value, if it is not too large.
    pub(crate) fn set_value(&mut self, value: Payload, max_bytes: usize) -> Result<(), Refusal> {
        if value.len() > max_bytes {
            return Err(too_large(value.len(), max_bytes));
        }
        self.value = Some(value);
        Ok(())
    }

    /// The request these fields make.
    ///
    /// # Errors
    /// The method or a field of it is missing, or one is there that it does not have.
    pub(crate) fn request(mut self) -> Result<Request, Refusal> {
        let Some(method) = self.method else {
            return Err(Refusal::malformed("the field \"method\" is missing"));
        };
        let id = self.id.take();
        let body = match method {
            Method::Subscribe => Body::Subscribe {
                topic: self.topic()?,
                retain_subtree: self.retain_subtree.take().unwrap_or(false),
            },
            Method::Cancel => Body::Cancel {
                topic: self.topic()?,
            },
            Method::Publish => Body::Publish {
                topic: self.topic()?,
                value: self.value.take(),
                retain: self.retain.take().unwrap_or(true),
            },
            Method::List => Body::List,
            Method::Get => Body::Get {
                topic: self.topic()?,
            },
            Method::Subscribers => Body::Subscribers {
                topic: self.topic()?,
            },
            Method::Ping => Body::Ping,
            Method::Pong => Body::Pong,
        };
        self.nothing_left(method)?;
        Ok(Request { id, body })
    }

    fn topic(&mut self) -> Result<String, Refusal> {
        let topic = self.topic.take();
        topic.ok_or_else(|| Refusal::malformed("the field \"topic\" is missing"))
    }

    fn nothing_left(&self, method: Method) -> Result<(), Refusal> {
        let name = METHODS.iter().find(|(_, known)| *known == method);
        let name = name.map_or("", |(name, _)| name);
        let left = [
            (self.topic.is_some(), "topic"),
            (self.value.is_some(), "value"),
            (self.retain.is_some(), "retain"),
            (self.retain_subtree.is_some(), "retain_subtree"),
        ];
        match left.iter().find(|(is_left, _)| *is_left) {
            None => Ok(()),
            Some((_, field)) => Err(Refusal::malformed(format!("{name} has no field {field:?}"))),
        }
    }
}

/// The refusal of a value of `bytes`.
pub(crate) fn too_large(bytes: usize, max_bytes: usize) -> Refusal {
    let text = format!("the value takes {bytes} bytes, at most {max_bytes} are allowed");
    Refusal::new(Code::TooLarge, text)
}
