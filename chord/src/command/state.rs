//! `lb-chord state`: links, fingers and keys of a node.

use std::sync::Arc;

use lb_chord::addr::Peer;
use lb_chord::id::Id;
use lb_chord::message::{Hop, Part, Phase, Reply, Request, Summary};
use lb_chord::shell::client::{Client, ClientError};
use serde_json::{Value, json};

use super::lookup::vnode;
use super::{Failure, Outcome, Target, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

struct State {
    summary: Summary,
    fingers: Vec<(u8, u8, Peer)>,
    keys: Vec<(Id, Arc<str>, u32)>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut client = args.target.client()?;
    let state = read(&mut client).map_err(|error| match error {
        ClientError::Silent(addr) => Failure::new(format!(
            "no answer from {addr}: no node there, or a plain peer, which cannot tell its state"
        )),
        error => error.into(),
    })?;
    if args.json {
        return print(&format!("{:#}", to_json(&state)));
    }
    print(&table(&state))
}

fn read(client: &mut Client) -> Result<State, ClientError> {
    let mut ask = |part, offset| client.request(Request::State { part, offset });
    let Reply::Summary(summary) = ask(Part::Summary, 0)? else {
        return Err(ClientError::Unexpected);
    };
    let mut fingers = Vec::new();
    loop {
        match ask(Part::Fingers, fingers.len() as u32)? {
            Reply::Fingers(page, is_last) => {
                fingers.extend(page);
                if is_last {
                    break;
                }
            }
            _ => return Err(ClientError::Unexpected),
        }
    }
    let mut keys = Vec::new();
    loop {
        match ask(Part::Keys, keys.len() as u32)? {
            Reply::Keys(page, is_last) => {
                keys.extend(page);
                if is_last {
                    break;
                }
            }
            _ => return Err(ClientError::Unexpected),
        }
    }
    Ok(State {
        summary: *summary,
        fingers,
        keys,
    })
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Joining => "joining",
        Phase::Member => "member",
        Phase::Leaving => "leaving",
        Phase::Gone => "gone",
    }
}

fn peer_json(peer: &Peer) -> Value {
    let id = match peer.id.small() {
        Some(id) => json!(id),
        None => json!(peer.id.to_string()),
    };
    json!({ "id": id, "addr": peer.addr.to_string(), "vnode": peer.vnode })
}

fn hop_json(hop: &Hop) -> Value {
    let mut json = peer_json(&hop.peer);
    if let Some(map) = json.as_object_mut() {
        map.insert("plain".to_owned(), hop.plain.into());
    }
    json
}

fn to_json(state: &State) -> Value {
    let s = &state.summary;
    let fingers = state.fingers.iter().flat_map(|(first, last, peer)| {
        let json = peer_json(peer);
        (*first..=*last).map(move |_| json.clone())
    });
    let keys = state.keys.iter().map(|(id, key, bytes)| {
        let id = id
            .small()
            .map_or_else(|| json!(id.to_string()), |id| json!(id));
        json!({ "key": &**key, "id": id, "bytes": bytes })
    });
    json!({
        "node": peer_json(&s.me),
        "phase": phase(s.phase),
        "predecessor": s.predecessor.as_ref().map(hop_json),
        "successors": s.successors.iter().map(hop_json).collect::<Vec<_>>(),
        "fingers": fingers.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "owned": s.owned,
        "copies": s.copies,
        "stored_bytes": s.stored_bytes,
        "received": s.received,
        "sent": s.sent,
        "rejected": s.rejected,
        "puts": s.puts,
        "gets": s.gets,
    })
}

fn name(peer: &Peer) -> String {
    format!("{:>4} {}{}", peer.id, peer.addr, vnode(peer.vnode))
}

fn hop(hop: &Hop) -> String {
    let kind = if hop.plain { " (plain)" } else { "" };
    format!("{}{kind}", name(&hop.peer))
}

fn table(state: &State) -> String {
    let s = &state.summary;
    let mut lines = vec![
        format!("node         {}  {}", name(&s.me), phase(s.phase)),
        format!(
            "predecessor  {}",
            s.predecessor
                .as_ref()
                .map_or("   - unknown".to_owned(), hop)
        ),
    ];
    if s.successors.is_empty() {
        lines.push("successors      - none: alone in its ring".to_owned());
    }
    for (nth, successor) in s.successors.iter().enumerate() {
        let title = if nth == 0 { "successors" } else { "" };
        lines.push(format!("{title:<12} {}", hop(successor)));
    }
    for (nth, (first, last, peer)) in state.fingers.iter().enumerate() {
        let title = if nth == 0 { "fingers" } else { "" };
        let run = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        lines.push(format!("{title:<12} {run:<8} {}", name(peer)));
    }
    lines.push(format!(
        "keys         {} owned, {} copies of others', {} bytes",
        s.owned, s.copies, s.stored_bytes
    ));
    for (id, key, bytes) in &state.keys {
        lines.push(format!("             {id:>4} {key:?} ({bytes} bytes)"));
    }
    lines.push(format!(
        "messages     {} received, {} sent, {} rejected; {} PUT, {} GET",
        s.received, s.sent, s.rejected, s.puts, s.gets
    ));
    lines.join("\n")
}
