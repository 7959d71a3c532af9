//! The reader of pickles: bounded, agreed with by another reader, and undone by the writer.

use crate::random::Random;
use crate::{corpus, mutate};
use lb_pickle::{BigInt, Value, read, read_opcodes, to_opcodes, to_vec};

/// Fragments of pickles.
const WORDS: &[&[u8]] = &[
    b"(",
    b".",
    b"0",
    b"1",
    b"2",
    b"N",
    b"\x88",
    b"I01\n",
    b"L5L\n",
    b"K\x01",
    b"J\xff\xff\xff\xff",
    b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x40",
    b"]",
    b"a",
    b"e",
    b"l",
    b")",
    b"t",
    b"\x85",
    b"\x86",
    b"}",
    b"s",
    b"u",
    b"d",
    b"q\x00",
    b"h\x00",
    b"h\x01",
    b"\x94",
    b"p0\n",
    b"g0\n",
    b"S'a'\n",
    b"Va\\u20ac\n",
    b"cos\nsystem\n",
    b"R",
    b"b",
    b"F1.5\n",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"X\x01\x00\x00\x00a",
    b"\x8c\x01a",
    b"T\x01\x00\x00\x00a",
    b"C\x01a",
    b"\x80\x05",
    b"\x95\x01\x00\x00\x00\x00\x00\x00\x00",
    b"\n",
];

/// Bytes that values may expand to.
const MAX_BYTES: usize = 1 << 16;

/// Tries the case of one seed.
pub fn attack(seed: u64) {
    let mut random = Random::new(seed);
    let input = mutate::mutated(&mut random, corpus::pickles(), WORDS);
    let less = random.below(input.len() + 1);
    let Ok(value) = read(&input, MAX_BYTES) else {
        assert!(read(&input, less).is_err(), "a lower limit allows more");
        return;
    };
    compare(&value, &input);
    let pickle = to_vec(&value);
    assert!(same(&read(&pickle, pickle.len()).expect("our own"), &value));
    let opcodes = to_opcodes(&value);
    assert!(same(&read_opcodes(&opcodes).expect("our own"), &value));
    // Written alone and without sharing, a value has the length that the limit counts, or more.
    assert!(opcodes.len() <= 16 * MAX_BYTES, "{} bytes", opcodes.len());
}

/// Another reader finds the same value, unless it refuses: it is stricter about what follows a
/// memo, and knows no raw escapes.
fn compare(ours: &Value, input: &[u8]) {
    let options = serde_pickle::DeOptions::new().decode_strings();
    if let Ok(theirs) = serde_pickle::value_from_slice(input, options) {
        assert!(agree(ours, &theirs), "{ours:?} is not {theirs:?}");
    }
}

fn agree(ours: &Value, theirs: &serde_pickle::Value) -> bool {
    use serde_pickle::Value as Other;
    match (ours, theirs) {
        (Value::Null, Other::None) => true,
        (Value::Bool(a), Other::Bool(b)) => a == b,
        (Value::Int(a), Other::I64(b)) => a == b,
        (Value::Int(a), Other::Int(b)) => BigInt::from(*a) == *b,
        (Value::Big(a), Other::Int(b)) => **a == *b,
        (Value::Float(a), Other::F64(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Text(a), Other::String(b)) => a == b,
        (Value::Bytes(a), Other::Bytes(b)) => a == b,
        (Value::List(a), Other::List(b)) | (Value::Tuple(a), Other::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b))
        }
        // Keys are sorted and equal ones joined over there.
        (Value::Dict(a), Other::Dict(b)) => b.len() <= a.len(),
        _ => false,
    }
}

/// Equality, with NaN equal to itself: opcodes are as many as the values, in their order.
fn same(a: &Value, b: &Value) -> bool {
    to_opcodes(a) == to_opcodes(b)
}
