//! Every flag reaches its setting.

use super::{complaint, ordered};
use lb::config::{
    AccessLogFormat, BackendLimit, Config, FileMode, ForwardOptions, ForwardedFor, Limits,
    LoadBound, Mode, ProxyVersion, StrategySpec, Timeouts,
};
use lb::strategy::RoundRobin;
use std::time::Duration;

#[test]
fn backends_are_all_that_is_needed() {
    let order = ordered("lb --backends 127.0.0.1:5000,127.0.0.1:5001");
    let config = Config::new([
        "127.0.0.1:5000".parse().unwrap(),
        "127.0.0.1:5001".parse().unwrap(),
    ]);
    // Every field of a Config shows in its Debug form.
    assert_eq!(
        format!("{:?}", order.config),
        format!("{:?}", config.unwrap())
    );
    assert!(!order.quiet);
}

#[test]
fn every_flag_reaches_its_setting() {
    let order = ordered(
        "lb --backends 1=2 --backends [::1]:2,c:3 --strategy RoundRobin --mode http \
         --listen 80,*:81 --listen proxy+[::1]:82 --access-log json --quiet \
         --connect-timeout 1ms --keep-alive-timeout 2s --server-timeout 3m --shutdown-timeout 4h \
         --head-timeout 7s --body-timeout 8s --write-timeout 9s --first-byte-timeout 10s \
         --pool-idle-timeout 5s --max-connections 6 --max-head-bytes 700 --max-head-fields 8 \
         --tunnel-timeout 6m --max-target-bytes 9 --max-retries 10 --max-idle-per-backend 11 \
         --backend-max-connections 12 --queue-limit 13 --queue-timeout 11s --min-body-rate 12 \
         --held-body-bytes 14 --max-memory 2000000 \
         --x-forwarded-for leave --x-forwarded off --forwarded on --via on --date off --loop-detection off \
         --request-id off --host a:1 --send-proxy v2 --trusted-proxies 10.0.0.0/8,::1 \
         --abort-on-close off --listen-mode 660",
    );
    let config = &order.config;
    let (pool, listener) = (&config.pools()[0], &config.listeners()[0]);
    let backends: Vec<String> = pool.backends().iter().map(ToString::to_string).collect();
    assert_eq!(backends, ["127.0.0.1:1=2", "[::1]:2", "c:3"]);
    let listeners: Vec<String> = listener
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listeners, ["127.0.0.1:80", "0.0.0.0:81", "proxy+[::1]:82"]);
    assert_eq!(pool.strategy, RoundRobin::ENTRY.spec());
    assert_eq!(listener.mode, Mode::Http);
    assert_eq!(config.access_log, AccessLogFormat::Json);
    assert!(order.quiet);
    assert_eq!(
        listener.forward,
        ForwardOptions {
            x_forwarded_for: ForwardedFor::Leave,
            x_forwarded_host: false,
            x_forwarded_proto: false,
            x_forwarded_port: false,
            forwarded: true,
            via: true,
            date: false,
            loop_token: false,
        }
    );
    assert!(!listener.request_id && !listener.abort_on_close);
    assert_eq!(listener.listen_mode.map(FileMode::bits), Some(0o660));
    let trusted: Vec<String> = listener
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(trusted, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(pool.send_proxy, Some(ProxyVersion::V2));
    assert_eq!(pool.host(), Some("a:1"));
    assert_eq!(
        config.timeouts(),
        &Timeouts {
            connect: Duration::from_millis(1),
            keep_alive: Duration::from_secs(2),
            head: Duration::from_secs(7),
            body: Duration::from_secs(8),
            write: Duration::from_secs(9),
            first_byte: Duration::from_secs(10),
            server: Duration::from_secs(180),
            shutdown: Duration::from_secs(14_400),
            pool_idle: Duration::from_secs(5),
            tunnel: Duration::from_secs(360),
            queue: Duration::from_secs(11),
        }
    );
    assert_eq!(
        config.limits(),
        &Limits {
            max_connections: Some(6),
            max_head_bytes: 700,
            max_head_fields: 8,
            max_target_bytes: 9,
            max_retries: 10,
            retry_budget_percent: 20,
            backend_max_connections: Some(BackendLimit::Max(12)),
            queue_limit: 13,
            max_idle_per_backend: 11,
            min_body_rate: Some(12),
            max_memory: Some(2_000_000),
            held_body_bytes: 14,
        }
    );
}

#[test]
fn settings_without_effect_in_tcp_mode_are_refused() {
    let order = ordered("lb --mode tcp --backends 1");
    assert_eq!(order.config.listeners()[0].mode, Mode::Tcp);
    for flags in [
        "--send-proxy v1 --connect-timeout 1s --client-timeout 9s --queue-limit 1",
        "--strategy ip-hash --max-retries 1 --tunnel-timeout 1m --slow-start 1s",
        "--send-proxy v2 --loop-detection off",
    ] {
        ordered(&format!("lb --mode tcp --backends 1 {flags}"));
    }
    for (flags, flag) in [
        ("--sticky lb", "--sticky"),
        ("--x-forwarded-for leave", "--x-forwarded-for"),
        ("--via on", "--via"),
        ("--date off", "--date"),
        ("--request-id off", "--request-id"),
        ("--max-target-bytes 100", "--max-target-bytes"),
        ("--host a", "--host"),
        ("--first-byte-timeout 1s", "--first-byte-timeout"),
        ("--min-body-rate 1", "--min-body-rate"),
        ("--held-body-bytes 1", "--held-body-bytes"),
        ("--slow-outlier 10", "--slow-outlier"),
    ] {
        assert_eq!(
            complaint(&format!("lb --mode tcp --backends 1 {flags}")),
            format!(
                "{flag}: has no effect in tcp mode; \
                 leave it out, or balance requests with --mode http"
            )
        );
    }
    for strategy in ["uri-hash", "header-hash:Host", "cookie-maglev:id"] {
        assert_eq!(
            complaint(&format!("lb --mode tcp --backends 1 --strategy {strategy}")),
            format!(
                "--strategy '{strategy}': goes by requests, which tcp mode does not read; \
                 use ip-hash, ip-maglev or a strategy without a key"
            )
        );
    }
}

#[test]
fn heartbeat_listener_has_its_flags() {
    let config = ordered("lb --backends 1 --heartbeat-listen *:7000").config;
    let heartbeats = config.heartbeats.as_ref().expect("they are listened to");
    assert_eq!(heartbeats.address.to_string(), "0.0.0.0:7000");
    assert_eq!(heartbeats.key, None);
    assert_eq!(ordered("lb --backends 1").config.heartbeats, None);
    for (line, message) in [
        (
            "lb --backends 1 --heartbeat-listen unix:x",
            "--heartbeat-listen 'unix:x': not an address for heartbeats; \
             write IP:PORT, as in 10.0.0.5:7000, or *:PORT for every address",
        ),
        (
            "lb --backends 1 --heartbeat-listen 1 --heartbeat-key /dev/null",
            "--heartbeat-key '/dev/null': the secret is too short; \
             name a file with at least 16 bytes nobody can guess",
        ),
    ] {
        assert_eq!(complaint(line), message);
    }
    let key = std::env::temp_dir().join(format!("lb-key-{}", std::process::id()));
    std::fs::write(&key, "sixteen bytes...\n").unwrap();
    let line = format!(
        "lb --backends 1 --heartbeat-listen 1 --heartbeat-key {}",
        key.display()
    );
    let config = ordered(&line).config;
    std::fs::remove_file(&key).unwrap();
    let expected = lb::heartbeat::HeartbeatKey::new(b"sixteen bytes...");
    assert_eq!(config.heartbeats.unwrap().key, expected);
}

#[test]
fn loads_are_bounded_where_a_strategy_hashes() {
    let strategy = |flags: &str| {
        ordered(&format!("lb --backends 1 --strategy {flags}"))
            .config
            .pools()[0]
            .strategy
            .clone()
    };
    let mut expected: StrategySpec = "ip-hash".parse().unwrap();
    assert_eq!(strategy("ip-hash"), expected);
    assert!(expected.set_load_bound(LoadBound::percent(200).unwrap()));
    assert_eq!(strategy("ip-hash --hash-bound 200%"), expected);
    assert!(expected.set_load_bound(LoadBound::OFF));
    assert_eq!(strategy("ip-hash --hash-bound off"), expected);
}

#[test]
fn a_group_of_timeouts_is_set_at_once_but_for_those_that_are_given() {
    let seconds = Duration::from_secs;
    let defaults = Timeouts::default();
    let timeouts = |flags: &str| {
        *ordered(&format!("lb --backends 1 {flags}"))
            .config
            .timeouts()
    };
    assert_eq!(timeouts(""), defaults);
    assert_eq!(
        timeouts("--client-timeout 5s --body-timeout 6s"),
        Timeouts {
            keep_alive: seconds(5),
            head: seconds(5),
            body: seconds(6),
            write: seconds(5),
            ..defaults
        }
    );
    assert_eq!(
        timeouts("--server-timeout 7s"),
        Timeouts {
            first_byte: seconds(7),
            server: seconds(7),
            ..defaults
        }
    );
    assert_eq!(
        timeouts("--server-timeout 7s --first-byte-timeout 8s"),
        Timeouts {
            first_byte: seconds(8),
            server: seconds(7),
            ..defaults
        }
    );
}
