use super::*;
use crate::strategy::LeastResponseTime;
use std::time::Duration;

fn config() -> Config {
    Config::new(["127.0.0.1:5000".parse().unwrap()]).unwrap()
}

fn backends(texts: &[&str]) -> Vec<BackendSpec> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn backends_alone_make_a_config() {
    let config = config();
    let ([pool], [listener]) = (config.pools(), config.listeners()) else {
        panic!("one pool and one listener");
    };
    assert_eq!(pool.name(), DEFAULT_POOL);
    assert_eq!(pool.backends(), backends(&["127.0.0.1:5000"]));
    assert_eq!(pool.strategy, LeastResponseTime::ENTRY.spec());
    assert_eq!(listener.addresses(), [DEFAULT_LISTENER.into()]);
    assert_eq!((listener.mode, listener.pool), (Mode::Http, PoolId::FIRST));
    assert_eq!(config.access_log, AccessLogFormat::Off);
    assert_eq!(config.timeouts(), &Timeouts::default());
    assert_eq!(config.limits(), &Limits::default());
}

#[test]
fn the_defaults_are_within_their_ranges() {
    assert!(Timeouts::default().checked().is_ok());
    assert!(Limits::default().checked().is_ok());
}

#[test]
fn no_backend_is_refused() {
    assert_eq!(
        Config::new([]).unwrap_err().to_string(),
        "--backends: no backend given; name at least one, as in --backends 127.0.0.1:5000"
    );
}

#[test]
fn one_backend_twice_is_refused_however_it_is_spelled() {
    for (texts, address) in [
        (["5000", "127.0.0.1:5000=2"], "127.0.0.1:5000"),
        (["[::1]:80", "[0::1]:80"], "[::1]:80"),
        (["Db.internal:1", "db.INTERNAL:1"], "db.internal:1"),
    ] {
        assert_eq!(
            Config::new(backends(&texts)).unwrap_err().to_string(),
            format!(
                "--backends '{address}': this backend is given twice; \
                 name it once, with =WEIGHT for a larger share"
            )
        );
    }
    assert!(Config::new(backends(&["a:1", "a:2", "b:1"])).is_ok());
}

#[test]
fn backends_are_counted() {
    let many = |count: usize| (1..=count).map(|port| port.to_string().parse().unwrap());
    assert!(Config::new(many(MAX_BACKENDS)).is_ok());
    assert_eq!(
        Config::new(many(MAX_BACKENDS + 1)).unwrap_err().to_string(),
        "--backends: 4097 backends are too many; give at most 4096"
    );
}

#[test]
fn listeners_are_one_or_more_and_distinct() {
    let mut config = config();
    let listener: ListenerSpec = "127.0.0.1:80".parse().unwrap();
    let proxied: ListenerSpec = "proxy+127.0.0.1:80".parse().unwrap();
    assert_eq!(
        config.set_listeners([]).unwrap_err().to_string(),
        "--listen: no address given; name at least one, as in --listen 127.0.0.1:8080"
    );
    assert_eq!(
        config
            .set_listeners([listener.clone(), proxied])
            .unwrap_err()
            .to_string(),
        "--listen '127.0.0.1:80': this address is given twice; name it once"
    );
    assert_eq!(
        config.listeners()[0].addresses(),
        [DEFAULT_LISTENER.into()],
        "a refusal changes nothing"
    );

    let any: ListenerSpec = "127.0.0.1:0".parse().unwrap();
    let all = [any.clone(), any, listener];
    config.set_listeners(all.clone()).unwrap();
    assert_eq!(config.listeners()[0].addresses(), all);
}

#[test]
fn host_is_an_authority() {
    let mut config = config();
    for host in [None, Some("a.example"), Some("[::1]:80")] {
        config.set_host(host).unwrap();
        assert_eq!(config.pools()[0].host(), host);
    }
    assert_eq!(
        config.set_host(Some("a\r\nb")).unwrap_err().to_string(),
        "--host 'a\\r\\nb': not a host; write a name or an address, with :PORT or without"
    );
    let host = config.pools()[0].host();
    assert_eq!(host, Some("[::1]:80"), "a refusal changes nothing");
}

/// Sets one timeout of `Timeouts::default()`.
type SetTimeout = fn(&mut Timeouts, Duration);

#[test]
fn every_timeout_is_checked_at_both_ends() {
    const TIMEOUTS: [(&str, SetTimeout); 10] = [
        ("--connect-timeout", |timeouts, to| timeouts.connect = to),
        ("--keep-alive-timeout", |timeouts, to| {
            timeouts.keep_alive = to
        }),
        ("--head-timeout", |timeouts, to| timeouts.head = to),
        ("--body-timeout", |timeouts, to| timeouts.body = to),
        ("--first-byte-timeout", |timeouts, to| {
            timeouts.first_byte = to
        }),
        ("--write-timeout", |timeouts, to| timeouts.write = to),
        ("--tunnel-timeout", |timeouts, to| timeouts.tunnel = to),
        ("--server-timeout", |timeouts, to| timeouts.server = to),
        ("--shutdown-timeout", |timeouts, to| timeouts.shutdown = to),
        ("--pool-idle-timeout", |timeouts, to| {
            timeouts.pool_idle = to
        }),
    ];
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
    for (flag, set) in TIMEOUTS {
        let try_set = |to| {
            let mut timeouts = Timeouts::default();
            set(&mut timeouts, to);
            config()
                .set_timeouts(timeouts)
                .map_err(|invalid| invalid.to_string())
        };
        assert_eq!(try_set(Duration::from_nanos(1)), Ok(()));
        assert_eq!(try_set(LONGEST), Ok(()));
        assert_eq!(
            try_set(Duration::ZERO),
            Err(format!(
                "{flag} '0s': zero would give up before it began; \
                 give a longer time, as in 500ms or 3s"
            ))
        );
        assert_eq!(
            try_set(LONGEST + Duration::from_secs(1)),
            Err(format!(
                "{flag} '2592001s': longer than 30 days; give at most 720h"
            ))
        );
    }
}

/// Sets one limit of `Limits::default()`.
type SetLimit = fn(&mut Limits, usize);

#[test]
fn every_limit_is_checked_at_both_ends() {
    const LIMITS: [(&str, SetLimit, usize, usize); 10] = [
        (
            "--retry-budget",
            |limits, to| limits.retry_budget_percent = to as u32,
            0,
            100,
        ),
        (
            "--max-connections",
            |limits, to| limits.max_connections = Some(to),
            1,
            1_000_000,
        ),
        (
            "--max-head-bytes",
            |limits, to| limits.max_head_bytes = to,
            256,
            1 << 20,
        ),
        (
            "--max-head-fields",
            |limits, to| limits.max_head_fields = to,
            1,
            128,
        ),
        (
            "--max-target-bytes",
            |limits, to| limits.max_target_bytes = to,
            1,
            1 << 20,
        ),
        (
            "--max-retries",
            |limits, to| limits.max_retries = to as u32,
            0,
            16,
        ),
        (
            "--max-idle-per-backend",
            |limits, to| limits.max_idle_per_backend = to,
            0,
            1_000_000,
        ),
        (
            "--max-memory",
            |limits, to| limits.max_memory = Some(to),
            1 << 20,
            usize::MAX - 1,
        ),
        (
            "--held-body-bytes",
            |limits, to| limits.held_body_bytes = to,
            0,
            1 << 20,
        ),
        (
            "--min-body-rate",
            |limits, to| limits.min_body_rate = Some(to as u64),
            0,
            1 << 30,
        ),
    ];
    for (flag, set, least, most) in LIMITS {
        let try_set = |to| {
            let mut limits = Limits::default();
            set(&mut limits, to);
            config()
                .set_limits(limits)
                .map_err(|invalid| invalid.to_string())
        };
        assert_eq!(try_set(least), Ok(()));
        assert_eq!(try_set(most), Ok(()));
        for outside in least.checked_sub(1).into_iter().chain([most + 1]) {
            let message = format!("{flag} '{outside}': out of range; give {least} to {most}");
            assert_eq!(try_set(outside), Err(message));
        }
    }
}

#[test]
fn setters_and_getters_agree() {
    let mut config = config();
    let timeouts = Timeouts {
        connect: Duration::from_millis(7),
        ..Timeouts::default()
    };
    let limits = Limits {
        max_retries: 0,
        ..Limits::default()
    };
    config.set_timeouts(timeouts).unwrap();
    config.set_limits(limits).unwrap();
    assert_eq!(config.timeouts(), &timeouts);
    assert_eq!(config.limits(), &limits);
    assert_eq!(config.pools()[0].timeouts(), &timeouts);
    assert_eq!(config.listeners()[0].limits(), &limits);
}

#[test]
fn pools_have_names_of_their_own_and_listeners_a_pool() {
    let pool = |name| PoolConfig::new(name, backends(&["1"])).unwrap();
    let listener = |port: &str, number| ListenerConfig {
        pool: PoolId::new(number),
        ..ListenerConfig::new([port.parse().unwrap()]).unwrap()
    };
    let refused = |listeners, pools| Config::of(listeners, pools).unwrap_err().to_string();
    let two = || vec![pool("a"), pool("b")];
    assert!(Config::of(vec![listener("1", 1), listener("2", 1)], two()).is_ok());
    assert_eq!(
        refused(vec![listener("1", 0)], vec![pool("a"), pool("a")]),
        "'a': two pools have this name; rename one"
    );
    assert_eq!(
        refused(vec![listener("1", 2)], two()),
        "a listener has a pool that is not there; name one of the pools"
    );
    assert_eq!(
        refused(vec![listener("1", 0), listener("1", 1)], two()),
        "--listen '127.0.0.1:1': this address is given twice; name it once"
    );
    assert_eq!(
        refused(vec![listener("1", 0)], vec![]),
        "there is no pool; add one, as in [pool.web] with backends = [\"127.0.0.1:5000\"]"
    );
    assert_eq!(
        refused(vec![], two()),
        "there is no listener; add one, as in [[listener]] with listen = \"127.0.0.1:8080\""
    );
    for name in ["", "a b", "a/b", "\u{e9}", &"x".repeat(65)] {
        let error = PoolConfig::new(name, backends(&["1"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("use up to 64 letters, digits, -, _ and ."),
            "{error}"
        );
    }
}

#[test]
fn a_unix_socket_cannot_be_pinged() {
    let mut config = Config::new(["1".parse().unwrap(), "unix:/a".parse().unwrap()]).unwrap();
    let health = Health {
        check: Some(CheckKind::PING),
        ..Health::default()
    };
    assert_eq!(
        config.set_health(&health).unwrap_err().to_string(),
        "--health 'ping': unix:/a is a UNIX socket, which cannot be pinged; \
         check by tcp or http instead"
    );
}
