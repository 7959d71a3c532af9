//! The settings in which a file differs from an earlier reading of it.

use super::section::{Section, Sections};
use crate::config::{Setting, settings};

/// Settings that say which listeners and backends there are: what changes of those is told by
/// whoever adds and removes them.
const MEMBERS: [&str; 2] = ["listen", "backends"];

/// A line for each setting that differs, in the sections that both have: pools of one name,
/// listeners of one address.
pub(super) fn of(old: &Sections, new: &Sections) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &old.process, &new.process, &mut lines);
    for pool in &new.pools {
        if let Some(before) = old.pools.iter().find(|it| it.name == pool.name) {
            compare(&format!("pool {}: ", pool.name), before, pool, &mut lines);
        }
    }
    for listener in &new.listeners {
        let addresses = texts(listener, "listen");
        let is_same = |it: &&Section| texts(it, "listen") == addresses;
        if let Some(before) = old.listeners.iter().find(is_same) {
            let name = format!("listener {}: ", addresses.join(","));
            compare(&name, before, listener, &mut lines);
        }
    }
    lines
}

fn compare(name: &str, old: &Section, new: &Section, lines: &mut Vec<String>) {
    let known = |setting: &&Setting| !MEMBERS.contains(&setting.name);
    for setting in settings().filter(known) {
        let (from, to) = (shown(old, setting), shown(new, setting));
        if from != to {
            lines.push(format!("{name}{} {from} -> {to}", setting.name));
        }
    }
}

/// The value of a setting as it is written, or its default.
fn shown(section: &Section, setting: &Setting) -> String {
    let given = texts(section, setting.name);
    match (given.as_slice(), setting.is_list) {
        ([], _) => setting.default().unwrap_or_else(|| "none".to_owned()),
        (all, true) => all.join(","),
        ([.., last], false) => (*last).to_owned(),
    }
}

fn texts<'a>(section: &'a Section, name: &str) -> Vec<&'a str> {
    let entries = section.entries.iter();
    let own = entries.filter(|entry| entry.setting.name == name);
    own.map(|entry| entry.text.as_str()).collect()
}
