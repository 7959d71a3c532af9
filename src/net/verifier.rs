//! Verifies credentials on a thread of its own: a hash takes a tenth of a second and more, which no
//! loop may wait for.

use crate::clock::Clock;
use crate::ids::ClientConnId;
use crate::route::Credentials;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Credentials that wait: at a tenth of a second each they take six seconds.
const MAX_WAITING: usize = 64;
/// After this a verdict for which a worker had no room is told again.
const TELL_AGAIN: Duration = Duration::from_millis(10);

/// What is to be verified, and for whom.
#[derive(Debug)]
struct Job {
    worker: usize,
    client: ClientConnId,
    credentials: Credentials,
}

/// The way of one worker to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    worker: usize,
    jobs: SyncSender<Job>,
}

impl Verifier {
    /// Starts the thread. It ends with the last of its senders. `tell` is told whose credentials
    /// have been verified, and returns whether the worker had room for that.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub(crate) fn start(
        clock: Clock,
        tell: impl Fn(usize, ClientConnId) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, taken) = sync_channel(MAX_WAITING);
        let thread = thread::Builder::new().name("lb-verify".to_owned());
        thread.spawn(move || run(&taken, clock, tell))?;
        Ok(Self { worker: 0, jobs })
    }

    /// The same for another worker.
    pub(crate) fn of(&self, worker: usize) -> Self {
        Self {
            worker,
            jobs: self.jobs.clone(),
        }
    }

    /// Has credentials verified. Returns whether there is room for that.
    pub(super) fn verify(&self, client: ClientConnId, credentials: Credentials) -> bool {
        let job = Job {
            worker: self.worker,
            client,
            credentials,
        };
        self.jobs.try_send(job).is_ok()
    }
}

fn run(jobs: &Receiver<Job>, clock: Clock, tell: impl Fn(usize, ClientConnId) -> bool) {
    let mut untold: Vec<(usize, ClientConnId)> = Vec::new();
    loop {
        let job = match untold.is_empty() {
            true => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => jobs.recv_timeout(TELL_AGAIN),
        };
        match job {
            Ok(job) => {
                job.credentials.verify(clock.now());
                untold.push((job.worker, job.client));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        untold.retain(|(worker, client)| !tell(*worker, *client));
    }
}
