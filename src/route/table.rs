//! The table of routes: finds the route of a request by its host and path, without looking at the
//! others.
//!
//! A host is looked up in a hash table, and if it is not there its suffixes are, longest first. A
//! path is followed through a tree of segments. So a request costs as many look-ups as its host has
//! labels and its path has segments, however many routes there are.

use super::{Conditions, HostPattern, PathPattern, Pattern, Request};
use std::collections::HashMap;

/// The routes of one listener. `T` is what a route leads to.
#[derive(Debug)]
pub struct RouteTable<T> {
    routes: Vec<Route<T>>,
    exact: HashMap<Box<[u8]>, PathTree>,
    /// By the suffix without its dot.
    suffixes: HashMap<Box<[u8]>, PathTree>,
    any: PathTree,
}

#[derive(Debug)]
struct Route<T> {
    conditions: Conditions,
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
    children: HashMap<Box<[u8]>, usize>,
    /// Routes whose path ends here, in their order.
    exact: Vec<usize>,
    /// Routes whose prefix ends here, in their order.
    prefix: Vec<usize>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            exact: HashMap::new(),
            suffixes: HashMap::new(),
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
            HostPattern::Exact(host) => self.exact.entry(host).or_default(),
            HostPattern::Suffix(suffix) => self.suffixes.entry(suffix).or_default(),
            HostPattern::Any => &mut self.any,
        };
        tree.add(path, self.routes.len());
        self.routes.push(Route { conditions, target });
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

    /// Finds the route of a request: that of the most specific host, and for that of the most
    /// specific path, whose conditions are met. An exact path goes before a prefix, a longer prefix
    /// before a shorter one.
    pub fn find(&self, request: &impl Request) -> Option<&T> {
        let (host, path) = (request.host(), request.path());
        let in_tree = |tree: &PathTree| {
            let is_met = |route: &usize| self.is_met(*route, request);
            tree.find(path, is_met)
        };
        let found = self.exact.get(host).and_then(in_tree);
        let found = found.or_else(|| {
            let suffixes = suffixes(host).filter_map(|suffix| self.suffixes.get(suffix));
            suffixes.filter_map(in_tree).next()
        });
        let found = found.or_else(|| in_tree(&self.any))?;
        self.routes.get(found).map(|route| &route.target)
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
        let child = *node.children.entry(segment.into()).or_insert(next);
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The route of a path for which `is_met` holds: exact first, then by the longest prefix.
    fn find(&self, path: &[u8], is_met: impl Fn(&usize) -> bool) -> Option<usize> {
        let mut passed = [const { None::<&Node> }; MAX_DEPTH];
        let mut depth = 0;
        let mut node = self.nodes.first()?;
        let mut segments = segments(path, true);
        loop {
            // The slash at the end of a path is no segment of a prefix.
            if let Some(place) = passed.get_mut(depth) {
                *place = Some(node).filter(|node| !node.prefix.is_empty());
                depth += 1;
            }
            let Some(segment) = segments.next() else {
                if let Some(route) = node.exact.iter().find(|route| is_met(route)) {
                    return Some(*route);
                }
                break;
            };
            match node.children.get(segment) {
                Some(child) => node = self.nodes.get(*child)?,
                None => break,
            }
        }
        let passed = passed.get(..depth)?.iter().rev().flatten();
        let mut prefixes = passed.flat_map(|node| &node.prefix);
        prefixes.find(|route| is_met(route)).copied()
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
