//! A configuration as it is in effect, in the notation of the file.

use super::section::{Section, Sections};
use crate::config::{Scope, Setting, settings};

/// The longest line of a comment.
const WIDTH: usize = 98;

/// The sections with every setting: those that were given, and the rest as comments with their
/// defaults.
pub(super) fn text(sections: &Sections) -> String {
    let mut text = String::new();
    write_section(&sections.process, Scope::Global, &mut text);
    for listener in &sections.listeners {
        text.push_str("\n[[listener]]\n");
        if let Some(name) = &listener.label {
            text.push_str(&format!("name = {}\n", quoted(name)));
        }
        if let Some(pool) = &listener.pool {
            text.push_str(&format!("pool = {}\n", quoted(&pool.name)));
        }
        write_section(listener, Scope::Listener, &mut text);
    }
    for route in &sections.routes {
        text.push_str(&format!("\n{}", route.text));
    }
    for pool in &sections.pools {
        text.push_str(&format!("\n[{}]\n", pool.path));
        write_section(pool, Scope::Pool, &mut text);
    }
    text
}

fn write_section(section: &Section, scope: Scope, text: &mut String) {
    for setting in settings().filter(|setting| setting.section.scope == scope) {
        let own = section.entries.iter();
        let own = own.filter(|entry| entry.setting.name == setting.name);
        let values: Vec<String> = own.map(|entry| entry.text.clone()).collect();
        match (values.as_slice(), setting.default()) {
            ([], Some(default)) => write_setting("# ", setting, &[default], text),
            ([], None) => {}
            (values, _) => write_setting("", setting, values, text),
        }
    }
}

/// Writes the line of a setting.
pub(super) fn write_setting(before: &str, setting: &Setting, values: &[String], text: &mut String) {
    let values: Vec<String> = values.iter().map(|value| value_text(value)).collect();
    let value = match (setting.is_list, values.as_slice()) {
        (false, [.., last]) => last.clone(),
        (_, values) => format!("[{}]", values.join(", ")),
    };
    text.push_str(&format!("{before}{} = {value}\n", setting.name));
}

/// A number as it is, anything else in quotes.
fn value_text(value: &str) -> String {
    let is_number = !value.is_empty()
        && value.len() < 18
        && value.bytes().all(|byte| byte.is_ascii_digit())
        && (value == "0" || !value.starts_with('0'));
    match is_number {
        true => value.to_owned(),
        false => quoted(value),
    }
}

/// A basic string of TOML.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A paragraph as lines of a comment.
pub(super) fn comment(paragraph: &str) -> String {
    let mut text = String::new();
    for line in paragraph.lines() {
        let mut width = 0;
        for word in line.split(' ') {
            let fits = width > 0 && width + 1 + word.len() <= WIDTH;
            match fits {
                true => text.push(' '),
                false if width > 0 => text.push_str("\n# "),
                false => text.push_str("# "),
            }
            width = if fits { width + 1 } else { 0 } + word.len();
            text.push_str(word);
        }
        text.push('\n');
    }
    text
}
