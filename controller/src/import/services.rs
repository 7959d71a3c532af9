//! Services that are started, each as a service of provider `process`.

use super::json::Value;
use super::{Draft, list, quoted, service_name};
use std::collections::BTreeMap;
use std::fmt::Write;

const NAME: [&str; 3] = ["name", "service_name", "service name"];
const COMMAND: [&str; 3] = ["command", "cmd", "start_command"];
const COUNT: [&str; 3] = ["instances", "replicas", "count"];
const ENVIRONMENT: [&str; 2] = ["environment", "env"];

type Fields<'a> = BTreeMap<String, Value<'a>>;

pub(super) fn read(source: &str, has_lb: bool) -> Draft {
    let mut draft = Draft::default();
    let file = match Value::read(source) {
        Ok(file) => file,
        Err(problem) => {
            draft.problems.push(problem);
            return draft;
        }
    };
    let mut entries = file.object().unwrap_or_default();
    let Some(services) = entries.remove("services") else {
        let text = "no services: it is {\"services\": {NAME: {\"command\": ..., \"port\": ...}}}";
        draft.problems.push(file.wrong(text));
        return draft;
    };
    for (name, value) in entries {
        draft.notes.push(value.wrong(name));
    }
    let mut names = Vec::new();
    for (name, service) in draft.named(services) {
        let short = service_name(&name);
        if short.is_empty() || names.contains(&short) {
            let text = format!("{name:?} is no name of a service, or is there twice");
            draft.problems.push(service.wrong(text));
            continue;
        }
        draft.service(&short, service, has_lb);
        names.push(short);
    }
    draft
}

fn take<'a>(fields: &mut Fields<'a>, keys: &[&str]) -> Option<Value<'a>> {
    keys.iter().find_map(|key| fields.remove(*key))
}

impl Draft {
    /// The services with their names, of an object or of a list.
    fn named<'a>(&mut self, services: Value<'a>) -> Vec<(String, Value<'a>)> {
        if let Some(entries) = services.object() {
            return entries.into_iter().collect();
        }
        let Some(items) = services.list() else {
            let text = "services is neither an object nor a list";
            self.problems.push(services.wrong(text));
            return Vec::new();
        };
        let mut named = Vec::new();
        for item in items {
            let mut fields = item.object().unwrap_or_default();
            match take(&mut fields, &NAME).and_then(Value::text) {
                Some(name) => named.push((name, item)),
                None => self.problems.push(item.wrong("a service without a name")),
            }
        }
        named
    }

    fn service(&mut self, name: &str, service: Value, has_lb: bool) {
        let Some(mut fields) = service.object() else {
            let text = format!("service {name} is no object with a command");
            self.problems.push(service.wrong(text));
            return;
        };
        take(&mut fields, &NAME);
        let Some(command) = self.command(name, service, &mut fields) else {
            return;
        };
        let count = self.number(&mut fields, &COUNT, 1..=1_000).unwrap_or(1);
        let mut text = format!("\n[service.{name}]\ncommand = {}\n", list(&command));
        let environment = self.environment(&mut fields);
        if !environment.is_empty() {
            let _ = writeln!(text, "environment = {{ {} }}", environment.join(", "));
        }
        let port = self.number(&mut fields, &["port"], 1..=65_535);
        let uses_port = text.contains("{port}");
        match (port, uses_port) {
            (Some(port), true) => {
                // One more than servers, to replace one.
                let last = (port + count).min(65_535);
                let _ = writeln!(text, "ports = \"{port}-{last}\"\ncheck = \"tcp\"");
                if has_lb {
                    text.push_str("pool = \"default\"\n");
                }
            }
            (Some(port), false) => {
                let why = format!("port {port} of {name}: its command has no {{port}}");
                self.notes.push(service.wrong(why));
            }
            (None, true) => {
                let why = format!("the command of {name} has {{port}}, and port is not given");
                self.problems.push(service.wrong(why));
            }
            (None, false) => {}
        }
        let _ = writeln!(text, "servers = {{ desired = {count}, max = {count} }}");
        for (key, value) in fields {
            self.notes.push(value.wrong(format!("{key} of {name}")));
        }
        self.sections.push_str(&text);
    }

    /// Program and arguments, of a list or of words with blanks between them.
    fn command(&mut self, name: &str, service: Value, fields: &mut Fields) -> Option<Vec<String>> {
        let Some(command) = take(fields, &COMMAND) else {
            let text = format!("service {name} has no command: nothing says how it is started");
            self.problems.push(service.wrong(text));
            return None;
        };
        let words = match command.list() {
            Some(items) => items.into_iter().map(Value::text).collect(),
            None => command
                .text()
                .map(|text| text.split_whitespace().map(str::to_owned).collect()),
        };
        let words: Option<Vec<String>> = words;
        let words = words.filter(|words| !words.is_empty());
        // A shell's quotes are not read: what they keep together would be taken apart.
        let is_quoted = command.list().is_none() && command.text()?.contains(['"', '\'', '\\']);
        if is_quoted || words.is_none() {
            let text =
                format!("the command of {name} is a list of strings, or words without quotes");
            self.problems.push(command.wrong(text));
            return None;
        }
        words
    }

    fn environment(&mut self, fields: &mut Fields) -> Vec<String> {
        let Some(environment) = take(fields, &ENVIRONMENT) else {
            return Vec::new();
        };
        let Some(entries) = environment.object() else {
            let text = "an environment is an object of strings";
            self.problems.push(environment.wrong(text));
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (key, value) in entries {
            let number = || value.number().map(|it| it.to_string());
            match value.text().or_else(number) {
                Some(text) => pairs.push(format!("{} = {}", quoted(&key), quoted(&text))),
                None => self
                    .problems
                    .push(value.wrong(format!("{key} is no string"))),
            }
        }
        pairs
    }

    fn number(
        &mut self,
        fields: &mut Fields,
        keys: &[&str],
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = take(fields, keys)?;
        let number = value.number().filter(|it| range.contains(it));
        if number.is_none() {
            let (first, last) = (range.start(), range.end());
            let key = keys.first().copied().unwrap_or_default();
            let text = format!("{key} is a whole number from {first} to {last}");
            self.problems.push(value.wrong(text));
        }
        number
    }
}
