//! The discovery thread: follows files of backends and names, and has the balancer changed by what
//! they say.
//!
//! It is a thread of its own, because files may block. What is wanted is
//! [planned](crate::discovery) there; the first worker makes the changes, a few at a time between
//! its turns, and the others follow it.

mod follower;
mod link;
mod pool;

pub(super) use link::{DiscoveryLink, EndDiscovery};

use super::Handle;
use crate::address::Address;
use crate::clock::Clock;
use crate::config::{BackendSpec, Config, Discover, Dns};
use crate::net::{FileWatch, WAKER, events};
use crate::time::Timestamp;
use follower::NameFollower;
use mio::{Events, Poll, Token};
use pool::FollowedPool;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Time that a folder is quiet before its files are looked at: a file that is being written is not
/// whole.
const SETTLE: Duration = Duration::from_millis(20);
/// Time between two looks at files whose folders have events.
const WATCHED_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two looks at files whose folders have none.
const UNWATCHED_INTERVAL: Duration = Duration::from_secs(1);
/// Time until a change is tried again that was not taken.
const RETRY: Duration = Duration::from_millis(500);
/// The token of the events of folders; those of sockets come behind it.
const FOLDERS: Token = Token(0);
const SOCKETS: usize = 1;

/// Returns whether a backend is found by discovery alone, from the start.
pub(super) fn is_followed(dns: &Dns, discover: Discover, backend: &BackendSpec) -> bool {
    let by_discovery = !dns.nameservers.is_empty() || discover == Discover::AllAddresses;
    by_discovery && backend.is_named()
}

/// Discovery that is ready to begin.
#[derive(Debug)]
pub(super) struct Discovery {
    link: Arc<DiscoveryLink>,
    poll: Poll,
    pools: Vec<FollowedPool>,
    names: NameFollower,
}

impl Discovery {
    /// What is to be discovered; `None`: nothing. `present` are the backends that are there from the
    /// start, with the addresses of each of each pool.
    ///
    /// # Errors
    /// The system has no room for events.
    pub(super) fn of(
        config: &Config,
        present: &Config,
        addresses: &[Vec<Vec<Address>>],
    ) -> io::Result<Option<Self>> {
        let of_pools = config.pool_ids().zip(present.pools()).zip(addresses);
        let pools = of_pools.filter_map(|(((id, pool), present), addresses)| {
            FollowedPool::of(id, (&config.dns, pool), present, addresses)
        });
        let pools: Vec<_> = pools.collect();
        if pools.is_empty() {
            return Ok(None);
        }
        let (poll, waker) = events()?;
        let names = NameFollower::new(&config.dns, poll.registry().try_clone()?, SOCKETS);
        Ok(Some(Self {
            link: Arc::new(DiscoveryLink::new(waker)),
            poll,
            pools,
            names,
        }))
    }

    pub(super) const fn link(&self) -> &Arc<DiscoveryLink> {
        &self.link
    }

    /// Begins. The thread ends with the value that is returned.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(self, handle: Handle) -> io::Result<EndDiscovery> {
        let end = EndDiscovery::of(&self.link);
        let watch = FileWatch::start(self.poll.registry(), FOLDERS);
        let mut thread = DiscoveryThread {
            handle,
            link: self.link,
            poll: self.poll,
            watch,
            pools: self.pools,
            names: self.names,
            clock: Clock::start(),
            look_at: Timestamp::ZERO,
            is_touched: false,
        };
        // Nothing waits for it: a look at a file may block for long.
        thread::Builder::new()
            .name("lb-discovery".to_owned())
            .spawn(move || {
                thread.run();
                thread.link.hang_up();
            })?;
        Ok(end)
    }
}

struct DiscoveryThread {
    handle: Handle,
    link: Arc<DiscoveryLink>,
    poll: Poll,
    watch: FileWatch,
    pools: Vec<FollowedPool>,
    names: NameFollower,
    clock: Clock,
    /// When the files are looked at again.
    look_at: Timestamp,
    /// Whether their folders have had events.
    is_touched: bool,
}

impl DiscoveryThread {
    fn run(&mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            if self.clock.now() >= self.look_at {
                self.look();
            }
            self.look_up();
            self.apply();
            if !self.wait(&mut events) {
                return;
            }
        }
    }

    /// Waits until something is due. Returns whether to go on.
    fn wait(&mut self, events: &mut Events) -> bool {
        let now = self.clock.now();
        let is_unfinished = self.pools.iter().any(FollowedPool::is_unfinished);
        let retry = if is_unfinished {
            now + RETRY
        } else {
            Timestamp::NEVER
        };
        let due = self.look_at.min(self.names.next_wakeup()).min(retry);
        let timeout = (due != Timestamp::NEVER).then(|| due.since(now));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(_) => return false,
            Ok(()) => {}
        }
        let now = self.clock.now();
        for token in events.iter().map(mio::event::Event::token) {
            match token {
                WAKER => {}
                FOLDERS => {
                    self.is_touched = true;
                    self.look_at = self.look_at.min(now + SETTLE);
                }
                socket => self.names.ready(socket, now),
            }
        }
        !self.link.is_stopped()
    }

    /// Looks at the files.
    fn look(&mut self) {
        self.watch.clear();
        let (mut has_files, mut has_events) = (false, true);
        for pool in &mut self.pools {
            if let Some(path) = pool.file() {
                has_files = true;
                has_events &= self.watch.watch(path);
            }
            if let Some(event) = pool.look(self.is_touched) {
                self.link.tell(&event);
            }
        }
        self.is_touched = false;
        self.look_at = match (has_files, has_events) {
            (false, _) => Timestamp::NEVER,
            (true, true) => self.clock.now() + WATCHED_INTERVAL,
            (true, false) => self.clock.now() + UNWATCHED_INTERVAL,
        };
    }

    /// Looks up the names that are due.
    fn look_up(&mut self) {
        let names: BTreeSet<_> = self.pools.iter().flat_map(FollowedPool::names).collect();
        let has_changed = self.names.advance(&names, self.clock.now());
        for event in self.names.take_events() {
            self.link.tell(&event);
        }
        if has_changed {
            self.pools.iter_mut().for_each(FollowedPool::plan_again);
        }
    }

    fn apply(&mut self) {
        for pool in &mut self.pools {
            for event in pool.apply(&self.handle, self.names.known(), self.clock.now()) {
                self.link.tell(&event);
            }
        }
    }
}
