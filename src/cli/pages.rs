//! Pages made from the flags: completions for shells, and the manual.

use super::flags::Flags;
use super::{Complaints, Invocation};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io;
use std::path::{Path, PathBuf};

/// Print completions for a shell: bash, zsh, fish and others
///
/// For bash: lb completions bash > /usr/share/bash-completion/completions/lb
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
pub(super) struct CompletionFlags {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write the manual: a page for lb and one for each command
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
pub(super) struct ManFlags {
    /// The folder for the pages, which must be there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl CompletionFlags {
    pub(super) fn invocation(&self) -> Result<Invocation, Complaints> {
        let mut page = Vec::new();
        clap_complete::generate(self.shell, &mut Flags::command(), "lb", &mut page);
        Ok(Invocation::List(
            String::from_utf8_lossy(&page).into_owned(),
        ))
    }
}

impl ManFlags {
    pub(super) fn invocation(self) -> Result<Invocation, Complaints> {
        Ok(Invocation::Manual(self.folder))
    }
}

/// Writes the manual into a folder.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write_manual(folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Flags::command(), folder)
}
