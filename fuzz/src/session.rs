//! Whole sessions: a server between clients and backends that are scripted, cut and cut off.

use crate::case::{Case, told};
use crate::peers::{Manners, asked};
use crate::random::Random;
use crate::{corpus, mutate};
use std::time::Duration;

/// Tries the case of one seed.
pub fn attack(seed: u64) {
    let mut random = Random::new(seed);
    match random.below(3) {
        0 => well_served_however_cut(&mut random),
        _ => brawl(&mut random),
    }
}

/// One client, backends that behave: whole or in pieces, the same requests get the same responses.
fn well_served_however_cut(random: &mut Random) {
    let stream = mutate::mutated(random, corpus::requests(), mutate::HTTP);
    let mut expected = None;
    for cuts in [vec![0, stream.len()], random.cuts(stream.len())] {
        let mut case = Case::new(random.clone(), Manners::Good);
        let client = case.connect();
        for pair in cuts.windows(2) {
            case.client_sends(client, &stream[pair[0]..pair[1]]);
            case.run();
        }
        case.end(client);
        case.run();
        let asked = asked(&stream);
        let got: Vec<_> = case.responses(client).iter().map(told).collect();
        for ((status, name, _), asked) in got.iter().zip(&asked) {
            let (method, target) = name.split_once(' ').unwrap_or_default();
            let is_own = asked.is_called(method.as_bytes(), target.as_bytes());
            assert!(
                *status != 200 || is_own,
                "{asked:?} got the answer to {name}"
            );
        }
        let expected = expected.get_or_insert_with(|| got.clone());
        assert_eq!(&got, expected, "cut at {cuts:?}: {}", stream.escape_ascii());
        case.leave();
    }
}

/// Several clients, backends of either kind, ends and breaks at any moment.
fn brawl(random: &mut Random) {
    let manners = *random.pick(&[Manners::Good, Manners::Forging, Manners::Bad]);
    let mut case = Case::new(random.clone(), manners);
    case.world.borrow_mut().refuses_one_in = *random.pick(&[0, 0, 3]);
    // What a forger sends at once must be seen at once, as in a kernel.
    case.world.borrow_mut().is_moody = manners != Manners::Forging;
    case.hangs_up = random.one_in(2);
    let mut plans = Vec::new();
    for _ in 0..1 + random.below(3) {
        let stream = mutate::mutated(random, corpus::requests(), mutate::HTTP);
        let mut cuts = random.cuts(stream.len());
        cuts.reverse();
        plans.push((case.connect(), stream, cuts));
    }
    for _ in 0..40 {
        let nth = random.below(plans.len());
        let (client, stream, cuts) = &mut plans[nth];
        match random.below(12) {
            0 => case.meddle(random),
            1 => case.pass(Duration::from_millis(random.below(40_000) as u64)),
            2 if random.one_in(3) => case.reset(*client),
            3 if random.one_in(3) => case.end(*client),
            _ => {
                if let (Some(from), Some(to)) = (cuts.pop(), cuts.last()) {
                    case.client_sends(*client, &stream[from..*to]);
                }
            }
        }
        if !random.one_in(4) {
            case.run();
        }
    }
    case.leave();
}
