use super::*;
use crate::config::{Limits, Mode, Workers};
use crate::strategy::RoundRobin;

fn pool(name: &str, backends: &[&str]) -> PoolConfig {
    let backends = backends.iter().map(|text| text.parse().unwrap());
    PoolConfig::new(name, backends).unwrap()
}

fn listener(address: &str, pool: u16) -> ListenerConfig {
    let mut listener = ListenerConfig::new([address.parse().unwrap()]).unwrap();
    listener.pool = PoolId::new(pool);
    listener
}

fn config(listeners: Vec<ListenerConfig>, pools: Vec<PoolConfig>) -> Config {
    Config::of(listeners, pools).unwrap()
}

/// As if all listeners were bound, in their order.
fn bound(config: &Config) -> Vec<BoundListener> {
    let all = specs(config).zip(0..);
    all.map(|((_, spec), number)| BoundListener {
        number,
        spec: spec.clone(),
        address: spec.address.clone(),
    })
    .collect()
}

fn planned(old: &Config, new: &mut Config) -> Result<Plan, Vec<String>> {
    let bound = bound(old);
    let present = Present {
        config: old,
        bound: &bound,
        leaving: &[PoolId::new(7)],
    };
    let plan = plan(&present, new);
    plan.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn the_same_configuration_changes_nothing() {
    let old = config(
        vec![listener("127.0.0.1:80", 0), listener("127.0.0.1:0", 1)],
        vec![pool("a", &["1.1.1.1:1"]), pool("b", &["1.1.1.1:2=3"])],
    );
    let plan = planned(&old, &mut old.clone()).unwrap();
    assert_eq!(plan.lines, Vec::<String>::new());
    assert!(plan.closing.is_empty() && plan.leaving.is_empty());
    let same = PoolChange::Stays(PoolDifference::default());
    assert_eq!(plan.pools, [same.clone(), same]);
    let stays = bound(&old).into_iter().map(ListenerPlan::Stays);
    assert_eq!(plan.listeners, stays.collect::<Vec<_>>());
}

#[test]
fn pools_are_known_by_name_and_new_ones_get_vacant_numbers() {
    let old = config(
        vec![listener("127.0.0.1:80", 1)],
        vec![pool("a", &["1.1.1.1:1"]), pool("b", &["1.1.1.1:2"])],
    );
    let mut new = config(
        vec![listener("127.0.0.1:80", 0), listener("127.0.0.1:81", 1)],
        vec![pool("b", &["1.1.1.1:2"]), pool("c", &["1.1.1.1:3"])],
    );
    let plan = planned(&old, &mut new).unwrap();
    let ids: Vec<_> = new.pool_ids().map(|(id, _)| id.number()).collect();
    // 0 is of the pool that leaves, 7 of one that has left before.
    assert_eq!(ids, [1, 2]);
    assert_eq!(new.listeners()[0].pool, PoolId::new(1));
    assert_eq!(new.listeners()[1].pool, PoolId::new(2));
    assert_eq!(plan.leaving, [PoolId::new(0)]);
    assert_eq!(plan.listeners[1], ListenerPlan::New(1));
    assert_eq!(plan.lines, ["pool c added", "pool a removed"]);
}

#[test]
fn backends_are_known_by_address() {
    let one =
        |backends: &[&str]| config(vec![listener("127.0.0.1:80", 0)], vec![pool("a", backends)]);
    let old = one(&["1.1.1.1:1", "1.1.1.1:2=2/9", "1.1.1.1:3"]);
    let mut new = one(&["1.1.1.1:3", "1.1.1.1:2=5", "1.1.1.1:4=8"]);
    new.pools_mut()[0].strategy = RoundRobin::ENTRY.spec();
    let plan = planned(&old, &mut new).unwrap();
    let PoolChange::Stays(difference) = &plan.pools[0] else {
        panic!("{:?}", plan.pools);
    };
    assert_eq!(difference.added, ["1.1.1.1:4=8".parse().unwrap()]);
    assert_eq!(difference.removed, ["1.1.1.1:1"]);
    assert_eq!(difference.weights, [("1.1.1.1:2".to_owned(), 5)]);
    assert_eq!(difference.limits, [("1.1.1.1:2".to_owned(), None)]);
    assert!(difference.strategy && !difference.health && !difference.sticky);
    assert_eq!(
        plan.lines,
        [
            "pool a: backend 1.1.1.1:2: weight 2 -> 5",
            "pool a: backend 1.1.1.1:2: max-connections 9 -> that of the pool",
            "pool a: backend 1.1.1.1:4 added",
            "pool a: backend 1.1.1.1:1 removed",
        ]
    );
}

#[test]
fn listeners_are_known_by_address() {
    let old = config(
        vec![
            listener("127.0.0.1:0", 0),
            listener("127.0.0.1:81", 0),
            listener("127.0.0.1:0", 0),
        ],
        vec![pool("a", &["1.1.1.1:1"])],
    );
    let mut new = config(
        vec![
            listener("127.0.0.1:82", 0),
            listener("127.0.0.1:0", 0),
            listener("proxy+127.0.0.1:0", 0),
        ],
        vec![pool("a", &["1.1.1.1:1"])],
    );
    let plan = planned(&old, &mut new).unwrap();
    let numbers = plan.listeners.iter().map(|listener| match listener {
        ListenerPlan::Stays(bound) => (bound.number, bound.spec.accepts_proxy),
        ListenerPlan::New(number) => (*number, false),
    });
    let numbers: Vec<_> = numbers.collect();
    assert_eq!(numbers, [(3, false), (0, false), (2, true)]);
    assert_eq!(plan.closing, [1]);
    assert_eq!(plan.lines, ["listener 127.0.0.1:81 removed"]);
}

#[test]
fn what_cannot_change_is_told_at_once() {
    let old = config(
        vec![listener("127.0.0.1:80", 0)],
        vec![pool("a", &["1.1.1.1:1"])],
    );
    let mut new = old.clone();
    new.workers = Workers::new(3).unwrap();
    new.set_limits(Limits {
        max_connections: Some(9),
        ..Limits::default()
    })
    .unwrap();
    new.access_log = AccessLogFormat::Json;
    new.set_mode(Mode::Tcp);
    let end = "cannot change while lb runs; needs an upgrade: send SIGUSR2, or restart lb";
    assert_eq!(
        planned(&old, &mut new).unwrap_err(),
        [
            format!("--workers '3': {end}"),
            format!("--max-connections '9': {end}"),
            format!("--access-log 'json': {end}"),
            format!("--mode 'tcp of 127.0.0.1:80': {end}"),
        ]
    );
}

#[test]
fn what_is_discovered_cannot_change() {
    let old = config(
        vec![listener("127.0.0.1:80", 0)],
        vec![pool("a", &["web.example:80"]), pool("b", &["1.1.1.1:1"])],
    );
    // A name that is one backend is the reload's business.
    let mut new = old.clone();
    new.pools_mut()[0] = pool("a", &["other.example:80"]);
    assert!(planned(&old, &mut new).is_ok());
    let mut new = old.clone();
    new.pools_mut()[0].discover = crate::config::Discover::AllAddresses;
    new.pools_mut()[1].backends_file = Some("list.json".into());
    new.pools_mut()[1].services = vec!["_http._tcp.example".parse().unwrap()];
    let end = "cannot change while lb runs; needs an upgrade: send SIGUSR2, or restart lb";
    let of = |setting: &str, pool: &str| format!("--{setting} 'of pool {pool}': {end}");
    let expected = [
        of("discover", "a"),
        of("backends-file", "b"),
        of("srv", "b"),
    ];
    assert_eq!(planned(&old, &mut new).unwrap_err(), expected);
    // A pool that has some does not go either: its number could be another's.
    let mut less = config(
        vec![listener("127.0.0.1:80", 0)],
        vec![pool("a", &["web.example:80"])],
    );
    let errors = planned(&new, &mut less).unwrap_err();
    assert_eq!(errors, expected);
    let mut new = old.clone();
    new.dns.hold = Some(std::time::Duration::from_secs(1));
    let expected = [format!("--nameservers 'with dns-hold': {end}")];
    assert_eq!(planned(&old, &mut new).unwrap_err(), expected);
}
