//! `lb top`: a running lb in the terminal.
//!
//! One thread follows the live stream, over restarts of lb; orders have a thread each, so that the
//! screen goes on; this one draws and reads keys. The terminal is as it was after the end, a panic or
//! a signal.
//!
//! | file | owns |
//! |---|---|
//! | `model` | what the stream tells |
//! | `app` | what is shown and asked, and what keys do |
//! | `view` | how it is drawn |
//! | `link` | the stream, and orders |

mod app;
mod link;
mod model;
mod view;

use super::admin_client::AdminClient;
use crate::cli::TopFlags;
use crate::stderr::{fail, say};
use app::{App, Asked};
use link::Message;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::process::Signal;
use std::io::{self, IsTerminal as _, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// Shows lb until it is quit or a signal comes.
pub(crate) fn carry_out(flags: &TopFlags) -> ExitCode {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return fail(&"lb top needs a terminal; lb ctl backends prints a table");
    }
    let client = match AdminClient::new(&flags.admin) {
        Ok(client) => client,
        Err(failure) => return fail(&failure),
    };
    // A lb that refuses is no screen's matter; one that is not there yet is waited for.
    if let Err(failure @ super::admin_client::Failure::Refused(..)) = client.get("/v1/status") {
        return fail(&failure);
    }
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let flag = Arc::clone(&stopping);
        if let Err(error) = signal_hook::flag::register(signal.as_raw(), flag) {
            return fail(&format!("signals cannot be watched: {error}"));
        }
    }
    let (sender, messages) = channel();
    link::follow(client.clone(), sender.clone());
    let terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => return fail(&format!("the terminal cannot be used: {error}")),
    };
    let ended = run(terminal, &client, &sender, &messages, &stopping);
    ratatui::restore();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format_args!("lb: the terminal is gone: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(
    mut terminal: DefaultTerminal,
    client: &AdminClient,
    sender: &Sender<Message>,
    messages: &Receiver<Message>,
    stopping: &AtomicBool,
) -> io::Result<()> {
    let mut app = App::default();
    while !stopping.load(Ordering::Relaxed) {
        for message in messages.try_iter() {
            link::take(&mut app, message);
        }
        terminal.draw(|frame| view::draw(&app, frame))?;
        // Interrupted by a signal, it returns at once.
        if !poll()? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match app.key(key) {
                Asked::Nothing => {}
                Asked::Quit => break,
                Asked::Order(order) => link::order(client.clone(), order, sender.clone()),
            }
        }
    }
    Ok(())
}

fn poll() -> io::Result<bool> {
    match event::poll(FRAME) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        other => other,
    }
}

#[cfg(test)]
mod tests;
