#!/usr/bin/env python3
"""A node of the course, written from its table of messages: the peer of the tests.

It knows the eleven messages of the course and nothing else. By default it stabilizes only after
three seconds of silence, as peers of the course do; with --busy it also does when datagrams come.
Each line of stdin is answered by one line of JSON on stdout: `state` gives its links, fingers, keys
and counters; the end of stdin ends it.
"""

import argparse
import json
import pickle
import select
import socket
import sys
import time

BITS = 10
CIRCLE = 2**BITS


def chord_hash(text):
    """FNV-1a over the characters of a text, modulo the circle."""
    value = 2166136261
    for char in text:
        value = (value ^ ord(char)) * 16777619
    return value % CIRCLE


def contains(begin, end, node):
    """Whether a point is in (begin, end], going round."""
    if begin < end:
        return begin < node <= end
    return node > begin or node <= end


class Data(pickle.Unpickler):
    """Refuses whatever names an object: our ring must send data only."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"names {module}.{name}")


class Peer:
    """One node of the course."""

    def __init__(self, port, join, timeout, busy):
        self.addr = ("localhost", port)
        self.id = chord_hash(str(self.addr))
        self.join = join
        self.timeout = timeout
        self.busy = busy
        self.inside = join is None
        self.successor = (self.id, self.addr) if self.inside else None
        self.predecessor = None
        self.fingers = [(self.id, self.addr)] * BITS
        self.store = {}
        self.calls = {}
        self.unknown = 0
        self.last = time.monotonic()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(self.addr)

    def send(self, to, method, /, **args):
        """Sends a message with a dict of arguments, if it has any."""
        message = {"method": method}
        if args:
            message["args"] = {key.rstrip("_"): value for key, value in args.items()}
        self.send_raw(to, message)

    def send_raw(self, addr, message):
        """Sends a message as it is."""
        self.socket.sendto(pickle.dumps(message), addr)

    def tick(self):
        """What a receive timeout leads to."""
        self.last = time.monotonic()
        if not self.inside:
            self.send(self.join, "JOIN_REQ", addr=self.addr, id=self.id)
        else:
            self.send(self.successor[1], "PREDECESSOR")

    def receive(self):
        """Takes one datagram."""
        payload, sender = self.socket.recvfrom(1024)
        if not self.busy:
            self.last = time.monotonic()
        message = Data(__import__("io").BytesIO(payload)).load()
        method, args = message["method"], message.get("args")
        self.calls[method] = self.calls.get(method, 0) + 1
        if not self.inside and method not in ("JOIN_REP", "PREDECESSOR"):
            return
        handler = getattr(self, "on_" + method.lower(), None)
        if handler is None:
            self.unknown += 1
            return
        handler(args, sender)

    def on_join_rep(self, args, _sender):
        """The successor of this newcomer."""
        if self.inside:
            return
        assert isinstance(args["successor_addr"], tuple), "an address is a tuple"
        self.successor = (args["successor_id"], args["successor_addr"])
        self.fingers = [self.successor] * BITS
        self.inside = True

    def on_join_req(self, args, _sender):
        """A newcomer: it comes after this node, or further round."""
        newcomer = (args["id"], args["addr"])
        if self.successor[0] == self.id:
            reply = (self.id, self.addr)
        elif contains(self.id, self.successor[0], newcomer[0]):
            reply = self.successor
        else:
            self.send(self.successor[1], "JOIN_REQ", **args)
            return
        self.successor = self.fingers[0] = newcomer
        self.send(newcomer[1], "JOIN_REP", successor_id=reply[0], successor_addr=reply[1])

    def on_notify(self, args, _sender):
        """Another takes itself for the predecessor."""
        other = (args["predecessor_id"], args["predecessor_addr"])
        assert isinstance(other[1], tuple), "an address is a tuple"
        if self.predecessor is None or contains(self.predecessor[0], self.id, other[0]):
            self.predecessor = other

    def on_predecessor(self, _args, sender):
        """Asked for the predecessor: only its id is told."""
        known = self.predecessor[0] if self.predecessor else None
        self.send_raw(sender, {"method": "STABILIZE", "args": known})

    def on_stabilize(self, other, _sender):
        """The successor has told its predecessor's id; the address has to be looked up."""
        assert other is None or isinstance(other, int), "a bare id"
        if other is not None and contains(self.id, self.successor[0], other):
            if other != self.successor[0]:
                self.send(self.successor[1], "SUCCESSOR", id=other, from_=self.addr)
        self.send(
            self.successor[1], "NOTIFY", predecessor_id=self.id, predecessor_addr=self.addr
        )
        for nth in range(BITS):
            start = (self.id + 2**nth) % CIRCLE
            self.on_successor({"id": start, "from": self.addr}, None)

    def closest(self, point):
        """The closest finger that precedes a point, or the successor."""
        for finger in reversed(self.fingers):
            if finger[0] not in (self.id, point) and contains(self.id, point, finger[0]):
                return finger[1]
        return self.successor[1]

    def on_successor(self, args, _sender):
        """Asked for the successor of an id."""
        point = args["id"]
        if self.predecessor and contains(self.predecessor[0], self.id, point):
            found = (self.id, self.addr)
        elif contains(self.id, self.successor[0], point):
            found = self.successor
        else:
            self.send(self.closest(point), "SUCCESSOR", id=point, from_=args["from"])
            return
        self.send(
            args["from"],
            "SUCCESSOR_REP",
            req_id=point,
            successor_id=found[0],
            successor_addr=found[1],
        )

    def on_successor_rep(self, args, _sender):
        """The successor of an id that was asked for."""
        found = (args["successor_id"], args["successor_addr"])
        assert isinstance(found[1], tuple), "an address is a tuple"
        for nth in range(BITS):
            if (self.id + 2**nth) % CIRCLE == args["req_id"]:
                self.fingers[nth] = found
        if found[0] == args["req_id"] != self.successor[0]:
            if contains(self.id, self.successor[0], found[0]):
                self.successor = self.fingers[0] = found

    def owns(self, key):
        """Whether a key is on the arc of this node."""
        if self.successor[0] == self.id:
            return True
        return self.predecessor and contains(self.predecessor[0], self.id, chord_hash(key))

    def on_put(self, args, sender):
        """Stores a value, or passes it on."""
        client = args.get("from", sender)
        assert isinstance(client, tuple), "an address is a tuple"
        if self.owns(args["key"]):
            self.store[args["key"]] = args["value"]
            self.send(client, "ACK")
        else:
            self.pass_on("PUT", key=args["key"], value=args["value"], from_=client)

    def on_get(self, args, sender):
        """Tells a value, or passes the question on."""
        client = args.get("from", sender)
        if not self.owns(args["key"]):
            self.pass_on("GET", key=args["key"], from_=client)
        elif args["key"] in self.store:
            self.send_raw(client, {"method": "ACK", "args": self.store[args["key"]]})
        else:
            self.send(client, "NACK")

    def pass_on(self, method, /, **args):
        """Passes PUT or GET on to where the key is nearer."""
        point = chord_hash(args["key"])
        if contains(self.id, self.successor[0], point):
            to = self.successor[1]
        else:
            to = self.closest(point)
        self.send(to, method, **args)

    def state(self):
        """What the tests look at."""
        return {
            "id": self.id,
            "inside": self.inside,
            "successor": self.successor and self.successor[0],
            "predecessor": self.predecessor and self.predecessor[0],
            "fingers": [finger[0] for finger in self.fingers],
            "keys": sorted(self.store),
            "calls": self.calls,
            "unknown": self.unknown,
        }

    def run(self):
        """Serves until stdin ends."""
        self.tick()
        while True:
            wait = max(0, self.last + self.timeout - time.monotonic())
            ready, _, _ = select.select([self.socket, sys.stdin], [], [], wait)
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                print(json.dumps(self.state()), flush=True)
            if self.socket in ready:
                self.receive()
            if time.monotonic() >= self.last + self.timeout:
                self.tick()


def main():
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--join", type=int, help="port of a node of the ring on localhost")
    parser.add_argument("--timeout", type=float, default=3)
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    join = ("localhost", args.join) if args.join else None
    Peer(args.port, join, args.timeout, args.busy).run()


if __name__ == "__main__":
    main()
