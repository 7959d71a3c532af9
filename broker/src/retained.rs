//! Owns the last values: one for each topic, within limits on their number and bytes. Knows nothing
//! of subscriptions; whether a topic may be written is asked before.

use crate::codec::Payload;
use crate::error::{Code, Refusal};
use crate::topic::Topic;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Bytes that a topic takes besides its texts and value: nodes of the map and allocations.
const OVERHEAD: usize = 128;

/// A last value, under the spelling of its publisher.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) text: Box<str>,
    pub(crate) payload: Payload,
}

/// Last values by key.
#[derive(Debug)]
pub(crate) struct RetainedValues {
    values: BTreeMap<Box<str>, Retained>,
    bytes: usize,
    max_topics: usize,
    max_bytes: usize,
}

impl RetainedValues {
    pub(crate) const fn new(max_topics: usize, max_bytes: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            bytes: 0,
            max_topics,
            max_bytes,
        }
    }

    /// Reports if a value of this topic could be kept.
    ///
    /// # Errors
    /// [`Code::Limit`] with the limit that is reached.
    pub(crate) fn check(&self, topic: &Topic, payload: &Payload) -> Result<(), Refusal> {
        let old = self.values.get(topic.key());
        if old.is_none() && self.values.len() >= self.max_topics {
            let text = format!(
                "there are {} topics already, the most allowed",
                self.values.len()
            );
            return Err(Refusal::new(Code::Limit, text));
        }
        let freed = old.map_or(0, |old| cost(topic.key(), old));
        let after = self.bytes - freed + price(topic, payload);
        if after > self.max_bytes {
            let text = format!(
                "last values would take {after} bytes, at most {} are allowed",
                self.max_bytes
            );
            return Err(Refusal::new(Code::Limit, text));
        }
        Ok(())
    }

    /// Keeps a value, over the one before it. The caller has checked that there is room.
    pub(crate) fn set(&mut self, topic: &Topic, payload: Payload) {
        if let Some(old) = self.values.get_mut(topic.key()) {
            self.bytes = self.bytes - cost(topic.key(), old) + price(topic, &payload);
            if &*old.text != topic.text() {
                old.text = topic.text().into();
            }
            old.payload = payload;
            return;
        }
        self.bytes += price(topic, &payload);
        let text = topic.text().into();
        self.values
            .insert(topic.key().into(), Retained { text, payload });
    }

    /// Forgets the value of a topic. Reports if there was one.
    pub(crate) fn clear(&mut self, key: &str) -> bool {
        match self.values.remove(key) {
            Some(old) => {
                self.bytes -= cost(key, &old);
                true
            }
            None => false,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Retained> {
        self.values.get(key)
    }

    /// The values below a topic, itself not included, in the order of their keys.
    pub(crate) fn below(&self, key: &str) -> impl Iterator<Item = (&str, &Retained)> {
        // With a slash behind it, so that of "temp-2" and "temp/in" only the latter is looked at.
        // Below the root is everything, as the broker's own topics have no last values here.
        let prefix = if key.is_empty() {
            String::new()
        } else {
            format!("{key}/")
        };
        self.values
            .range::<str, _>((Bound::Included(&*prefix), Bound::Unbounded))
            .take_while(move |(other, _)| other.starts_with(&*prefix))
            .map(|(other, retained)| (&**other, retained))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Retained)> {
        self.values.iter().map(|(key, retained)| (&**key, retained))
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn price(topic: &Topic, payload: &Payload) -> usize {
    topic.key().len() + topic.text().len() + payload.len() + OVERHEAD
}

fn cost(key: &str, retained: &Retained) -> usize {
    key.len() + retained.text.len() + retained.payload.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicLimits;
    use crate::value::Value;

    fn topic(text: &str) -> Topic {
        Topic::parse(text, &TopicLimits::default()).unwrap()
    }

    #[test]
    fn limits_hold_and_give_room_back() {
        let value = Payload::of(&Value::Int(1));
        let one = price(&topic("a"), &value);
        let mut values = RetainedValues::new(2, 2 * one);
        for text in ["a", "b"] {
            values.check(&topic(text), &value).unwrap();
            values.set(&topic(text), value.clone());
        }
        assert_eq!(
            values.check(&topic("c"), &value).unwrap_err().code,
            Code::Limit
        );
        let larger = Payload::of(&Value::Int(1 << 20));
        assert_eq!(
            values.check(&topic("a"), &larger).unwrap_err().code,
            Code::Limit
        );
        values.check(&topic("a"), &value).unwrap();
        assert!(values.clear("a"));
        assert!(!values.clear("a"));
        values.check(&topic("c"), &value).unwrap();
        assert!(values.clear("b"));
        assert_eq!((values.len(), values.bytes()), (0, 0));
    }

    #[test]
    fn the_subtree_is_whole_segments() {
        let mut values = RetainedValues::new(10, 10_000);
        for text in [
            "temp",
            "temp-2",
            "temp/in",
            "temp/in/deep",
            "temperature",
            "/temp/out",
        ] {
            values.set(&topic(text), Payload::of(&Value::Null));
        }
        let below: Vec<_> = values.below("temp").map(|(_, r)| &*r.text).collect();
        assert_eq!(below, ["temp/in", "temp/in/deep", "/temp/out"]);
        assert_eq!(values.below("").count(), 6);
    }
}
