//! The table of routes: finds the route of a request by its host and path, without looking at the
//! others.
//!
//! A host is looked up in a hash table, and if it is not there its suffixes are, longest first. A
//! path is followed through a tree of segments. So a request costs as many look-ups as its host has
//! labels and its path has segments, however many routes there are. In the usual case, when host and
//! path come in their normal form and the route has no conditions, nothing but these look-ups is
//! done ([`RouteTable::find_plainly`]).

use super::names::Names;
use super::normal::{before_port, is_plain_name, plain_path};
use super::words::{hash_of, segment};
use super::{Conditions, HostPattern, PathPattern, Pattern, Request};

/// The routes of one listener. `T` is what a route leads to.
#[derive(Debug)]
pub struct RouteTable<T> {
    routes: Vec<Route<T>>,
    exact: Names<PathTree>,
    /// By the suffix without its dot.
    suffixes: Names<PathTree>,
    any: PathTree,
}

#[derive(Debug)]
struct Route<T> {
    conditions: Conditions,
    /// True if there are none.
    is_unconditional: bool,
    target: T,
}

/// The routes of a host, by path.
#[derive(Debug, Default)]
struct PathTree {
    /// The first is the root.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Where this is below; the root is below itself.
    parent: usize,
    children: Names<usize>,
    /// Routes whose path ends here, in their order.
    exact: Vec<usize>,
    /// Routes whose prefix ends here, in their order.
    prefix: Vec<usize>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            exact: Names::default(),
            suffixes: Names::default(),
            any: PathTree::default(),
        }
    }
}

impl<T> RouteTable<T> {
    /// Adds a route. Of several that differ in nothing but their conditions, the first whose
    /// conditions are met is taken.
    pub fn add(&mut self, pattern: Pattern, target: T) {
        let Pattern {
            host,
            path,
            conditions,
        } = pattern;
        let tree = match host {
            HostPattern::Exact(host) => self.exact.entry(&host, PathTree::default),
            HostPattern::Suffix(suffix) => self.suffixes.entry(&suffix, PathTree::default),
            HostPattern::Any => Some(&mut self.any),
        };
        if let Some(tree) = tree {
            tree.add(path, self.routes.len());
        }
        self.routes.push(Route {
            is_unconditional: conditions == Conditions::default(),
            conditions,
            target,
        });
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Finds the route of a request in the usual case: its host and its path are written in
    /// their normal form, there are no routes for `*.NAME` that it could be of, and the first route
    /// that fits has no conditions. `None` says nothing.
    #[inline(always)]
    pub fn find_plainly(&self, host: &[u8], target: &[u8]) -> Option<&T> {
        let name = before_port(host);
        // What is a name of the configuration is in its normal form.
        let tree = match self.exact.get(name, hash_of(name)) {
            Some(tree) => tree,
            None if self.suffixes.is_empty() && is_plain_name(name) => &self.any,
            None => return None,
        };
        let length = plain_path(target)?;
        let [b'/', path @ ..] = target.get(..length)? else {
            return None;
        };
        let route = self.routes.get(tree.find(path, |_| true)?)?;
        route.is_unconditional.then_some(&route.target)
    }

    /// Finds the route of a request: that of the most specific host, and for that of the most
    /// specific path, whose conditions are met. An exact path goes before a prefix, a longer prefix
    /// before a shorter one.
    pub fn find(&self, request: &impl Request) -> Option<&T> {
        let (host, path) = (request.host(), request.path());
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let is_met = |route: &usize| self.is_met(*route, request);
        let exact = self.exact.get(host.as_bytes(), host.hash());
        let found = exact.and_then(|tree| tree.find(path, is_met));
        let found = found.or_else(|| self.find_beyond(host.as_bytes(), path, is_met))?;
        self.routes.get(found).map(|route| &route.target)
    }

    /// The same for hosts that are not named in full.
    fn find_beyond(
        &self,
        host: &[u8],
        path: &[u8],
        is_met: impl Fn(&usize) -> bool,
    ) -> Option<usize> {
        if !self.suffixes.is_empty() {
            for suffix in suffixes(host) {
                let tree = self.suffixes.get(suffix, hash_of(suffix));
                let found = tree.and_then(|tree| tree.find(path, &is_met));
                if found.is_some() {
                    return found;
                }
            }
        }
        self.any.find(path, is_met)
    }

    fn is_met(&self, route: usize, request: &impl Request) -> bool {
        let route = self.routes.get(route);
        route.is_some_and(|route| route.conditions.are_met(request))
    }
}

/// What is behind each dot of a host.
fn suffixes(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = host.iter().enumerate().filter(|(_, byte)| **byte == b'.');
    dots.filter_map(|(at, _)| host.get(at + 1..))
}

impl PathTree {
    fn add(&mut self, path: PathPattern, route: usize) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let (text, is_exact) = match &path {
            PathPattern::Exact(path) => (path, true),
            PathPattern::Prefix(path) => (path, false),
        };
        let mut at = 0;
        for segment in segments(text, is_exact) {
            at = self.child(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            match is_exact {
                true => node.exact.push(route),
                false => node.prefix.push(route),
            }
        }
    }

    /// The node below `at` for a segment, made if it is not there.
    fn child(&mut self, at: usize, segment: &[u8]) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = node
            .children
            .entry(segment, || next)
            .map_or(next, |child| *child);
        if child == next {
            self.nodes.push(Node {
                parent: at,
                ..Node::default()
            });
        }
        child
    }

    /// The route of a path, given without its first slash, for which `is_met` holds: exact first,
    /// then by the longest prefix.
    #[inline(always)]
    fn find(&self, path: &[u8], is_met: impl Fn(&usize) -> bool) -> Option<usize> {
        let mut at = 0;
        let mut node = self.nodes.first()?;
        let mut rest = path;
        // Down, as far as there are nodes.
        while !node.children.is_empty() {
            let (end, hash) = segment(rest);
            let name = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
            let Some(child) = node.children.get(name, hash) else {
                break;
            };
            at = *child;
            node = self.nodes.get(at)?;
            let Some(end) = end else {
                if let Some(route) = node.exact.iter().find(|route| is_met(route)) {
                    return Some(*route);
                }
                break;
            };
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        // And up to the first prefix.
        loop {
            if let Some(route) = node.prefix.iter().find(|route| is_met(route)) {
                return Some(*route);
            }
            if at == 0 {
                return None;
            }
            at = node.parent;
            node = self.nodes.get(at)?;
        }
    }
}

/// The most segments of a pattern.
pub const MAX_DEPTH: usize = 64;

/// The segments of a normal path. That of an exact one ends in an empty segment if it ends in a
/// slash; a prefix does not tell `/a` from `/a/`.
fn segments(path: &[u8], is_exact: bool) -> impl Iterator<Item = &[u8]> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = match is_exact {
        true => path,
        false => path.strip_suffix(b"/").unwrap_or(path),
    };
    let is_root = path.is_empty() && !is_exact;
    let all = path.split(|&byte| byte == b'/');
    all.take_while(move |_| !is_root)
}
