use super::*;
use crate::strategy::Rng;

fn key(byte: u8) -> HeartbeatKey {
    HeartbeatKey::new(&[byte; 32]).unwrap()
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        name: SenderName::new("web1").unwrap(),
        address: Some("10.0.0.1:80".parse().unwrap()),
        interval: Duration::from_secs(1),
        load: Load::new(0.25),
        process: Some(ProcessState::Alive),
        sent_at: Duration::from_micros(0x0102_0304_0506_0708),
    }
}

#[test]
fn the_layout_is_that_of_the_table() {
    let expected = [
        b"LBHB\x01\x01".as_slice(),
        &[0x09, 0xc4],
        &[0, 0, 0x03, 0xe8],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        b"\x04web1\x00\x0b10.0.0.1:80",
    ]
    .concat();
    assert_eq!(heartbeat().encode(None), expected);
    let signed = heartbeat().encode(Some(&key(1)));
    assert_eq!(signed[..expected.len()], expected);
    assert_eq!(signed.len(), expected.len() + TAG_BYTES);
}

#[test]
fn encoded_message_is_decoded() {
    for key in [None, Some(&key(1))] {
        for process in [None, Some(ProcessState::Alive), Some(ProcessState::Dead)] {
            for load in [None, Load::new(0.0), Load::new(1.0)] {
                for address in [None, Some("unix:/run/app".parse().unwrap())] {
                    let heartbeat = Heartbeat {
                        address,
                        load,
                        process,
                        ..heartbeat()
                    };
                    let bytes = heartbeat.encode(key);
                    assert_eq!(Heartbeat::decode(&bytes, key), Ok(heartbeat));
                }
            }
        }
    }
}

#[test]
fn the_longest_message_fits_and_one_byte_more_does_not() {
    let host = [
        "x".repeat(63),
        "y".repeat(63),
        "z".repeat(63),
        "w".repeat(61),
    ]
    .join(".");
    let longest = Heartbeat {
        name: SenderName::new(&"n".repeat(64)).unwrap(),
        address: Some(format!("{host}:65535").parse().unwrap()),
        ..heartbeat()
    };
    let key = key(1);
    let bytes = longest.encode(Some(&key));
    assert!(bytes.len() <= MAX_BYTES, "{}", bytes.len());
    assert_eq!(Heartbeat::decode(&bytes, Some(&key)), Ok(longest));
    let endless = [heartbeat().encode(None), vec![0; MAX_BYTES]].concat();
    assert_eq!(
        Heartbeat::decode(&endless, None),
        Err(HeartbeatRefusal::Malformed)
    );
}

#[test]
fn no_part_of_a_message_is_one() {
    for key in [None, Some(&key(1))] {
        let bytes = heartbeat().encode(key);
        for length in 0..bytes.len() {
            assert!(
                Heartbeat::decode(&bytes[..length], key).is_err(),
                "{length}"
            );
        }
        let longer = [bytes, vec![0]].concat();
        assert!(Heartbeat::decode(&longer, key).is_err());
    }
}

#[test]
fn with_a_key_no_byte_can_be_changed() {
    let key = key(1);
    let bytes = heartbeat().encode(Some(&key));
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let refusal = Heartbeat::decode(&changed, Some(&key)).unwrap_err();
            let expected = match at {
                0..4 => HeartbeatRefusal::Malformed,
                4 => HeartbeatRefusal::Version,
                _ => HeartbeatRefusal::WrongTag,
            };
            assert_eq!(refusal, expected, "byte {at}");
        }
    }
}

#[test]
fn missing_key_and_wrong_key_are_distinguished() {
    let bytes = heartbeat().encode(None);
    let ours = key(1);
    assert_eq!(
        Heartbeat::decode(&bytes, Some(&ours)),
        Err(HeartbeatRefusal::Untagged)
    );
    let signed = heartbeat().encode(Some(&key(2)));
    assert_eq!(
        Heartbeat::decode(&signed, Some(&ours)),
        Err(HeartbeatRefusal::WrongTag)
    );
    assert_eq!(
        Heartbeat::decode(&signed, None),
        Ok(heartbeat()),
        "keys come to senders first"
    );
}

#[test]
fn another_version_is_recognised() {
    let mut bytes = heartbeat().encode(None);
    bytes[4] = 2;
    assert_eq!(
        Heartbeat::decode(&bytes, None),
        Err(HeartbeatRefusal::Version)
    );
}

#[test]
fn values_that_none_can_have_are_refused() {
    for (at, value) in [
        (5, vec![3]),
        (6, vec![0x27, 0x11]),
        (8, vec![0, 0, 0, 99]),
        (8, vec![0, 0, 0xea, 0x61]),
        (20, vec![0]),
        (20, vec![65]),
        (21, vec![b' ']),
        (21, vec![0xff]),
        (27, vec![b':']),
    ] {
        let mut bytes = heartbeat().encode(None);
        bytes[at..at + value.len()].copy_from_slice(&value);
        assert_eq!(
            Heartbeat::decode(&bytes, None),
            Err(HeartbeatRefusal::Malformed),
            "{value:?} at {at}"
        );
    }
}

#[test]
fn whatever_is_read_is_written_the_same() {
    let mut rng = Rng::new(1);
    let mut read = 0;
    for _ in 0..200_000 {
        let mut bytes = heartbeat().encode(None);
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len());
            bytes[at] = rng.next() as u8;
        }
        bytes.truncate(bytes.len() - rng.below(40).saturating_sub(36));
        if let Ok(heartbeat) = Heartbeat::decode(&bytes, None) {
            read += 1;
            let again = heartbeat.encode(None);
            assert_eq!(Heartbeat::decode(&again, None), Ok(heartbeat));
        }
    }
    assert!(read > 20_000, "{read}");
}
