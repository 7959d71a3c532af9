#!/usr/bin/env python3
"""Holds lb to its budget of instructions: fails when a request costs more than it may.

What it may cost, and why, is in budget.json.

The same requests go over the same connection, or over a new one for each, one at a time, to
backends of this script, and callgrind counts what the event loop of lb executes in user space.
Opening connections that stay cancels out: the figure is the difference of a long run and a short
one, for each request.

What differs from run to run is kept out. Starting and stopping are not counted: the latter merges
histograms, which are the larger the more the response times differ. Everything shares one CPU, on
which lb does not interrupt the client: it would find a new connection in one turn and the request
on it in the next, or both in one, as the race goes. And a slow machine only adds, as more deadlines
pass and histograms grow: each run is repeated, and the lowest count of each taken.

What is left depends on the processor, as some libraries choose their code by what it offers. Where
the source lies, and how many variables the environment has, make no difference.
"""

import argparse
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

import load
import network
import processes

BUDGET = Path(__file__).with_name("budget.json")
BACKENDS = 4
FEW, MANY = 500, 8500
RUNS = 3
# Counting begins where this is entered and ends where it is left.
COUNTED = "*EventLoop::run"
CLOSE = "Connection: close"
FIELDS = {
    "plain": (),
    "browser": load.BROWSER,
    "new-connection": (CLOSE,),
    "learned-limit": (),
    "routed": (),
}
# Flags of lb that a case needs.
FLAGS = {"learned-limit": ("--backend-max-connections", "auto")}
# Routes of the case that has some: ten hosts with ten paths each. The request is for one of them.
HOSTS = [network.HOST, *(f"site-{number}.example.com" for number in range(1, 10))]
PATHS = ["/100", *(f"/service-{number}/v1" for number in range(1, 10))]
ROUTES = "".join(
    f'[[route]]\nhost = "{host}"\npath = "{path}"\npool = "web"\n'
    for host in HOSTS
    for path in PATHS
)
# The backends are given by flags.
ROUTED = f'[[listener]]\npool = "web"\n{ROUTES}[pool.web]\nbackends = ["{network.HOST}:9"]\n'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: budget\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n"
    + b"0123456789abcdef" * 8
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lb", type=Path, required=True, metavar="PATH", help="the binary to count")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="where to keep what callgrind saw")
    parser.add_argument("--case", action="append", choices=FIELDS, help="count this alone")
    return parser.parse_args()


class Backends:
    """Answers every request, on several ports, and counts."""

    def __init__(self):
        listeners = [socket.create_server((network.HOST, 0)) for _ in range(BACKENDS)]
        self.ports = [listener.getsockname()[1] for listener in listeners]
        self.requests = 0
        self._counting = threading.Lock()
        for listener in listeners:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while request := connection.recv(1 << 16):
                # lb writes a head in one piece, and none of these has a body.
                if not request.endswith(b"\r\n\r\n"):
                    raise RuntimeError(f"part of a request: {request!r}")
                with self._counting:
                    self.requests += 1
                connection.sendall(ANSWER)


def free_port():
    """A port that the system says is free: less likely to be taken by others than a fixed one."""
    with socket.create_server((network.HOST, 0)) as probe:
        return probe.getsockname()[1]


def ask(port, fields, requests):
    """Asks so many times, on one connection or, if that is to be closed, on a new one each time;
each response is awaited before the next request."""
    lines = ["GET /100 HTTP/1.1", f"Host: {network.HOST}:{port}", *fields, "", ""]
    request = "\r\n".join(lines).encode()
    if CLOSE in fields:
        told = ANSWER.replace(b"\r\n\r\n", f"\r\n{CLOSE}\r\n\r\n".encode())
        connections, each, answer = requests, 1, told
    else:
        connections, each, answer = 1, requests, ANSWER
    for _ in range(connections):
        with socket.create_connection((network.HOST, port), network.DEADLINE_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(each):
                connection.sendall(request)
                await_answer(connection, answer)


def await_answer(connection, answer):
    """Reads one response, which has to be this one but for the Date that lb adds."""
    _, body = answer.split(b"\r\n\r\n")
    received = b""
    while not received.endswith(body):
        part = connection.recv(1 << 16)
        if not part:
            break
        received += part
    if re.sub(rb"Date: [^\r]*\r\n", b"", received) != answer:
        raise RuntimeError(f"not the response: {received!r}")


def instructions(command, backends, fields, requests, out):
    """All instructions of the loop of an lb that serves so many requests, by its program and
    flags. What callgrind saw is left in out."""
    port, before = free_port(), backends.requests
    servers = ",".join(f"{network.HOST}:{backend}" for backend in backends.ports)
    valgrind = [
        *(processes.find("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}"),
        f"--toggle-collect={COUNTED}",
    ]
    # Checks come with the time, not with the requests.
    options = ["--quiet", "--health", "none", "--date", "off", "--listen", f"{network.HOST}:{port}"]
    with processes.Child([*valgrind, *command, *options, "--backends", servers]) as child:
        network.await_answer(port, child)
        child.set_policy(os.SCHED_BATCH)
        ask(port, fields, requests)
        child.stop(seconds=30)
    # One found out that lb responds.
    if backends.requests - before != requests + 1:
        raise RuntimeError("another client uses lb as well: this run is void")
    count = int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))
    if count == 0:
        raise RuntimeError(f"no function {COUNTED} in {command[0]}, or it was inlined")
    return count


def fewest(command, backends, fields, requests, out):
    """The lowest count of several runs. What callgrind saw in that run is left in out."""
    counts = []
    for run in range(RUNS):
        seen = out.with_suffix(f".{run}")
        counts.append(instructions(command, backends, fields, requests, seen))
        if counts[-1] == min(counts):
            seen.replace(out)
    return min(counts)


def per_request(command, backends, fields, few, many):
    base = fewest(command, backends, fields, FEW, few)
    return (fewest(command, backends, fields, MANY, many) - base) / (MANY - FEW)


def flags_of(case, directory):
    """The flags of lb for a case; its files are in the directory."""
    if case != "routed":
        return FLAGS.get(case, ())
    path = Path(directory) / "lb.toml"
    path.write_text(ROUTED)
    return ("--config", path)


def main():
    chosen = arguments()
    processes.prepare()
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    budget = json.loads(BUDGET.read_text())
    backends = Backends()
    exceeded = False
    for name, fields in FIELDS.items():
        if chosen.case and name not in chosen.case:
            continue
        allowed = budget[name]["instructions"]
        with tempfile.TemporaryDirectory(prefix="lb-budget-") as directory:
            few, many = (Path(directory) / f"{name}{end}.out" for end in ("-few", ""))
            command = [chosen.lb.resolve(), *flags_of(name, directory)]
            count = per_request(command, backends, fields, few, many)
            if chosen.profile:
                chosen.profile.mkdir(parents=True, exist_ok=True)
                shutil.copy(few, chosen.profile)
                shutil.copy(many, chosen.profile)
        print(f"{name}: {count:.0f} instructions a request, of {allowed} allowed")
        exceeded |= count > allowed
    if exceeded:
        sys.exit(f"budget.py: over budget; make lb cheaper, or say in {BUDGET.name} why it is worth it")


if __name__ == "__main__":
    main()
