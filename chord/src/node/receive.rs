//! What arrives, and which part of the node it is for.
//!
//! Anybody may send anything: a request is answered to where it came from, a reply counts if it
//! answers a call, and a peer that is named in a message is believed when it answers itself.

use crate::addr::Peer;
use crate::message::{Body, Cause, Course, Own, Phase, Reply, Request};
use crate::output::{Caller, Cx, Source};

use super::calls::Call;
use super::operations::Client;
use super::{Kind, Node, Purpose};

impl Node {
    pub(super) fn receive_course(&mut self, source: Source, message: Course, cx: &mut Cx<'_>) {
        if self.phase == Phase::Gone {
            return;
        }
        let is_member = self.phase == Phase::Member;
        match message {
            Course::Put { key, value, from } => {
                self.counters.puts += 1;
                let client = from.unwrap_or_else(|| source.addr.into());
                self.serve(Client::Course(client), key, Some(value), cx);
            }
            Course::Get { key, from } => {
                self.counters.gets += 1;
                let client = from.unwrap_or_else(|| source.addr.into());
                self.serve(Client::Course(client), key, None, cx);
            }
            Course::Ack(_) | Course::Nack => {
                if let Some(call) = self.calls.acknowledged(source.addr, cx.names) {
                    self.heard(&call.to, false, cx);
                    self.answered(call, Reply::Done, cx);
                }
            }
            Course::JoinReq(newcomer) => self.join_asked(source, &newcomer, cx),
            Course::JoinRep(successor) => self.join_told(&successor, cx),
            Course::Notify(peer) if is_member => self.notified(source, &peer, cx),
            Course::Predecessor => {
                let predecessor = self.links.predecessor().map(|peer| peer.id);
                let known = if is_member { predecessor } else { None };
                let to = source.addr.into();
                cx.course(&to, Course::Stabilize(known));
            }
            Course::Stabilize(id) => {
                let asked = self.calls.stabilized(source.addr, cx.names);
                if let Some((peer, purpose)) = asked {
                    self.heard(&peer, false, cx);
                    self.alive(&peer, &purpose, cx);
                    let is_extended = self.peers.kind(&peer) == Kind::Extended;
                    if purpose == Purpose::Stabilize && !is_extended {
                        self.stabilized(&peer, id, cx);
                    }
                }
            }
            Course::Successor { id, from } if is_member => self.successor_asked(id, &from, cx),
            Course::SuccessorRep { req_id, successor } => {
                if let Some(call) = self.calls.found_successor(req_id)
                    && let Purpose::Step(id) = call.purpose
                {
                    self.successor_told(id, &successor, cx);
                }
            }
            Course::Notify(_) | Course::Successor { .. } => {}
        }
    }

    pub(super) fn receive_own(&mut self, source: Source, own: Own, cx: &mut Cx<'_>) {
        match own.body {
            Body::Request(request) => {
                let is_client = matches!(
                    request,
                    Request::Put { .. }
                        | Request::Get { .. }
                        | Request::State { .. }
                        | Request::Leave { .. }
                );
                let caller = Caller {
                    source,
                    vnode: own.from,
                    req: own.req,
                    is_client,
                };
                if let Some(reply) = self.requested(&caller, request, cx) {
                    cx.reply(&caller, reply);
                }
            }
            Body::Reply(reply) => {
                let is_stream = source.stream.is_some();
                let call = self
                    .calls
                    .replied(own.req, source.addr, is_stream, cx.names);
                if let Some(call) = call {
                    self.heard(&call.to, true, cx);
                    self.answered(call, reply, cx);
                }
            }
        }
    }

    /// Answers a request, unless the answer comes later.
    fn requested(&mut self, caller: &Caller, request: Request, cx: &mut Cx<'_>) -> Option<Reply> {
        let is_in = matches!(self.phase, Phase::Member | Phase::Leaving);
        Some(match request {
            Request::State { part, offset } => {
                // A client asks again.
                if !self.tells.is_left(cx.now) {
                    return None;
                }
                self.tells.spend(self.store.len());
                self.state_asked(part, offset, cx.traffic)
            }
            Request::Leave { token } => self.leave_asked(caller, token, cx),
            _ if self.phase == Phase::Gone => return None,
            Request::Ping => Reply::Pong,
            _ if !is_in => Reply::Refused(Cause::NotMember),
            Request::Links { notify } => {
                if let Some(peer) = notify
                    && self.phase == Phase::Member
                {
                    self.notified(caller.source, &peer, cx);
                }
                let predecessor = self.links.predecessor();
                let predecessor = predecessor.filter(|peer| peer.id != self.me.id);
                Reply::Links {
                    predecessor: predecessor.map(|peer| self.hop(peer)),
                    successors: self
                        .links
                        .successors()
                        .iter()
                        .map(|p| self.hop(p))
                        .collect(),
                }
            }
            Request::Route {
                target,
                last,
                thorough,
            } => self.route_asked(target, last, thorough),
            Request::Put { key, value } => {
                self.counters.puts += 1;
                self.serve(Client::Own(*caller), key, Some(value), cx);
                return None;
            }
            Request::Get { key } => {
                self.counters.gets += 1;
                self.serve(Client::Own(*caller), key, None, cx);
                return None;
            }
            Request::Store { .. } if self.phase == Phase::Leaving => {
                Reply::Refused(Cause::NotMember)
            }
            Request::Store { key, value } => {
                self.counters.puts += 1;
                self.store_asked(*caller, key, value, cx);
                return None;
            }
            Request::Fetch { key } => {
                self.counters.gets += 1;
                self.fetch_asked(&key)
            }
            Request::Copy(item) => self.copy_asked(item, cx),
            Request::Compare { .. } | Request::Pull { .. } if !self.may_scan(caller, cx) => {
                Reply::Refused(Cause::Full)
            }
            Request::Compare {
                slice,
                count,
                digest,
            } => self.compare_asked(slice, count, digest, cx),
            Request::Pull { slice, tag } => self.pull_asked(slice, tag),
            Request::Leaving {
                peer,
                predecessor,
                successors,
            } => self.neighbour_leaves(caller, &peer, predecessor, successors, cx),
        })
    }

    /// Whether a caller may have us go through the store.
    fn may_scan(&mut self, caller: &Caller, cx: &Cx<'_>) -> bool {
        if self.peers.has_answered(caller.source.addr, cx.names) {
            return true;
        }
        let is_left = self.compares.is_left(cx.now);
        if is_left {
            self.compares.spend(self.store.len());
        }
        is_left
    }

    /// A call was answered: by a reply of our own, or by ACK.
    fn answered(&mut self, call: Call<Purpose>, reply: Reply, cx: &mut Cx<'_>) {
        self.alive(&call.to, &call.purpose, cx);
        let to = call.to;
        match (call.purpose, reply) {
            (
                Purpose::Stabilize,
                Reply::Links {
                    predecessor,
                    successors,
                },
            ) => self.links_told(&to, predecessor, successors, cx),
            (Purpose::Beyond, Reply::Links { successors, .. }) => {
                for hop in successors {
                    if self.learn(&hop) {
                        self.links.insert_successor(hop.peer);
                    }
                }
            }
            (Purpose::Stabilize, Reply::Refused(Cause::NotMember)) => {
                // It has started anew, and will join again.
                self.links.remove(&to);
                self.links_changed(cx);
            }
            // It speaks our own messages: ask the better question at once.
            (Purpose::Stabilize, Reply::Pong) => self.hasten(cx.now),
            (
                Purpose::Step(id),
                Reply::Route {
                    is_owner,
                    owners,
                    closer,
                },
            ) => self.route_told(id, &to, is_owner, owners, closer, cx),
            (Purpose::Step(id), _) => self.step_refused(id, cx),
            (Purpose::Serve(id), reply) => self.served(id, reply, cx),
            (Purpose::Copy(id), _) => self.copy_done(id, cx),
            (Purpose::Sync(task), reply) => self.sync_told(task, reply, cx),
            _ => {}
        }
    }

    /// A peer that was asked whether it is alive is.
    fn alive(&mut self, peer: &Peer, purpose: &Purpose, cx: &mut Cx<'_>) {
        match purpose {
            Purpose::Successor => self.successor_alive(peer, cx),
            Purpose::Predecessor => self.predecessor_alive(peer, cx),
            Purpose::CheckPredecessor => {
                if self.links.predecessor() == Some(peer) {
                    self.links.predecessor_heard = cx.now;
                }
            }
            Purpose::Join => self.joined(peer, cx),
            Purpose::Stabilize
            | Purpose::Beyond
            | Purpose::Step(_)
            | Purpose::Serve(_)
            | Purpose::Copy(_)
            | Purpose::Sync(_)
            | Purpose::Revive
            | Purpose::Farewell => {}
        }
    }
}
