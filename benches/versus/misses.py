#!/usr/bin/env python3
"""Counts the cache misses of a request: with few connections and many, few backends and many.

Clients ask in waves, in turn. The backends, which are of this script as well, respond to a wave
when all of it has come, so every request meets state that others have driven out of the caches as far
as there is state. Callgrind simulates a first-level data cache of 32 KiB and a last one of 1 MiB
and counts the lines of memory that lb does not find there. Counting begins when all have
asked before, so starting and opening connections is left out.

The kernel is not simulated, and it drives lines out as well. So the misses of the first level say
how many lines a request needs, those of the last level how many of them come from memory at least.
"""

import argparse
import re
import select
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import budget
import network
import processes

CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64")
REQUEST = f"GET /100 HTTP/1.1\r\nHost: {network.HOST}\r\n\r\n".encode()
# Requests that are counted at least.
COUNTED = 8000
# Requests after which a backend has as many connections as it ever needs at once, nearly.
WARM_PER_BACKEND = 40
# Least cost of a request.
FEWEST_INSTRUCTIONS = 1000
# Valgrind makes lb some fifty times slower; without this nothing would end a run that hangs.
WAVE_SECONDS = 120


@dataclass(frozen=True)
class Case:
    """The load on lb: so many connections, of which `wave` ask at a time."""

    connections: int
    wave: int
    backends: int
    strategy: str

    def __str__(self):
        at_once = "" if self.wave == self.connections else f", {self.wave} at a time"
        return f"{self.connections} connections{at_once}, {self.backends} backends, {self.strategy}"

    def waves(self):
        """Waves before counting begins, and those that are counted."""
        rounds = -(-self.connections // self.wave)
        warm = max(2 * rounds, WARM_PER_BACKEND * self.backends // self.wave)
        return warm, max(rounds, COUNTED // self.wave)


CASES = (
    Case(64, 64, 4, "least-rt"),
    Case(4000, 4000, 4, "least-rt"),
    Case(4000, 64, 4, "least-rt"),
    Case(64, 64, 512, "least-rt"),
    Case(64, 64, 512, "p2c"),
    Case(64, 64, 512, "round-robin"),
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lb", type=Path, required=True, metavar="PATH", help="the binary to count")
    parser.add_argument("--case", type=int, action="append", metavar="N", help="only the Nth case, from 0")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="where to keep what callgrind saw")
    return parser.parse_args()


class Origin:
    """Backends that respond on command."""

    def __init__(self, count):
        self.events = select.epoll()
        self.listeners, self.connections, self.waiting = {}, {}, []
        for _ in range(count):
            listener = socket.create_server((network.HOST, 0), backlog=4096)
            self.listeners[listener.fileno()] = listener
            self.events.register(listener, select.EPOLLIN)
        self.ports = [listener.getsockname()[1] for listener in self.listeners.values()]

    def collect(self, count):
        """Waits until so many requests have come."""
        while len(self.waiting) < count:
            ready = self.events.poll(WAVE_SECONDS)
            if not ready:
                raise RuntimeError(f"only {len(self.waiting)} of {count} requests came")
            for descriptor, _ in ready:
                if descriptor in self.listeners:
                    self._accept(self.listeners[descriptor])
                else:
                    self._read(descriptor)

    def answer(self):
        """Answers all that have come."""
        for connection in self.waiting:
            connection.sendall(budget.ANSWER)
        self.waiting.clear()

    def close(self):
        for each in (*self.connections.values(), *self.listeners.values(), self.events):
            each.close()

    def _accept(self, listener):
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[connection.fileno()] = connection
        self.events.register(connection, select.EPOLLIN)

    def _read(self, descriptor):
        connection = self.connections[descriptor]
        request = connection.recv(1 << 16)
        if not request:
            self.connections.pop(descriptor).close()
        elif request.endswith(b"\r\n\r\n"):
            self.waiting.append(connection)
        else:
            raise RuntimeError(f"part of a request: {request!r}")


class Clients:
    """Connections to lb, which take turns to ask."""

    def __init__(self, port, case):
        address = (network.HOST, port)
        self.case = case
        self.connections = [socket.create_connection(address, WAVE_SECONDS) for _ in range(case.connections)]
        self.turns = cycle(self.connections)

    def ask(self, origin, waves):
        for _ in range(waves):
            wave = list(islice(self.turns, self.case.wave))
            for client in wave:
                client.sendall(REQUEST)
            origin.collect(len(wave))
            origin.answer()
            for client in wave:
                receive(client)

    def close(self):
        for connection in self.connections:
            connection.close()


def receive(client):
    budget.await_answer(client, budget.ANSWER)


def per_request(lb, case, out):
    """Counts of callgrind for a request: events by name."""
    port, origin = budget.free_port(), Origin(case.backends)
    servers = ",".join(f"{network.HOST}:{backend}" for backend in origin.ports)
    valgrind = [processes.find("valgrind"), "--tool=callgrind", *CACHES, f"--callgrind-out-file={out}"]
    options = ["--quiet", "--health", "none", "--listen", f"{network.HOST}:{port}"]
    options += ["--strategy", case.strategy, "--max-connections", 5000, "--backends", servers]
    warm, counted = case.waves()
    with processes.Child([*valgrind, lb, *options]) as child:
        await_listening(port, child)
        clients = Clients(port, case)
        clients.ask(origin, warm)
        control("--zero", child)
        clients.ask(origin, counted)
        control("--dump", child)
        clients.close()
    origin.close()
    each = {name: count / (counted * case.wave) for name, count in counts(dumped(out).read_text())}
    if each["Ir"] < FEWEST_INSTRUCTIONS:
        raise RuntimeError("callgrind began to count too late")
    return each


def control(order, child):
    """Gives callgrind an order, which it has carried out when this returns."""
    command = [processes.find("callgrind_control"), order, str(child.pid)]
    subprocess.run(command, check=True, capture_output=True)


def dumped(out):
    return out.with_name(f"{out.name}.1")


def counts(text):
    names = re.search(r"^events: (.+)", text, re.MULTILINE).group(1).split()
    totals = re.search(r"^totals: (.+)", text, re.MULTILINE).group(1).split()
    return zip(names, map(int, totals))


def await_listening(port, child):
    """Waits until lb accepts connections."""
    for _ in range(1000):
        try:
            return socket.create_connection((network.HOST, port), 1).close()
        except OSError:
            if child.process.poll() is not None:
                raise RuntimeError("lb has ended")
            select.select([], [], [], 0.02)
    raise RuntimeError("lb does not listen")


def main():
    chosen = arguments()
    processes.prepare()
    cases = [CASES[number] for number in chosen.case] if chosen.case else CASES
    print(f"{'instructions':>12} {'D1 read':>8} {'write':>6} {'I1':>6} {'LL read':>8} {'write':>6}  a request")
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="lb-misses-") as directory:
            out = Path(directory, "callgrind.out")
            each = per_request(chosen.lb.resolve(), case, out)
            if chosen.profile:
                chosen.profile.mkdir(parents=True, exist_ok=True)
                shutil.copy(dumped(out), chosen.profile / f"{CASES.index(case)}.out")
        names = ("Ir", "D1mr", "D1mw", "I1mr", "DLmr", "DLmw")
        # Zeros at the end are not written.
        ir, d1r, d1w, i1, llr, llw = (each.get(name, 0) for name in names)
        print(f"{ir:12.0f} {d1r:8.1f} {d1w:6.1f} {i1:6.1f} {llr:8.1f} {llw:6.1f}  {case}", flush=True)


if __name__ == "__main__":
    main()
