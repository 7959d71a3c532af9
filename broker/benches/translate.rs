//! Reading a request and writing it as a delivery, for each pair of formats.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lb_broker::codec::{
    Body, Children, Format, Message, Payload, read_message, read_request, read_value, write_message,
};
use lb_broker::value::Value;
use std::hint::black_box;

const VALUE: &str =
    r#"{"station":"north","readings":[18.5,21,19.25,null],"ok":true,"id":1180591620717411303424}"#;

fn request(format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(value) = read_value(Format::Json, VALUE.as_bytes(), usize::MAX) {
        let payload = Payload::of(&value);
        let message = Message::new("publish").text("topic", "/weather/wind");
        let message = message.children(Children::Value(&payload));
        assert!(write_message(format, &message, &mut bytes).is_ok());
    }
    bytes
}

/// Reports a delivery with the value that was published.
fn carries_the_value(format: Format, delivery: &[u8]) -> bool {
    let Ok(Value::Dict(fields)) = read_message(format, delivery) else {
        return false;
    };
    let value = fields
        .into_iter()
        .find(|(name, _)| *name == Value::text("value"));
    value.map(|(_, value)| value) == read_value(Format::Json, VALUE.as_bytes(), usize::MAX).ok()
}

fn translate(criterion: &mut Criterion) {
    for from in Format::ALL {
        let frame = request(from);
        for to in Format::ALL {
            let mut group = criterion.benchmark_group(format!("{from} to {to}"));
            group.throughput(Throughput::Bytes(frame.len() as u64));
            let mut out = Vec::new();
            group.bench_function("message", |bencher| {
                bencher.iter(|| {
                    let read = read_request(from, black_box(&frame), 1 << 20);
                    let Ok(Body::Publish { topic, value, .. }) = read.map(|request| request.body)
                    else {
                        unreachable!("it is a publication")
                    };
                    out.clear();
                    let message = Message::delivery(&topic, value.as_ref(), false);
                    assert!(write_message(to, &message, &mut out).is_ok());
                    out.len()
                });
            });
            group.finish();
            assert!(carries_the_value(to, &out), "{from} to {to}");
        }
    }
}

criterion_group!(benches, translate);
criterion_main!(benches);
