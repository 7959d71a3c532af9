//! What can be seen of the balancer: records, access log, counters, summary.

mod record;

pub use record::Record;
