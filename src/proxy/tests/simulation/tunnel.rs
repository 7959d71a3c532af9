//! TCP: bytes both ways, ends and breaks, and nothing in between.

use super::noise::{self, stretch};
use super::weather::{Scene, Weather};
use super::{End, Rng, WireId};
use crate::config::Mode;

/// Things that happen in one run.
const STEPS: usize = 120;
/// Rounds after which all must have finished, more than any calm needs.
const MAX_ROUNDS: usize = 4000;

/// Returns the bytes of a client: its own number first.
fn of_client(seed: u64, number: usize) -> Vec<u8> {
    let mut said = vec![number as u8];
    said.extend_from_slice(speech(seed ^ (number * 2 + 1) as u64));
    said
}

/// Returns the bytes of a backend to it.
fn of_backend(seed: u64, number: usize) -> Vec<u8> {
    speech(seed ^ (number * 2) as u64).to_vec()
}

fn speech(seed: u64) -> &'static [u8] {
    let mut rng = Rng::new(seed);
    let len = match rng.below(8) {
        0 => 0,
        1..=6 => rng.below(2000),
        _ => rng.below(200_000),
    };
    stretch(seed, len)
}

/// One end of a tunnel.
struct BufferedConn {
    wire: WireId,
    /// The bytes it sends, once known.
    out: Option<Vec<u8>>,
    /// The bytes it expects, once known.
    hears: Option<Vec<u8>>,
    heard: usize,
    is_over: bool,
}

impl BufferedConn {
    fn client(scene: &mut Scene, seed: u64, number: usize) -> Self {
        Self {
            wire: scene.connect(),
            out: Some(of_client(seed, number)),
            hears: Some(of_backend(seed, number)),
            heard: 0,
            is_over: false,
        }
    }

    fn backend(wire: WireId) -> Self {
        Self {
            wire,
            out: None,
            hears: None,
            heard: 0,
            is_over: false,
        }
    }

    fn act(&mut self, scene: &mut Scene, seed: u64) {
        if self.is_over || !scene.open(self.wire) {
            return;
        }
        if scene.mishap(40) && scene.may_send(self.wire) {
            scene.reset(self.wire);
            self.is_over = true;
        } else if scene.chance(2) {
            self.speak(scene);
        } else {
            self.listen(scene, seed);
        }
    }

    fn speak(&mut self, scene: &mut Scene) {
        let Some(out) = &mut self.out else {
            return;
        };
        if !scene.may_send(self.wire) {
            return;
        }
        scene.send_part(self.wire, out);
        if out.is_empty() && scene.chance(2) {
            scene.end(self.wire);
        }
    }

    fn listen(&mut self, scene: &mut Scene, seed: u64) {
        let bytes = scene.take_part(self.wire);
        if let (None, Some(number)) = (&self.hears, bytes.first()) {
            // A backend learns from the first byte which client it talks to.
            let number = usize::from(*number);
            self.hears = Some(of_client(seed, number));
            self.out = Some(of_backend(seed, number));
        }
        if let Some(whole) = &self.hears {
            noise::check(&bytes, whole, &mut self.heard);
        }
        let end = scene.stage.fate(self.wire);
        if end == End::Reset {
            assert_eq!(scene.weather, Weather::Storm, "a break in a calm");
            self.is_over = true;
        } else if end == End::Finished {
            self.check_end(scene.weather);
        }
    }

    /// An end in order means that all was heard, or in a storm that nothing ever will be.
    fn check_end(&self, weather: Weather) {
        let all = self.hears.as_ref().map_or(0, Vec::len);
        let is_lost = weather == Weather::Storm && self.heard == 0;
        assert!(
            self.heard == all || is_lost,
            "{} of {all} bytes",
            self.heard
        );
    }

    /// Returns whether it has said and heard everything.
    fn is_satisfied(&self, scene: &Scene) -> bool {
        let all = self.hears.as_ref().map_or(0, Vec::len);
        let has_spoken = self.out.as_ref().is_none_or(Vec::is_empty);
        has_spoken && self.heard == all && scene.stage.fate(self.wire) == End::Finished
    }
}

struct Tunnels {
    seed: u64,
    clients: usize,
    peers: Vec<BufferedConn>,
    links: usize,
}

pub(super) fn run(seed: u64, weather: Weather) {
    let mut scene = Scene::new(Mode::Tcp, seed, weather);
    let mut tunnels = Tunnels {
        seed,
        clients: 0,
        peers: Vec::new(),
        links: 0,
    };
    for _ in 0..STEPS {
        tunnels.happen(&mut scene);
        for _ in 0..scene.rng.below(3) {
            scene.turn(|scene| tunnels.act(scene));
        }
    }
    if weather == Weather::Calm {
        tunnels.finish(&mut scene);
    }
    scene.leave();
}

impl Tunnels {
    fn happen(&mut self, scene: &mut Scene) {
        match scene.rng.below(40) {
            0..=2 if self.clients < 4 => {
                let client = BufferedConn::client(scene, self.seed, self.clients);
                self.peers.push(client);
                self.clients += 1;
            }
            3 => scene.change_dials(),
            4..=8 => scene.pass(),
            _ => self.act(scene),
        }
    }

    fn act(&mut self, scene: &mut Scene) {
        let news = scene.new_links(&mut self.links);
        self.peers
            .extend(news.into_iter().map(BufferedConn::backend));
        let chosen = scene.rng.below(self.peers.len());
        if let Some(peer) = self.peers.get_mut(chosen) {
            peer.act(scene, self.seed);
        }
    }

    fn finish(&mut self, scene: &mut Scene) {
        scene.hurry();
        for _ in 0..MAX_ROUNDS {
            if self.peers.iter().all(|peer| peer.is_satisfied(scene)) {
                return;
            }
            self.act(scene);
            scene.turn(|_| ());
        }
        panic!("somebody waits for ever");
    }
}
