//! A configuration file with every setting at its default, as a comment.

use super::effective::{comment, write_setting};
use crate::config::{Scope, settings};

/// The head of the file, and what is not a comment: the smallest file that works.
const HEAD: &str = "\
# Configuration of lb. Settings with a # in front have the value that is shown.
# lb check FILE tells what is wrong with it, lb --config FILE runs it.
";

/// The file: sections with every setting, each with its help and its default.
#[must_use]
pub fn default_file() -> String {
    let mut text = HEAD.to_owned();
    write_scope(Scope::Global, &mut text);
    text.push_str("\n# Where clients connect. There may be several.\n[[listener]]\n");
    text.push_str("# The pool that serves it: needed where there are several\n# pool = \"web\"\n");
    write_scope(Scope::Listener, &mut text);
    text.push_str("\n# The backends of one service. There may be several, each with a name.\n");
    text.push_str("[pool.web]\nbackends = [\"127.0.0.1:5000\", \"127.0.0.1:5001\"]\n");
    write_scope(Scope::Pool, &mut text);
    text.push_str(
        "\n# Backends may also have a section each:\n\
         # [[pool.web.backend]]\n# address = \"127.0.0.1:5002\"\n# weight = 2\n\
         # max-connections = 16\n",
    );
    text
}

fn write_scope(scope: Scope, text: &mut String) {
    let of_scope = settings().filter(|setting| setting.section.scope == scope);
    for setting in of_scope.filter(|setting| setting.name != "backends") {
        let doc = setting.doc();
        text.push('\n');
        for paragraph in doc.split("\n\n") {
            text.push_str(&comment(&of_file(paragraph)));
        }
        match setting.default() {
            Some(default) => write_setting("# ", setting, &[default], text),
            None => {
                let line = format!("# {} = \"{}\"\n", setting.name, setting.placeholder);
                text.push_str(&line);
            }
        }
    }
}

/// Help as it reads in a file, where settings are keys and lists have brackets.
fn of_file(paragraph: &str) -> String {
    let words = paragraph
        .split(' ')
        .map(|word| match word.strip_prefix("--") {
            Some(key) if is_setting(key.trim_end_matches([',', ';', '.', ':'])) => key,
            _ => word,
        });
    let text: Vec<&str> = words.collect();
    text.join(" ").replace(" The flag can be repeated.", "")
}

fn is_setting(name: &str) -> bool {
    settings().any(|setting| setting.name == name)
}
