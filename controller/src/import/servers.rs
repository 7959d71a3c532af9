//! Servers that exist, as one service of provider `fixed`.

use super::json::Value;
use super::{Draft, list, quoted};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

const NAME: [&str; 2] = ["node_name", "node name"];
const IP: [&str; 2] = ["node_ip", "node ip"];

pub(super) fn read(source: &str, port: u16, has_lb: bool) -> Draft {
    let mut draft = Draft::default();
    let entries = match Value::read(source) {
        Ok(file) => match file.object() {
            Some(entries) => entries,
            None => {
                let text = "no object: it is {\"1\": {\"node_name\": NAME, \"node_ip\": IP}, ...}";
                draft.problems.push(file.wrong(text));
                return draft;
            }
        },
        Err(problem) => {
            draft.problems.push(problem);
            return draft;
        }
    };
    let mut servers = Vec::new();
    for (key, entry) in entries {
        servers.extend(draft.server(&key, entry, port));
    }
    // By their numbers where they have them: "10" comes after "9".
    servers.sort_by_key(|(key, ..)| (key.parse::<u64>().unwrap_or(u64::MAX), key.clone()));
    let mut addresses: Vec<String> = Vec::new();
    for (_, name, address) in servers {
        let _ = writeln!(draft.sections, "# {name}: {address}");
        if addresses.contains(&address) {
            continue;
        }
        addresses.push(address);
    }
    if draft.problems.is_empty() && !addresses.is_empty() {
        let mut section = "[service.servers]\nprovider = \"fixed\"\n".to_owned();
        let _ = writeln!(section, "addresses = {}", list(&addresses));
        section.push_str("check = \"tcp\"\n");
        if has_lb {
            let _ = writeln!(section, "pool = {}", quoted("default"));
        }
        draft.sections = format!("\n{}{section}", draft.sections);
    }
    draft
}

impl Draft {
    /// Key, name and address of one server.
    fn server(&mut self, key: &str, entry: Value, port: u16) -> Option<(String, String, String)> {
        let Some(mut fields) = entry.object() else {
            let text = format!("server {key} is no object with node_name and node_ip");
            self.problems.push(entry.wrong(text));
            return None;
        };
        let name = NAME.iter().find_map(|it| fields.remove(*it));
        let ip = IP.iter().find_map(|it| fields.remove(*it));
        for (name, value) in fields {
            self.notes
                .push(value.wrong(format!("{name} of server {key}")));
        }
        let Some(ip) = ip else {
            let text = format!("server {key} has no node_ip");
            self.problems.push(entry.wrong(text));
            return None;
        };
        let text = ip.text().unwrap_or_default();
        let text = text.trim();
        let address = text.parse::<SocketAddr>().ok().or_else(|| {
            let ip: IpAddr = text.parse().ok()?;
            Some(SocketAddr::new(ip, port))
        });
        let Some(address) = address else {
            let text = format!("node_ip of server {key} is no IP or IP:PORT");
            self.problems.push(ip.wrong(text));
            return None;
        };
        let name = name.and_then(Value::text).unwrap_or_else(|| key.to_owned());
        let name = name.replace(char::is_control, " ");
        Some((key.to_owned(), name, address.to_string()))
    }
}
