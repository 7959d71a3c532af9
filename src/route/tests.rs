//! The table against a matcher that looks at every route, with a printed seed.

use super::*;
use crate::strategy::Rng;

/// A request as a test writes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) host: Host<'static>,
    pub(super) path: Vec<u8>,
    pub(super) method: &'static str,
    pub(super) fields: Vec<(&'static str, &'static str)>,
    pub(super) client: Option<IpAddr>,
}

impl Request for Asked {
    fn host(&self) -> &Host<'_> {
        &self.host
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name))?;
        Some(field.1.as_bytes())
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

fn asked(host: &str, path: &str) -> Asked {
    Asked {
        host: normal_host(host.to_owned().leak().as_bytes()).unwrap(),
        path: path.into(),
        method: "GET",
        fields: Vec::new(),
        client: "10.0.0.1".parse().ok(),
    }
}

fn host_pattern(text: &str) -> HostPattern {
    match (text, text.strip_prefix("*.")) {
        ("*", _) => HostPattern::Any,
        (_, Some(suffix)) => HostPattern::Suffix(suffix.as_bytes().into()),
        (host, None) => HostPattern::Exact(host.as_bytes().into()),
    }
}

fn path_pattern(text: &str) -> PathPattern {
    match text.strip_prefix('=') {
        Some(path) => PathPattern::Exact(path.as_bytes().into()),
        None => PathPattern::Prefix(text.as_bytes().into()),
    }
}

fn pattern(host: &str, path: &str) -> Pattern {
    Pattern {
        host: host_pattern(host),
        path: path_pattern(path),
        conditions: Conditions::default(),
    }
}

#[test]
fn the_most_specific_route_is_taken() {
    let mut table = RouteTable::default();
    for (host, path) in [
        ("*", "/"),
        ("*", "/api"),
        ("a.example", "/"),
        ("a.example", "/api"),
        ("a.example", "/api/v1"),
        ("a.example", "=/api"),
        ("a.example", "=/api/"),
        ("*.example", "/"),
        ("*.b.example", "/img/"),
    ] {
        table.add(pattern(host, path), format!("{host} {path}"));
    }
    for (host, path, expected) in [
        ("x", "/", "* /"),
        ("", "/api/x", "* /api"),
        ("x", "/apis", "* /"),
        ("a.example", "/", "a.example /"),
        ("a.example", "/api", "a.example =/api"),
        ("a.example", "/api/", "a.example =/api/"),
        ("a.example", "/api/v2", "a.example /api"),
        ("a.example", "/api/v1/x/y", "a.example /api/v1"),
        ("example", "/", "* /"),
        ("c.example", "/api", "*.example /"),
        ("x.b.example", "/img", "*.b.example /img/"),
        ("x.y.b.example", "/img/1", "*.b.example /img/"),
        ("x.b.example", "/imgs", "*.example /"),
    ] {
        let found = table.find(&asked(host, path)).unwrap();
        assert_eq!(found, expected, "{host} {path}");
    }
}

#[test]
fn hosts_out_of_form_are_not_found_plainly() {
    let mut table = RouteTable::default();
    table.add(pattern("*", "/"), "any");
    for host in [
        "shop.example",
        "shop.example:8080",
        "x",
        "a-long.name.example:1",
        "",
    ] {
        let found = table.find_plainly(host.as_bytes(), b"/a?b");
        assert_eq!(found, Some(&"any"), "{host}");
    }
    table.add(pattern("shop.example", "/"), "shop");
    table.add(pattern("[::1]", "/"), "address");
    for (host, expected) in [
        ("shop.example", Some("shop")),
        ("shop.example:8080", Some("shop")),
        ("other.example:80", Some("any")),
        ("Shop.example", None),
        ("shop.exampl%65", None),
        ("shop.example.", None),
        ("shop.example.:80", None),
        ("[::1]:8080", None),
        ("[2001:db8::1]", None),
    ] {
        let found = table.find_plainly(host.as_bytes(), b"/");
        assert_eq!(found.copied(), expected, "{host}");
    }
    for target in ["/a/../b", "/%61", "//", "*", ""] {
        let found = table.find_plainly(b"shop.example", target.as_bytes());
        assert_eq!(found, None, "{target}");
    }
    table.add(pattern("*.example", "/"), "below");
    assert_eq!(table.find_plainly(b"other.example", b"/"), None);
}

#[test]
fn conditions_decide_among_equals_and_fall_through() {
    let mut table = RouteTable::default();
    let with = |conditions| Pattern {
        conditions,
        ..pattern("a", "/x")
    };
    table.add(
        with(Conditions {
            methods: vec![(*b"POST").into()],
            ..Conditions::default()
        }),
        "post",
    );
    table.add(
        with(Conditions {
            headers: vec![HeaderCondition {
                name: (*b"x-canary").into(),
                value: Some((*b"1").into()),
            }],
            ..Conditions::default()
        }),
        "canary",
    );
    table.add(
        with(Conditions {
            clients: vec!["192.0.2.0/24".parse().unwrap()],
            ..Conditions::default()
        }),
        "inside",
    );
    table.add(pattern("a", "/"), "rest of the host");
    let find = |change: &dyn Fn(&mut Asked)| {
        let mut request = asked("a", "/x/1");
        change(&mut request);
        *table.find(&request).unwrap()
    };
    assert_eq!(find(&|_| {}), "rest of the host");
    assert_eq!(find(&|it| it.method = "POST"), "post");
    assert_eq!(find(&|it| it.fields = vec![("X-Canary", "1")]), "canary");
    assert_eq!(
        find(&|it| it.fields = vec![("X-Canary", "2")]),
        "rest of the host"
    );
    assert_eq!(find(&|it| it.client = "192.0.2.9".parse().ok()), "inside");
    assert_eq!(find(&|it| it.client = None), "rest of the host");
    assert!(table.find(&asked("b", "/x")).is_none());
}

/// How specific a pattern is for a request; `None` if it does not fit. Written without any idea of
/// the table: by comparing texts.
fn rank(pattern: &Pattern, request: &Asked) -> Option<(usize, usize)> {
    let host = match &pattern.host {
        HostPattern::Any => 0,
        HostPattern::Suffix(suffix) => {
            let dotted = [b".", &**suffix].concat();
            request
                .host
                .as_bytes()
                .ends_with(&dotted)
                .then_some(suffix.len() + 1)?
        }
        HostPattern::Exact(host) => (**host == *request.host.as_bytes()).then_some(usize::MAX)?,
    };
    let path = match &pattern.path {
        PathPattern::Exact(path) => (**path == *request.path).then_some(usize::MAX)?,
        PathPattern::Prefix(prefix) => {
            let bare = prefix.strip_suffix(b"/").unwrap_or(prefix);
            let rest = request.path.strip_prefix(bare)?;
            (rest.is_empty() || rest.starts_with(b"/")).then_some(bare.len() + 1)?
        }
    };
    pattern.conditions.are_met(request).then_some((host, path))
}

#[test]
fn finds_what_a_scan_of_all_routes_finds() {
    const HOSTS: [&str; 7] = ["*", "a", "a.b", "b", "*.b", "*.a.b", "*.c"];
    const SEGMENTS: [&str; 4] = ["x", "y", "xx", "z"];
    const METHODS: [&str; 2] = ["GET", "POST"];
    let mut plain = 0;
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let path = |rng: &mut Rng| {
            let mut path = String::new();
            for _ in 0..rng.below(4) {
                path.push('/');
                path.push_str(SEGMENTS[rng.below(SEGMENTS.len())]);
            }
            match path.is_empty() || rng.below(4) == 0 {
                true => path + "/",
                false => path,
            }
        };
        let mut table = RouteTable::default();
        let mut all = Vec::new();
        for number in 0..rng.below(40) {
            let mut pattern = pattern(HOSTS[rng.below(HOSTS.len())], &path(&mut rng));
            if rng.below(3) == 0 {
                let PathPattern::Prefix(path) = pattern.path else {
                    unreachable!("made as a prefix");
                };
                pattern.path = PathPattern::Exact(path);
            }
            if rng.below(3) == 0 {
                let method = METHODS[rng.below(2)].as_bytes().into();
                pattern.conditions.methods = vec![method];
            }
            all.push(pattern.clone());
            table.add(pattern, number);
        }
        for _ in 0..200 {
            let host = ["", "a", "b", "a.b", "x.b", "x.a.b", "x.y.c", "c"][rng.below(8)];
            let mut request = asked(host, &path(&mut rng));
            request.method = METHODS[rng.below(2)];
            let ranked = all.iter().enumerate();
            let ranked = ranked.filter_map(|(nth, it)| Some((rank(it, &request)?, nth)));
            // Of equals the first.
            let best = ranked.max_by_key(|(rank, nth)| (*rank, std::cmp::Reverse(*nth)));
            let expected = best.map(|(_, nth)| nth);
            let found = table.find(&request).copied();
            assert_eq!(found, expected, "seed {seed}, {request:?}");
            if let Some(plainly) = table.find_plainly(request.host.as_bytes(), &request.path) {
                assert_eq!(Some(*plainly), expected, "seed {seed}, {request:?}");
                plain += 1;
            }
        }
    }
    assert!(plain > 5_000, "{plain}");
}
