//! The cost of a timeout: armed and ended, and moved on by every event.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lb::internal::timers::{Deadline, Fired, Wheel};
use lb::time::Timestamp;
use std::hint::black_box;
use std::time::Duration;

/// Connections with a timeout each.
const OWNERS: u32 = 10_000;

/// Each owner's timeout is armed, spread over ten seconds, and comes out in its time.
fn arm_and_expire(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    group.throughput(Throughput::Elements(u64::from(OWNERS)));
    let mut now = Timestamp::ZERO;
    let mut wheel = Wheel::new(now);
    let mut due = Vec::with_capacity(OWNERS as usize);
    group.bench_function("arm_and_expire_10k", |b| {
        b.iter(|| {
            due.clear();
            for owner in 0..OWNERS {
                wheel.arm(owner, now + Duration::from_millis(u64::from(owner)));
            }
            while let Some(wakeup) = wheel.next_wakeup() {
                now = now.max(wakeup);
                wheel.expire(now, &mut due);
            }
            assert_eq!(due.len(), OWNERS as usize);
        });
    });
    group.finish();
}

/// Every event moves its owner's deadline; the wheel turns, and hands out what was armed first.
fn set_lazily(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    group.throughput(Throughput::Elements(u64::from(OWNERS)));
    let timeout = Duration::from_secs(60);
    let mut now = Timestamp::ZERO;
    let mut wheel = Wheel::new(now);
    let mut deadlines = vec![Deadline::new(); OWNERS as usize];
    let mut due = Vec::new();
    group.bench_function("set_lazily_10k", |b| {
        b.iter(|| {
            for (owner, deadline) in deadlines.iter_mut().enumerate() {
                now = now + Duration::from_micros(1);
                if let Some(at) = deadline.set(black_box(now + timeout)) {
                    wheel.arm(owner, at);
                }
            }
            wheel.expire(now, &mut due);
            for owner in due.drain(..) {
                let fired = deadlines.get_mut(owner).map(|deadline| deadline.fired(now));
                if let Some(Fired::Rearm(at)) = fired {
                    wheel.arm(owner, at);
                }
            }
            assert_eq!(wheel.len(), OWNERS as usize, "one entry an owner");
        });
    });
    group.finish();
}

criterion_group!(benches, arm_and_expire, set_lazily);
criterion_main!(benches);
