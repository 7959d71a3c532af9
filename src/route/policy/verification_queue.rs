//! Credentials that wait to be verified, in an order that is fair to clients.
//!
//! A hash takes a tenth of a second and more, so a client that guesses passwords could keep
//! everybody else waiting. Clients have their turn one after another, the one that was served
//! longest ago first; and where there is no room, a client that has fewer waiting takes the place of
//! one that has more. Credentials that several requests come with are verified once for all: an
//! application with a hundred connections whose verdict is over takes one place, not a hundred.
//!
//! Refused: a limit for each client. It would be too low for an office behind one address, or too
//! high for the others.

use super::auth::Credentials;
use std::collections::VecDeque;
use std::mem;

/// Different credentials that wait at once: at a tenth of a second each they take six seconds.
const MAX_WAITING: usize = 64;

/// Credentials that wait, each with those that wait for its verdict.
#[derive(Debug)]
pub struct VerificationQueue<W> {
    /// In the order in which they came.
    jobs: Vec<VerificationJob<W>>,
    /// Clients that had their turn, the last one at the end.
    served: VecDeque<u64>,
}

/// Credentials to verify, and what waits for the verdict.
#[derive(Debug)]
pub struct VerificationJob<W> {
    /// To be verified.
    pub credentials: Credentials,
    /// To be told then.
    pub waiting: Vec<W>,
}

/// What became of credentials that were added.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed<W> {
    /// They wait.
    Waiting,
    /// They wait in place of others, of a client with more; these have to ask again.
    InPlaceOf(Vec<W>),
    /// There is no room for them.
    NoRoom,
}

impl<W> Default for VerificationQueue<W> {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            served: VecDeque::new(),
        }
    }
}

impl<W> VerificationQueue<W> {
    /// Adds credentials whose verdict `waiter` wants.
    pub fn add(&mut self, credentials: Credentials, waiter: W) -> Placed<W> {
        let mut jobs = self.jobs.iter_mut();
        if let Some(job) = jobs.find(|job| job.credentials.key() == credentials.key()) {
            job.waiting.push(waiter);
            return Placed::Waiting;
        }
        let mut placed = Placed::Waiting;
        if self.jobs.len() >= MAX_WAITING {
            let Some(latest) = self.latest_of_busiest(credentials.client()) else {
                return Placed::NoRoom;
            };
            placed = Placed::InPlaceOf(mem::take(&mut self.jobs.remove(latest).waiting));
        }
        self.jobs.push(VerificationJob {
            credentials,
            waiting: vec![waiter],
        });
        placed
    }

    /// The credentials whose turn it is.
    pub fn take_next(&mut self) -> Option<VerificationJob<W>> {
        let turn = |job: &VerificationJob<W>| {
            let client = job.credentials.client();
            self.served.iter().position(|served| *served == client)
        };
        // A client that was not served before comes first, and of alike ones the one that came first.
        let jobs = self.jobs.iter().enumerate();
        let (index, _) = jobs.min_by_key(|(_, job)| turn(job))?;
        let job = self.jobs.remove(index);
        let client = job.credentials.client();
        self.served.retain(|served| *served != client);
        self.served.push_back(client);
        if self.served.len() > MAX_WAITING {
            self.served.pop_front();
        }
        Some(job)
    }

    /// The place of the last credentials of the client that has most, if `client` would not have as
    /// many with one more.
    fn latest_of_busiest(&self, client: u64) -> Option<usize> {
        let count = |client: u64| {
            let jobs = self.jobs.iter();
            jobs.filter(|job| job.credentials.client() == client)
                .count()
        };
        let jobs = self.jobs.iter().enumerate();
        let counted = jobs.map(|(index, job)| (count(job.credentials.client()), index));
        let (most, latest) = counted.max()?;
        (most > count(client) + 1).then_some(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::auth::tests::credentials_of;
    use super::*;

    /// Adds credentials number `nth` of a client, which are waited for by that number.
    fn add(queue: &mut VerificationQueue<u32>, client: u64, nth: u32) -> Placed<u32> {
        queue.add(credentials_of(client, u64::from(nth)), nth)
    }

    fn next(queue: &mut VerificationQueue<u32>) -> Vec<u32> {
        queue.take_next().map(|job| job.waiting).unwrap_or_default()
    }

    #[test]
    fn clients_take_turns() {
        let mut queue = VerificationQueue::default();
        for nth in 0..10 {
            assert_eq!(add(&mut queue, 66, nth), Placed::Waiting);
        }
        assert_eq!(next(&mut queue), [0]);
        add(&mut queue, 1, 100);
        add(&mut queue, 2, 200);
        add(&mut queue, 1, 101);
        let order: Vec<_> = (0..6).map(|_| next(&mut queue)[0]).collect();
        assert_eq!(order, [100, 200, 1, 101, 2, 3]);
    }

    #[test]
    fn the_same_credentials_are_verified_once() {
        let mut queue = VerificationQueue::default();
        for nth in 0..500 {
            assert_eq!(queue.add(credentials_of(1, 7), nth), Placed::Waiting);
        }
        assert_eq!(next(&mut queue).len(), 500);
        assert!(queue.take_next().is_none());
    }

    #[test]
    fn a_client_that_guesses_leaves_room_for_others() {
        let mut queue = VerificationQueue::default();
        for nth in 0..MAX_WAITING as u32 {
            add(&mut queue, 66, nth);
        }
        assert_eq!(add(&mut queue, 66, 900), Placed::NoRoom);
        // The last one gives way.
        assert_eq!(add(&mut queue, 1, 100), Placed::InPlaceOf(vec![63]));
        assert_eq!(add(&mut queue, 66, 63), Placed::NoRoom, "it asks again");
        assert_eq!(next(&mut queue), [0], "it came first");
        assert_eq!(next(&mut queue), [100]);
        // Where all have their share, nobody gives way.
        let mut queue = VerificationQueue::default();
        for nth in 0..MAX_WAITING as u32 {
            add(&mut queue, u64::from(nth), nth);
        }
        assert_eq!(add(&mut queue, 900, 900), Placed::NoRoom);
        assert_eq!(queue.jobs.len(), MAX_WAITING);
        while queue.take_next().is_some() {}
        assert!(queue.served.len() <= MAX_WAITING);
    }
}
