//! Finding the route of a request among 1, 100 and 10,000 routes: the cost is that of the request's
//! host and path, not of the number of routes.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::internal::route::{Host, HostPattern, PathPattern, Pattern, Request, RouteTable};
use lb::internal::route::{normal_host, normal_path};
use std::borrow::Cow;
use std::hint::black_box;
use std::net::IpAddr;

/// A request for a host and a path.
struct Asked<'a> {
    host: Host<'a>,
    path: Cow<'a, [u8]>,
}

impl Request for Asked<'_> {
    fn host(&self) -> &Host<'_> {
        &self.host
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn field(&self, _: &[u8]) -> Option<&[u8]> {
        None
    }

    fn client(&self) -> Option<IpAddr> {
        None
    }
}

/// Ten paths of each host, as many hosts as it takes.
fn table(routes: usize) -> RouteTable<usize> {
    let mut table = RouteTable::default();
    for number in 0..routes {
        let host = format!("site-{}.example.com", number / 10);
        let path = format!("/service-{}/v1", number % 10);
        let pattern = Pattern {
            host: HostPattern::Exact(host.into_bytes().into()),
            path: PathPattern::Prefix(path.into_bytes().into()),
            ..Pattern::default()
        };
        table.add(pattern, number);
    }
    table
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for routes in [1, 100, 10_000] {
        let table = table(routes);
        let last = routes - 1;
        let host = format!("site-{}.example.com:8080", last / 10);
        let target = format!("/service-{}/v1/items/17?page=2", last % 10);
        let id = BenchmarkId::from_parameter(routes);
        group.bench_with_input(id, &table, |bencher, table| {
            bencher.iter(|| {
                let (host, target) = (black_box(host.as_bytes()), black_box(target.as_bytes()));
                let found = table.find_plainly(host, target).copied();
                assert_eq!(found, Some(last));
            });
        });
        // A host that is not written in its normal form, as few are.
        let odd = host.to_uppercase();
        let id = BenchmarkId::new("odd", routes);
        group.bench_with_input(id, &table, |bencher, table| {
            bencher.iter(|| {
                let asked = Asked {
                    host: normal_host(black_box(odd.as_bytes())).unwrap_or_default(),
                    path: normal_path(black_box(target.as_bytes())).unwrap_or_default(),
                };
                let found = table.find(&asked).copied();
                assert_eq!(found, Some(last));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, find);
criterion_main!(benches);
