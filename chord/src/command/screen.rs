//! The picture of the demo: the circle, a line for each node, its keys, and what happened last.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use lb_chord::Snapshot;
use lb_chord::id::{Id, Space};
use lb_chord::message::Phase;
use lb_chord::shell::Shell;

const LOG_LINES: usize = 6;
/// Pictures, one a second, that the rate of messages is a mean of: longer than a round of
/// stabilization.
const RATE_PICTURES: usize = 6;
/// Columns of the circle, unrolled.
const CIRCLE_WIDTH: usize = 96;
/// Keys shown of a node.
const MAX_KEYS: usize = 8;

pub(super) struct Screen {
    is_terminal: bool,
    space: Space,
    /// Messages sent at the last pictures, the oldest first.
    sent: VecDeque<u64>,
    /// The last picture; where there is no terminal it is only printed when it changes.
    last: String,
    log: Vec<String>,
}

impl Screen {
    pub(super) const fn new(is_terminal: bool, space: Space) -> Self {
        Self {
            is_terminal,
            space,
            sent: VecDeque::new(),
            last: String::new(),
            log: Vec::new(),
        }
    }

    /// Notes what happened.
    pub(super) fn log(&mut self, line: String) {
        if !self.is_terminal {
            eprintln!("{line}");
            return;
        }
        self.log.push(line);
        if self.log.len() > LOG_LINES {
            self.log.remove(0);
        }
    }

    /// What is to be written now.
    pub(super) fn draw(&mut self, shell: &Shell) -> String {
        let rate = self.rate(shell.hosts().map(|host| host.traffic().sent).sum());
        let mut nodes: Vec<Snapshot> = shell.hosts().flat_map(|host| host.snapshots()).collect();
        nodes.sort_by_key(|node| node.me.id);
        let title = title(&nodes, self.space);
        let picture = format!("{title}\n\n{}\n{}", self.circle(&nodes), self.table(&nodes));
        if !self.is_terminal {
            if picture == self.last {
                return String::new();
            }
            self.last.clone_from(&picture);
            return format!("{picture}\n");
        }
        let hint = "another terminal: lb-chord put A '[0, 1, 2]', get A, lookup A --trace";
        let footer = format!("{rate:.1} messages/s; Ctrl-C ends the ring; {hint}");
        let lines = picture.lines().chain(["", &footer, ""]);
        let mut text = String::from("\x1b[H");
        for line in lines.chain(self.log.iter().map(String::as_str)) {
            let _ = write!(text, "{line}\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        text
    }

    fn rate(&mut self, sent: u64) -> f64 {
        self.sent.push_back(sent);
        if self.sent.len() > RATE_PICTURES {
            self.sent.pop_front();
        }
        let first = self.sent.front().copied().unwrap_or(sent);
        (sent - first) as f64 / (self.sent.len() - 1).max(1) as f64
    }

    /// A share of the circle.
    fn share(&self, length: Id) -> f64 {
        length.as_f64() / 2_f64.powi(i32::from(self.space.bits()))
    }

    /// The circle unrolled: a mark for each node, and below it the id where there is room.
    fn circle(&self, nodes: &[Snapshot]) -> String {
        let (mut marks, mut ids) = (vec!['-'; CIRCLE_WIDTH], String::new());
        for node in nodes {
            let at = (self.share(node.me.id) * CIRCLE_WIDTH as f64) as usize;
            if let Some(mark) = marks.get_mut(at) {
                *mark = 'o';
            }
            if ids.is_empty() || ids.len() < at {
                ids = format!("{ids:<at$}{}", short(node.me.id));
            }
        }
        let marks: String = marks.into_iter().collect();
        format!("  0 {marks} 0\n    {ids}\n")
    }

    fn table(&self, nodes: &[Snapshot]) -> String {
        let mut text = format!(
            "{:>6} {:<18} {:>4} {:>6} {:>6} {:>4} {:>6}  fingers\n",
            "id", "address", "arc", "pred", "succ", "keys", "copies"
        );
        for node in nodes {
            let me = &node.me;
            let arc = match &node.predecessor {
                Some(before) if before.id == me.id => 1.0,
                Some(before) => self.share(self.space.distance(before.id, me.id)),
                None => 0.0,
            };
            let before = node.predecessor.as_ref().map(|peer| short(peer.id));
            let after = match node.phase {
                Phase::Member => short(node.successors.first().unwrap_or(me).id),
                Phase::Joining => "joins".into(),
                Phase::Leaving => "leaves".into(),
                Phase::Gone => "gone".into(),
            };
            let _ = writeln!(
                text,
                "{:>6} {:<18} {:>3.0}% {:>6} {after:>6} {:>4} {:>6}  {}",
                short(me.id),
                me.addr,
                arc * 100.0,
                before.unwrap_or_else(|| "-".into()),
                node.owned.len(),
                node.copies.len(),
                fingers(node),
            );
            if !node.owned.is_empty() {
                let keys = node.owned.iter().take(MAX_KEYS);
                let keys: Vec<String> = keys.map(|(key, ..)| format!("{key:?}")).collect();
                let more = if node.owned.len() > MAX_KEYS {
                    " ..."
                } else {
                    ""
                };
                let _ = writeln!(text, "{:>25} {}{more}", "keys", keys.join(" "));
            }
        }
        text
    }
}

/// How large the ring is, and whether every link and finger is right.
fn title(nodes: &[Snapshot], space: Space) -> String {
    let members = nodes.iter().filter(|node| node.phase == Phase::Member);
    let (count, wrong) = (members.count(), wrong_links(nodes, space));
    let state = match wrong {
        0 => "settled, every link and finger is right".to_owned(),
        wrong => format!("settling, {wrong} links and fingers are not right yet"),
    };
    format!("{count} nodes of 2^{} ids: {state}", space.bits())
}

/// Links and fingers that are not those of a settled ring of these nodes and all that they know.
fn wrong_links(nodes: &[Snapshot], space: Space) -> usize {
    let known = nodes.iter().flat_map(|node| &node.successors);
    let ids: BTreeSet<Id> = known
        .chain(nodes.iter().map(|node| &node.me))
        .map(|p| p.id)
        .collect();
    let owner = |id: Id| ids.range(id..).next().or_else(|| ids.first()).copied();
    let before = |id: Id| ids.range(..id).next_back().or_else(|| ids.last()).copied();
    let wrong = |node: &Snapshot| {
        let is_wrong = |nth: usize, finger: &Option<lb_chord::addr::Peer>| {
            let start = space.further(node.me.id, u8::try_from(nth).unwrap_or(u8::MAX));
            owner(start) != Some(finger.as_ref().unwrap_or(&node.me).id)
        };
        let fingers = node.fingers.iter().enumerate();
        fingers
            .filter(|(nth, finger)| is_wrong(*nth, finger))
            .count()
            + usize::from(node.predecessor.as_ref().map(|p| p.id) != before(node.me.id))
    };
    nodes.iter().map(wrong).sum()
}

/// As much of an id as tells nodes apart.
fn short(id: Id) -> String {
    id.to_string().chars().take(6).collect()
}

/// Runs of fingers, as `654 x7, 752, 895`.
fn fingers(node: &Snapshot) -> String {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for finger in &node.fingers {
        let id = short(finger.as_ref().unwrap_or(&node.me).id);
        match runs.last_mut() {
            Some((last, count)) if *last == id => *count += 1,
            _ => runs.push((id, 1)),
        }
    }
    let runs = runs.into_iter().map(|(id, count)| match count {
        1 => id,
        count => format!("{id} x{count}"),
    });
    runs.collect::<Vec<_>>().join(", ")
}
