//! Host names to addresses, on a thread of its own: the system's resolver blocks.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use mio::Waker;

/// Questions that wait at most; more are dropped and asked again by the core.
const MAX_WAITING: usize = 64;

/// The answer for a host of the shell.
pub(super) struct Answer {
    pub(super) endpoint: usize,
    pub(super) host: String,
    pub(super) ip: Option<IpAddr>,
}

pub(super) struct Resolver {
    questions: SyncSender<(usize, String)>,
    answers: Receiver<Answer>,
}

impl Resolver {
    pub(super) fn start(waker: Arc<Waker>) -> Self {
        let (questions, asked) = sync_channel::<(usize, String)>(MAX_WAITING);
        let (told, answers) = channel();
        std::thread::spawn(move || answer_all(&asked, &told, &waker));
        Self { questions, answers }
    }

    pub(super) fn ask(&self, endpoint: usize, host: String) {
        // Full: whoever wanted to send will again.
        let _ = self.questions.try_send((endpoint, host));
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = Answer> {
        self.answers.try_iter()
    }
}

fn answer_all(asked: &Receiver<(usize, String)>, told: &Sender<Answer>, waker: &Waker) {
    while let Ok((endpoint, host)) = asked.recv() {
        let ip = first_ip(&host).map(|addr| addr.ip());
        let answer = Answer { endpoint, host, ip };
        if told.send(answer).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

/// The first IPv4 address of a host, or its first address; with port 0.
#[must_use]
pub fn first_ip(host: &str) -> Option<SocketAddr> {
    let all: Vec<SocketAddr> = (host, 0).to_socket_addrs().ok()?.collect();
    let v4 = all.iter().find(|addr| addr.is_ipv4());
    v4.or_else(|| all.first()).copied()
}
