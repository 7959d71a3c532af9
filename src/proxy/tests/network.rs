//! The [`World`] as the server sees it: streams, pipes, and where they come from.

use super::super::network::{Network, Token};
use super::world::{WireId, World};
use crate::address::Address;
use crate::transport::{Pipes, Transport};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

/// A world that many look at.
pub(super) type Shared = Rc<RefCell<World>>;

/// The outside of a simulated server.
pub(super) struct SimNetwork(pub(super) Shared);

/// The near end of a wire.
#[derive(Debug)]
pub(super) struct SimStream {
    world: Shared,
    id: WireId,
}

/// Bytes between two wires.
#[derive(Debug, Default)]
pub(super) struct SimPipe(VecDeque<u8>);

/// Lends pipes, if the world has any.
#[derive(Debug)]
pub(super) struct SimPipes {
    world: Shared,
    lent: usize,
}

/// Capacity of a pipe, as on Linux by default.
const PIPE_ROOM: usize = 64 * 1024;

impl Network for SimNetwork {
    type Stream = SimStream;
    type Pipe = SimPipe;
    type Pipes = SimPipes;

    fn connect(&mut self, address: &Address) -> io::Result<SimStream> {
        let address = address.tcp().expect("an address of TCP");
        let id = self.0.borrow_mut().connect(address)?;
        Ok(SimStream::new(&self.0, id))
    }

    fn open_echo(&mut self, host: SocketAddr) -> io::Result<SimStream> {
        let id = self.0.borrow_mut().connect(host)?;
        self.0.borrow_mut().wire_mut(id).carry_messages();
        Ok(SimStream::new(&self.0, id))
    }

    fn register(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.0.borrow_mut().register(stream.id, token)
    }
}

impl SimStream {
    pub(super) fn new(world: &Shared, id: WireId) -> Self {
        Self {
            world: Rc::clone(world),
            id,
        }
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.world.borrow_mut().wire_mut(self.id).close();
    }
}

impl Transport for SimStream {
    type Pipe = SimPipe;

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(!into.is_empty(), "a read for nothing looks like an end");
        let bytes = self.world.borrow_mut().recv(self.id, into.len())?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.world.borrow_mut().send(self.id, &joined(parts))
    }

    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = joined(parts);
        let mut world = self.world.borrow_mut();
        let sent = world.send(self.id, &bytes)?;
        if sent == bytes.len() {
            world.wire_mut(self.id).hold_back();
        }
        Ok(sent)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.world.borrow_mut().finish(self.id)
    }

    fn reset_on_close(&mut self) {
        self.world.borrow_mut().wire_mut(self.id).reset_on_close();
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.world.borrow_mut().wire_mut(self.id).take_error()
    }

    fn fill(&mut self, pipe: &mut SimPipe, max: usize) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let room = max.min(PIPE_ROOM - pipe.0.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let max = world.at_most(room);
        let bytes = world.recv(self.id, max)?;
        pipe.0.extend(&bytes);
        Ok(bytes.len())
    }

    fn drain(&mut self, pipe: &mut SimPipe, max: usize) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let max = world.at_most(max.min(pipe.0.len()));
        assert!(max > 0, "an empty pipe is drained");
        let bytes = pipe.0.make_contiguous()[..max].to_vec();
        let sent = world.send(self.id, &bytes)?;
        pipe.0.drain(..sent);
        Ok(sent)
    }
}

fn joined(parts: &[IoSlice<'_>]) -> Vec<u8> {
    let parts = parts.iter().map(|part| &**part);
    let bytes = parts.collect::<Vec<_>>().concat();
    assert!(!bytes.is_empty(), "a write of nothing");
    bytes
}

impl SimPipes {
    pub(super) fn new(world: &Shared) -> Self {
        Self {
            world: Rc::clone(world),
            lent: 0,
        }
    }

    /// Pipes taken and not given back.
    pub(super) fn lent(&self) -> usize {
        self.lent
    }
}

impl Pipes for SimPipes {
    type Pipe = SimPipe;

    fn take(&mut self) -> Option<SimPipe> {
        let mut world = self.world.borrow_mut();
        if !world.pipes || world.whim(4) {
            return None;
        }
        self.lent += 1;
        Some(SimPipe::default())
    }

    fn give(&mut self, pipe: SimPipe, left: usize) {
        assert_eq!(pipe.0.len(), left, "what the flow thinks is in the pipe");
        self.lent -= 1;
    }
}
