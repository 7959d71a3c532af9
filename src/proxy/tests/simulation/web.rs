//! HTTP: clients and backends that talk past each other, with the server in between.

use super::backend::{Backend, Ledger};
use super::client::Client;
use super::weather::{Scene, Weather};
use crate::config::Mode;

/// Things that happen in one run.
const STEPS: usize = 150;
/// Rounds after which all must have finished, more than any calm needs.
const MAX_ROUNDS: usize = 4000;

struct Web {
    seed: u64,
    clients: Vec<Client>,
    backends: Vec<Backend>,
    links: usize,
    ledger: Ledger,
    is_stopping: bool,
}

pub(super) fn run(seed: u64, weather: Weather) {
    let mut scene = Scene::new(Mode::Http, seed, weather);
    let mut web = Web {
        seed,
        clients: Vec::new(),
        backends: Vec::new(),
        links: 0,
        ledger: Ledger::default(),
        is_stopping: false,
    };
    for _ in 0..STEPS {
        web.happen(&mut scene);
        for _ in 0..scene.rng.below(3) {
            scene.turn(|scene| web.act(scene));
        }
    }
    if weather == Weather::Calm {
        web.finish(&mut scene);
    }
    scene.leave();
}

impl Web {
    /// Something happens: to a peer, to time, to the server.
    fn happen(&mut self, scene: &mut Scene) {
        match scene.rng.below(40) {
            0 | 1 if !self.is_stopping && self.clients.len() < 6 => {
                let client = Client::new(scene, self.seed, self.clients.len());
                self.clients.push(client);
            }
            2 => scene.change_dials(),
            3..=8 => scene.pass(),
            9 if scene.mishap(30) => {
                scene.stage.proxy.stop(scene.stage.now);
                self.is_stopping = true;
            }
            _ => self.act(scene),
        }
    }

    /// A peer does something.
    fn act(&mut self, scene: &mut Scene) {
        let news = scene.new_links(&mut self.links);
        self.backends.extend(news.into_iter().map(Backend::new));
        let peers = self.clients.len() + self.backends.len();
        let chosen = scene.rng.below(peers);
        if let Some(client) = self.clients.get_mut(chosen) {
            client.act(scene);
        } else if let Some(backend) = self.backends.get_mut(chosen - self.clients.len()) {
            backend.act(scene, &mut self.ledger, self.seed);
        }
    }

    /// No peer is at fault: all clients get all responses.
    fn finish(&mut self, scene: &mut Scene) {
        scene.hurry();
        for _ in 0..MAX_ROUNDS {
            if self.clients.iter().all(Client::is_satisfied) {
                return;
            }
            self.act(scene);
            scene.turn(|_| ());
        }
        panic!("somebody waits for ever");
    }
}
