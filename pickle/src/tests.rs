//! Values there and back, and what is refused.

use super::*;

const MAX_BYTES: usize = 65_536;

fn load(pickle: &[u8]) -> Result<Value, Refusal> {
    read(pickle, MAX_BYTES)
}

fn is_malformed(pickle: &[u8]) -> bool {
    matches!(load(pickle), Err(Refusal::Malformed { .. }))
}

fn samples() -> Vec<Value> {
    let big: BigInt = BigInt::from(1) << 70;
    let mut samples = vec![
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::integer(big.clone()),
        Value::integer(-big),
        Value::Float(-1.5),
        Value::Float(f64::INFINITY),
        Value::text("é".repeat(300)),
        Value::Bytes(vec![0, 255]),
        Value::Bytes(vec![7; 70_000]),
        Value::List(vec![]),
        Value::Dict(vec![(
            Value::text("k"),
            Value::List(vec![Value::Null, Value::Tuple(vec![])]),
        )]),
    ];
    let ints = [
        0,
        255,
        256,
        65_535,
        65_536,
        -1,
        i32::MIN.into(),
        i64::MAX,
        i64::MIN,
    ];
    samples.extend(ints.map(Value::Int));
    samples.extend((0..5).map(|len| Value::Tuple(vec![Value::Null; len])));
    samples
}

#[test]
fn values_come_back() {
    for value in samples() {
        let pickle = to_vec(&value);
        assert_eq!(read(&pickle, pickle.len()), Ok(value.clone()));
        assert_eq!(read_opcodes(&to_opcodes(&value)), Ok(value));
    }
}

#[test]
fn another_reader_takes_all_that_is_written() {
    for value in samples() {
        let read = serde_pickle::value_from_slice(&to_vec(&value), Default::default());
        assert!(read.is_ok(), "{value:?}: {read:?}");
    }
}

#[test]
fn opcodes_can_be_part_of_another_pickle() {
    let list = Value::List(vec![Value::Int(0), Value::Int(1), Value::Int(2)]);
    let mut pickle = Vec::new();
    Writer::pickle(&mut pickle, |w| {
        w.dict(|w| w.key("value").opcodes(&to_opcodes(&list)));
    });
    assert_eq!(load(&pickle).unwrap().get("value"), Some(&list));
}

#[test]
fn objects_are_refused_by_name_and_by_call() {
    // os.system, a call of it, and {1} in protocol 2.
    let named: [&[u8]; 3] = [
        b"cos\nsystem\n.",
        b"cos\nsystem\n(S'id'\ntR.",
        b"\x80\x02c__builtin__\nset\nq\x00]q\x01K\x01a\x85q\x02Rq\x03.",
    ];
    for pickle in named {
        assert_eq!(load(pickle), Err(Refusal::Object("GLOBAL")));
    }
    for opcode in [
        b'R', b'i', b'o', b'b', 0x81, 0x92, 0x82, 0x83, 0x84, b'P', b'Q', 0x93, 0x97, 0x98,
    ] {
        let refusal = load(&[b'N', b'N', opcode, b'.']);
        assert!(matches!(refusal, Err(Refusal::Object(_))), "{opcode:#x}");
    }
    let bytearray = b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x00.";
    assert_eq!(load(bytearray), Err(Refusal::Type("bytearray")));
}

#[test]
fn a_pickle_that_contains_itself_is_refused() {
    // l = []; l.append(l)
    assert_eq!(load(b"(lp0\ng0\na."), Err(Refusal::TooDeep));
    assert_eq!(load(b"\x80\x04]\x94h\x00a."), Err(Refusal::TooDeep));
}

#[test]
fn a_pickle_that_doubles_itself_is_refused() {
    let mut pickle = b"\x80\x02]q\x00".to_vec();
    for nth in 0_u8..100 {
        pickle.extend([b'0', b']', b'q', nth + 1, b'h', nth, b'a', b'h', nth, b'a']);
    }
    pickle.push(b'.');
    let refusal = Refusal::TooLarge {
        bytes: MAX_BYTES + 1,
        max_bytes: MAX_BYTES,
    };
    assert_eq!(load(&pickle), Err(refusal));
}

#[test]
fn depth_and_length_are_limited() {
    let deep = |depth: usize| [vec![b']'; depth], vec![b'a'; depth - 1], b".".to_vec()].concat();
    assert!(load(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(load(&deep(MAX_DEPTH + 1)), Err(Refusal::TooDeep));
    assert!(is_malformed(b"B\xff\xff\xff\xffx."));
    assert!(is_malformed(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."));
    let long = |digits: usize| [&b"L"[..], &vec![b'9'; digits], b"L\n."].concat();
    assert!(load(&long(MAX_DIGITS)).is_ok());
    assert_eq!(load(&long(MAX_DIGITS + 1)), Err(Refusal::TooLong));
}

#[test]
fn a_pickle_that_ends_early_or_late_is_malformed() {
    let pickles: [&[u8]; 7] = [
        b"",
        b".",
        b"K\x01",
        b"K\x01.x",
        b"K\x01K\x01.",
        b"(.",
        b"\x80\x06N.",
    ];
    for pickle in pickles {
        assert!(is_malformed(pickle), "{}", pickle.escape_ascii());
    }
    assert_eq!(load(b"}]Ns."), Err(Refusal::Unhashable));
}

#[test]
fn the_place_of_a_fault_is_said() {
    let refusal = load(b"\x80\x04K\x01(.").unwrap_err();
    let text = "invalid pickle before byte 6: the stack is empty";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn texts_of_protocol_0() {
    assert_eq!(
        load(b"V\\u20ac\\u005cx\xe9\np0\n."),
        Ok(Value::text("€\\xé"))
    );
    assert_eq!(load(b"S'a\\'b'\n."), Ok(Value::text("a'b")));
    assert_eq!(load(b"I01\n."), Ok(Value::Bool(true)));
    assert_eq!(load(b"L-5L\n."), Ok(Value::Int(-5)));
    assert_eq!(load(b"F1.5\n."), Ok(Value::Float(1.5)));
}
