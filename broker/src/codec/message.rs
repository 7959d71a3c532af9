//! Owns messages to be written, in a shape that each format writes in its own way: a method,
//! scalars, and at most one kind of content. The broker's replies and the requests of the command
//! line are both of this shape. Knows no format.

use super::{Format, Payload};
use crate::error::Refusal;

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    /// Text.
    Text(&'a str),
    /// A count or a size.
    Number(u64),
    /// A truth value.
    Flag(bool),
}

/// A connection that a topic reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberEntry {
    /// The name it announced, or its address.
    pub client: String,
    /// Its format.
    pub format: Format,
    /// The topic it subscribed to: the one asked for, or one above.
    pub topic: String,
}

/// The content of a message.
#[derive(Clone, Copy, Debug)]
pub enum Children<'a> {
    /// None.
    None,
    /// `value`.
    Value(&'a Payload),
    /// `topics`.
    Topics(&'a [String]),
    /// `subscribers`.
    Subscribers(&'a [SubscriberEntry]),
}

/// A message to be written.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The kind of message; the name of the element in XML.
    pub method: &'static str,
    /// Fields in the order they are written.
    pub scalars: Vec<(&'static str, Scalar<'a>)>,
    /// What comes after them.
    pub children: Children<'a>,
}

impl<'a> Message<'a> {
    /// A message without fields.
    #[must_use]
    pub const fn new(method: &'static str) -> Self {
        Self {
            method,
            scalars: Vec::new(),
            children: Children::None,
        }
    }

    /// With a field of text.
    #[must_use]
    pub fn text(mut self, name: &'static str, text: &'a str) -> Self {
        self.scalars.push((name, Scalar::Text(text)));
        self
    }

    /// With a number.
    #[must_use]
    pub fn number(mut self, name: &'static str, number: u64) -> Self {
        self.scalars.push((name, Scalar::Number(number)));
        self
    }

    /// With a flag that is set; one that is not is left out.
    #[must_use]
    pub fn flag(mut self, name: &'static str, is_set: bool) -> Self {
        if is_set {
            self.scalars.push((name, Scalar::Flag(true)));
        }
        self
    }

    /// With the id of the request, if it had one.
    #[must_use]
    pub fn id(self, id: Option<u64>) -> Self {
        match id {
            Some(id) => self.number("id", id),
            None => self,
        }
    }

    /// With content.
    #[must_use]
    pub const fn children(mut self, children: Children<'a>) -> Self {
        self.children = children;
        self
    }

    /// A publication, as consumers get it.
    #[must_use]
    pub fn delivery(topic: &'a str, value: Option<&'a Payload>, retained: bool) -> Self {
        let children = value.map_or(Children::None, Children::Value);
        Self::new("message")
            .text("topic", topic)
            .flag("retained", retained)
            .flag("cleared", value.is_none())
            .children(children)
    }

    /// A refusal.
    #[must_use]
    pub fn error(refusal: &'a Refusal, id: Option<u64>) -> Self {
        Self::new("error")
            .id(id)
            .text("code", refusal.code.name())
            .text("text", &refusal.text)
    }
}
