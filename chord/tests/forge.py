"""Garbage, oversized and forged datagrams: those of the course, and well-formed ones of our own."""

import pickle
import random
import time

from peer import CIRCLE, chord_hash

# A node of the ring under attack.
MEMBER = ("localhost", 7201)


def forged(seed):
    """Garbage, oversized and forged datagrams."""
    rng = random.Random(seed)
    ghost = ("localhost", rng.randrange(20000, 60000))
    honest = chord_hash(str(ghost))
    anywhere = rng.randrange(CIRCLE)
    kinds = [
        rng.randbytes(rng.randrange(1, 400)),
        rng.randbytes(rng.randrange(1025, 8000)),
        b"cos\nsystem\n(S'touch /tmp/chord-was-here'\ntR.",
    ]
    for args in (
        ("NOTIFY", {"predecessor_id": honest, "predecessor_addr": ghost}),
        ("NOTIFY", {"predecessor_id": anywhere, "predecessor_addr": ghost}),
        ("NOTIFY", {"predecessor_id": anywhere, "predecessor_addr": ("localhost", 7201)}),
        ("JOIN_REQ", {"addr": ghost, "id": honest}),
        ("JOIN_REQ", {"addr": ghost, "id": anywhere}),
        ("JOIN_REP", {"successor_id": honest, "successor_addr": ghost}),
        ("SUCCESSOR", {"id": anywhere, "from": ghost}),
        ("SUCCESSOR_REP", {"req_id": anywhere, "successor_id": honest, "successor_addr": ghost}),
        ("STABILIZE", anywhere),
        ("STABILIZE", None),
        ("PREDECESSOR", None),
        ("PUT", {"key": f"forged {rng.random()}", "value": "x" * rng.randrange(900), "from": ghost}),
        ("PUT", {"key": 5, "value": 5}),
        ("GET", {"key": str(rng.random()), "from": ghost}),
        ("LB", rng.randbytes(rng.randrange(60))),
        ("HELLO", [[[]]]),
        ("NOTIFY", {"predecessor_id": [], "predecessor_addr": {}}),
    ):
        kinds.append(pickle.dumps({"method": args[0], "args": args[1]}, rng.randrange(6)))
    return kinds + forged_own(rng, ghost)


def varint(number):
    """An unsigned number as postcard has it."""
    coded = b""
    while number > 127:
        coded += bytes([number & 127 | 128])
        number >>= 7
    return coded + bytes([number])


def text(string):
    """A text as postcard has it."""
    return varint(len(string)) + string.encode()


def an_id(number):
    """An id of the course: the high word of it is 0."""
    return varint(0) + varint(number)


def peer(addr):
    """A genuine peer: the name of its host, its port, and no virtual node."""
    host = varint(1) + text(addr[0]) + varint(addr[1])
    return an_id(chord_hash(str(addr))) + host + varint(0)


def forged_own(rng, ghost):
    """Requests of our own, with the numbers that their kinds have on the wire."""
    anywhere = an_id(rng.randrange(CIRCLE))
    whole = anywhere * 2 + varint(0) + bytes([0])
    tomorrow = varint(int(time.time() * 1000) + 86_000_000)
    none, some = varint(0), varint(1)
    number = varint(rng.randrange(2**64))
    requests = (
        (0, b""),  # Ping
        (1, none),  # Links
        (1, some + peer(ghost)),
        (1, some + peer(MEMBER)),
        (2, anywhere + bytes([0, 1])),  # Route
        (7, text(f"forged {rng.random()}") + varint(1) + b"N" + tomorrow + varint(1)),  # Copy
        (8, whole + varint(5) + number),  # Compare
        (9, whole + number),  # Pull
        (10, peer(MEMBER) + some + peer(ghost) + varint(1) + peer(ghost)),  # Leaving
        (10, peer(ghost) + none + varint(0)),
        (11, none),  # Leave
        (11, number),
        (12, varint(rng.randrange(3)) + varint(rng.randrange(1000))),  # State
    )
    envelope = varint(0) + varint(0) + number
    return [
        pickle.dumps({"method": "LB", "args": envelope + varint(0) + varint(kind) + rest}, 4)
        for kind, rest in requests
    ]
