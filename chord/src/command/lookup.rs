//! `lb-chord lookup`: finds the owner of a key, and shows the way.

use lb_chord::shell::client::TraceAnswer;

use super::{Failure, Outcome, Target, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Key
    key: String,

    /// Print each node that is asked on the way
    #[arg(long)]
    trace: bool,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let space = args.target.mode.space();
    let id = space.hash(&args.key);
    let steps = args.target.client()?.trace(space, id)?;
    let mut owner = None;
    for (nth, step) in steps.iter().enumerate() {
        let told = match &step.answer {
            TraceAnswer::Owner => {
                owner = Some(step.peer.clone());
                "owns it".to_owned()
            }
            TraceAnswer::Next(next) => format!("sends on to {} {}", next.id, next.addr),
            TraceAnswer::Plain(successor) => {
                owner = Some(successor.clone());
                format!(
                    "is a plain peer; by its way the owner is {} {}",
                    successor.id, successor.addr
                )
            }
            TraceAnswer::Silent => "does not answer".to_owned(),
        };
        if args.trace {
            let millis = step.took.as_secs_f64() * 1e3;
            let peer = &step.peer;
            print(&format!(
                "{:>2}. {} {}{} {told} ({millis:.1} ms)",
                nth + 1,
                peer.id,
                peer.addr,
                vnode(peer.vnode),
            ))?;
        }
    }
    let Some(owner) = owner else {
        return Err(Failure::new(format!(
            "no owner found for {:?} (id {id}): {} does not answer",
            args.key,
            steps
                .last()
                .map_or_else(|| args.target.node.clone(), |step| step.peer.addr.clone()),
        )));
    };
    print(&format!(
        "{:?} has id {id}, owned by {} {}{}",
        args.key,
        owner.id,
        owner.addr,
        vnode(owner.vnode)
    ))
}

/// Which virtual node, unless it is the only or first.
pub(super) fn vnode(nth: u16) -> String {
    match nth {
        0 => String::new(),
        nth => format!("#{nth}"),
    }
}
