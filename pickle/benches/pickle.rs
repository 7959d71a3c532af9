//! Cost of reading and writing one pickle: a message of the ring, and a list of a megabyte.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has to stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lb_pickle::{Value, read, to_vec};
use std::hint::black_box;

fn call() -> Value {
    let pair = |key: &str, value| (Value::text(key), value);
    let from = Value::Tuple(vec![Value::text("localhost"), Value::Int(5000)]);
    let value = Value::List((0..3).map(Value::Int).collect());
    let args = [
        pair("key", Value::text("A")),
        pair("value", value),
        pair("from", from),
    ];
    Value::Dict(vec![
        pair("method", Value::text("PUT")),
        pair("args", Value::Dict(args.into())),
    ])
}

fn pickles(c: &mut Criterion) {
    let long = Value::List((0..200_000).map(|nth| Value::Int(nth * 1000)).collect());
    for (name, value) in [("call", call()), ("list", long)] {
        let pickle = to_vec(&value);
        assert_eq!(read(&pickle, pickle.len()), Ok(value.clone()));
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(pickle.len() as u64));
        group.bench_function("read", |b| {
            b.iter(|| read(black_box(&pickle), pickle.len()).unwrap());
        });
        group.bench_function("write", |b| b.iter(|| to_vec(black_box(&value))));
        group.finish();
    }
}

criterion_group!(benches, pickles);
criterion_main!(benches);
