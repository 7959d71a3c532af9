//! `lb-controller import`: a `fleet.toml` from the two files of an existing fleet.
//!
//! `server_details.json` names servers that exist: `{"1": {"node_name": "a", "node_ip": "10.0.0.4"}}`,
//! also with blanks for underscores. They become one service of provider `fixed`. `config.json`
//! names services that are started: `{"services": {"web": {"command": "serve {port}", "port": 7000}}}`
//! or the same as a list with names. What cannot be taken over is told with its place and kept as a
//! comment; the file that is made has been checked as `lb-controller check` does.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the files that it is about, and writes the one that it makes"
)]

mod json;
mod servers;
mod services;

use crate::spec::{self, Problem, Report};
use clap::Parser;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Services that are started: config.json
    #[arg(long, value_name = "FILE", required_unless_present = "servers")]
    config: Option<PathBuf>,
    /// Servers that exist: server_details.json
    #[arg(long, value_name = "FILE")]
    servers: Option<PathBuf>,
    /// Port at which servers listen whose address has none
    #[arg(long, default_value_t = 80)]
    port: u16,
    /// Admin API of an lb to put them behind, again for each
    #[arg(long, value_name = "URL")]
    lb: Vec<String>,
    /// Write to this file, which must not exist yet [default: print it]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A text of TOML as it grows, and what was wrong with its source.
#[derive(Default)]
struct Draft {
    sections: String,
    problems: Vec<Problem>,
    /// What is not taken over, with its place.
    notes: Vec<Problem>,
}

/// Reads the files, and writes or prints what they become.
///
/// # Errors
/// All that is wrong with them, with its places.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let mut sections = String::new();
    let mut reports = Vec::new();
    let files = [(&args.config, false), (&args.servers, true)];
    for (path, is_servers) in files {
        let Some(path) = path else { continue };
        let source = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let has_lb = !args.lb.is_empty();
        let draft = if is_servers {
            servers::read(&source, args.port, has_lb)
        } else {
            services::read(&source, has_lb)
        };
        sections.push_str(&draft.sections);
        if !draft.notes.is_empty() {
            eprintln!(
                "not taken over:\n{}",
                Report::new(path, &source, draft.notes)
            );
        }
        if !draft.problems.is_empty() {
            reports.push(Report::new(path, &source, draft.problems).to_string());
        }
    }
    if !reports.is_empty() {
        return Err(reports.join("\n"));
    }
    let text = head(&args.lb) + &sections;
    spec::check(&text).map_err(|report| format!("what was made of it is wrong:\n{report}"))?;
    match &args.output {
        None => {
            print!("{text}");
            Ok(())
        }
        Some(path) => write_new(path, &text),
    }
}

fn head(lbs: &[String]) -> String {
    let mut text = "# Made by lb-controller import.\n[controller]\n".to_owned();
    if !lbs.is_empty() {
        let _ = writeln!(text, "lbs = {}", list(lbs));
    }
    text
}

fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(path);
    file.as_mut()
        .map_err(|error| failed(std::io::Error::from(error.kind())))?
        .write_all(text.as_bytes())
        .map_err(failed)
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    // JSON's escapes are among those of TOML's basic strings.
    serde_json::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// The name of a service: lower case, with a dash for what it may not have.
fn service_name(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let name = lower.replace(|it| !allowed(it), "-");
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
