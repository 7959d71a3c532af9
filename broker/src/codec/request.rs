//! Owns the messages that clients send. Knows no format.

use super::Payload;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Repeated in the reply; a publication is acknowledged only if it has one.
    pub id: Option<u64>,
    /// The request.
    pub body: Body,
}

/// The verbs. Topics are texts here: their limits are the broker's concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Asks for publications to a topic and below it.
    Subscribe {
        /// The topic.
        topic: String,
        /// Asks for the last values below the topic too.
        retain_subtree: bool,
    },
    /// Ends a subscription.
    Cancel {
        /// The topic, as it was subscribed to.
        topic: String,
    },
    /// Publishes a value.
    Publish {
        /// The topic.
        topic: String,
        /// None clears the last value.
        value: Option<Payload>,
        /// Keeps the value as the last one. True unless said otherwise.
        retain: bool,
    },
    /// Asks for the topics that have a last value.
    List,
    /// Asks for the last value of a topic.
    Get {
        /// The topic.
        topic: String,
    },
    /// Asks which connections a publication to the topic would reach.
    Subscribers {
        /// The topic.
        topic: String,
    },
    /// Asks for a pong.
    Ping,
    /// A sign of life.
    Pong,
}
