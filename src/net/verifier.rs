//! Verifies credentials on a thread of its own: a hash takes a tenth of a second and more, which no
//! loop may wait for. The order is that of the [`VerificationQueue`].

use crate::clock::Clock;
use crate::ids::ClientConnId;
use crate::route::{Credentials, Placed, VerificationJob, VerificationQueue};
use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// After this a verdict for which a worker had no room is told again.
const TELL_AGAIN: Duration = Duration::from_millis(10);

/// A client connection of a worker.
type Waiter = (usize, ClientConnId);

/// What workers leave for the thread.
#[derive(Debug, Default)]
struct Desk {
    queue: VerificationQueue<Waiter>,
    /// They lost their places, and are told to ask again.
    displaced: Vec<Waiter>,
}

/// The way of one worker to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    worker: usize,
    desk: Arc<Mutex<Desk>>,
    /// Wakes the thread, once for all that lies there.
    bell: SyncSender<()>,
}

impl Verifier {
    /// Starts the thread. It ends with the last of its senders. `tell` is told whose credentials
    /// have been verified, or have to be judged again, and returns whether the worker had room for
    /// that.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub(crate) fn start(
        clock: Clock,
        tell: impl Fn(usize, ClientConnId) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (bell, rung) = sync_channel(1);
        let desk = Arc::<Mutex<Desk>>::default();
        let thread = thread::Builder::new().name("lb-verify".to_owned());
        let of_thread = Arc::clone(&desk);
        thread.spawn(move || run(&rung, &of_thread, clock, tell))?;
        Ok(Self {
            worker: 0,
            desk,
            bell,
        })
    }

    /// The same for another worker.
    pub(crate) fn of(&self, worker: usize) -> Self {
        Self {
            worker,
            desk: Arc::clone(&self.desk),
            bell: self.bell.clone(),
        }
    }

    /// Has credentials verified. Returns whether there is room for that.
    pub(super) fn verify(&self, client: ClientConnId, credentials: Credentials) -> bool {
        let mut desk = lock(&self.desk);
        match desk.queue.add(credentials, (self.worker, client)) {
            Placed::NoRoom => return false,
            Placed::Waiting => {}
            Placed::InPlaceOf(displaced) => desk.displaced.extend(displaced),
        }
        drop(desk);
        // If it has been rung already, the thread will see this too.
        let _ = self.bell.try_send(());
        true
    }
}

/// What another thread has left behind is sound at every step.
fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(
    rung: &Receiver<()>,
    desk: &Mutex<Desk>,
    clock: Clock,
    tell: impl Fn(usize, ClientConnId) -> bool,
) {
    let mut untold: Vec<Waiter> = Vec::new();
    loop {
        let woken = match untold.is_empty() {
            true => rung.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => rung.recv_timeout(TELL_AGAIN),
        };
        if woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        while let Some(job) = take(desk, &mut untold) {
            job.credentials.verify(clock.now());
            untold.extend(job.waiting);
            untold.retain(|(worker, client)| !tell(*worker, *client));
        }
        untold.retain(|(worker, client)| !tell(*worker, *client));
    }
}

/// Takes the credentials whose turn it is, and those that lost their places.
fn take(desk: &Mutex<Desk>, untold: &mut Vec<Waiter>) -> Option<VerificationJob<Waiter>> {
    let mut desk = lock(desk);
    untold.extend(mem::take(&mut desk.displaced));
    desk.queue.take_next()
}
