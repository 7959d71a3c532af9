#!/usr/bin/env python3
"""An innocent client beside an attack: what one class of clients can do to the others.

Starts lb over two backends of its own, has one client ask ten times a second, by turns on a kept
and on a new connection, and measures each request first by itself, then beside each attack. The
turn times are those of lb's own statistics, from the end of its run. On a machine that is shared,
the run without an attack says how much of a figure is the machine's.

    benches/versus/attacks.py --lb target/release/lb            # all attacks, ten seconds each
    benches/versus/attacks.py --lb target/release/lb pieces resets
"""

import argparse
import multiprocessing
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import time

import network
import processes

UPLOADS = 32
BLOCK_BYTES = 1 << 20
ASKED_EVERY_SECONDS = 0.1
GOAL_MS = 20
GOAL_TURN_MS = 10
HEAD = b"POST /upload HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def repeated(piece):
    return piece * (BLOCK_BYTES // len(piece))


# What an upload begins with, and what it sends again and again.
UPLOAD_KINDS = {
    "pieces": (CHUNKED, repeated(b"1\r\nx\r\n")),
    "extensions": (CHUNKED, repeated(b"1;" + b"e" * 4000 + b"\r\nx\r\n")),
    "big-chunks": (CHUNKED, b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"),
    "length": (HEAD + b"Content-Length: 1000000000000\r\n\r\n", b"x" * BLOCK_BYTES),
}
ATTACKS = [*UPLOAD_KINDS, "pipelines", "resets"]


def serve(listener):
    """A backend: answers each request without a body, and reads every other body for ever."""
    selector = selectors.DefaultSelector()
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    uploads = set()
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accept(listener, selector)
                continue
            try:
                received = key.fileobj.recv(1 << 18)
            except BlockingIOError:
                continue
            except OSError:
                received = b""
            if not received:
                uploads.discard(key.fileobj)
                selector.unregister(key.fileobj)
                key.fileobj.close()
            elif key.fileobj in uploads:
                pass
            elif received.startswith(b"POST"):
                uploads.add(key.fileobj)
            else:
                answer(key.fileobj, received.count(b"\r\n\r\n"))


def accept(listener, selector):
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ)


def answer(connection, count):
    try:
        connection.send(RESPONSE * count)
    except OSError:
        pass


def upload(port, kind, until):
    """All uploads of an attack, from one process, each as fast as it can go."""
    head, block = UPLOAD_KINDS[kind]
    selector = selectors.DefaultSelector()
    for _ in range(UPLOADS):
        connection = socket.create_connection((network.HOST, port))
        connection.sendall(head)
        connection.setblocking(False)
        # Bytes sent of the block under way.
        selector.register(connection, selectors.EVENT_WRITE, [0])
    view = memoryview(block)
    while time.monotonic() < until:
        for key, _ in selector.select(0.1):
            try:
                key.data[0] += key.fileobj.send(view[key.data[0] :])
                key.data[0] %= len(block)
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(key.fileobj)


def pipeline(port, until):
    """Requests without a pause, of which the responses are thrown away."""
    selector = selectors.DefaultSelector()
    block = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    for _ in range(UPLOADS):
        connection = socket.create_connection((network.HOST, port))
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_WRITE | selectors.EVENT_READ, [0])
    while time.monotonic() < until:
        for key, ready in selector.select(0.1):
            try:
                if ready & selectors.EVENT_READ:
                    key.fileobj.recv(1 << 18)
                if ready & selectors.EVENT_WRITE:
                    key.data[0] += key.fileobj.send(block[key.data[0] :])
                    key.data[0] %= len(block)
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(key.fileobj)


def connect_and_reset(port, until, most=100_000):
    """Connections that are reset as soon as they are made."""
    at_once = struct.pack("ii", 1, 0)
    for _ in range(most):
        if time.monotonic() >= until:
            break
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        try:
            connection.connect((network.HOST, port))
        except OSError:
            pass
        connection.close()


def attack(port, kind, until):
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    if kind == "resets":
        connect_and_reset(port, until)
    elif kind == "pipelines":
        pipeline(port, until)
    else:
        upload(port, kind, until)


def ask(port, seconds):
    """The innocent client: milliseconds of each request; a failed one counts as a second."""
    took, kept = [], None
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        time.sleep(max(0, due - time.monotonic()))
        due += ASKED_EVERY_SECONDS
        began = time.perf_counter()
        try:
            if len(took) % 2:
                network.request(port)
            else:
                kept = kept or socket.create_connection((network.HOST, port), timeout=5)
                network.request(port, connection=kept)
            took.append((time.perf_counter() - began) * 1000)
        except OSError:
            kept = None
            took.append(1000)
    return sorted(took)


def measure(lb, kind, seconds, nice):
    """One run of lb. Returns the times of the innocent client and lb's line about its turns."""
    listeners = [socket.create_server((network.HOST, 0), backlog=512) for _ in range(2)]
    backends = [multiprocessing.Process(target=serve, args=(one,), daemon=True) for one in listeners]
    for backend in backends:
        backend.start()
    command = [lb, "--listen", f"{network.HOST}:0", "--health", "none", "--body-timeout", "60s"]
    for one in listeners:
        command += ["--backends", f"{network.HOST}:{one.getsockname()[1]}"]
    balancer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    attacker = None
    try:
        for pid in [balancer.pid, *(backend.pid for backend in backends)]:
            os.setpriority(os.PRIO_PROCESS, pid, nice)
        first = balancer.stderr.readline()
        port = int(re.search(r"lb listens on [^ ,]*:(\d+)", first)[1])
        network.request(port)
        if kind:
            until = time.monotonic() + seconds + 1
            attacker = multiprocessing.Process(target=attack, args=(port, kind, until), daemon=True)
            attacker.start()
        took = ask(port, seconds)
        balancer.send_signal(signal.SIGUSR1)
        turns = next(line for line in balancer.stderr if line.startswith("turns"))
        return took, turns.removeprefix("turns").strip()
    finally:
        balancer.kill()
        balancer.wait()
        for process in [attacker, *backends]:
            if process:
                process.kill()
                process.join()


def report(kind, took, turns):
    at = lambda share: took[min(len(took) - 1, int(len(took) * share))]
    print(f"{kind or 'no attack':12} p50 {at(0.5):6.2f} ms  p99 {at(0.99):7.2f} ms  "
          f"longest {took[-1]:7.2f} ms  of {len(took)}; turns {turns}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lb", required=True, help="the binary under attack")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run")
    parser.add_argument(
        "--nice", type=int, default=0, help="priority of all but the attackers, on a shared machine"
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=" ".join(ATTACKS))
    options = parser.parse_args()
    unknown = set(options.attacks) - set(ATTACKS)
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    processes.prepare()
    os.setpriority(os.PRIO_PROCESS, 0, options.nice)
    print(f"goals: p99 {GOAL_MS} ms, no turn above {GOAL_TURN_MS} ms")
    for kind in [None, *(options.attacks or ATTACKS)]:
        report(kind, *measure(options.lb, kind, options.seconds, options.nice))


if __name__ == "__main__":
    main()
