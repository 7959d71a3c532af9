#!/usr/bin/env python3
"""Compares lb-broker with Mosquitto (QoS 0), Redis pub/sub and NATS, all in one run.

    benches/versus.py --lb target/release/lb-broker            everything, some minutes
    benches/versus.py --lb ... --seconds 1 --only lb,mosquitto  a smoke test

Each server runs alone on one core, this load on another. Three patterns at two sizes: one producer
to one consumer, one to a hundred, a hundred to one. A window bounds what is on its way, so that no
server drops anything; every server gets the same windows, and every byte that must arrive is
waited for. Rounds go through all servers in turn, and a figure is the median of its rounds.

What counts is CPU time of the server for each delivered message, as a ratio to Mosquitto in the
same run: times of a busy machine differ from run to run, ratios much less. Messages per second are
printed too, but the load, in Python, is the bottleneck of some.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from load import Load
from peers import Broker, brokers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Time on a core of all threads of a process, which the scheduler counts in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@dataclass
class Sample:
    """One round of one server and pattern."""

    messages: int
    seconds: float
    cpu: float


class Server:
    """A server process on a core of its own."""

    def __init__(self, broker: Broker, core: int, folder: Path) -> None:
        self.broker, self.port = broker, free_port()
        command = ["taskset", "-c", str(core), *broker.command(self.port, folder)]
        environment = {**os.environ, "GOMAXPROCS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{broker.name} does not start") from None
                time.sleep(0.02)

    def measure(
        self, producers: int, consumers: int, size: int, batch: int, seconds: float
    ) -> Sample:
        load = Load(self.broker, self.port, producers, consumers, size, batch)
        load.run(min(0.2, seconds))
        cpu, started = cpu_seconds(self.process.pid), time.monotonic()
        messages = load.run(seconds)
        sample = Sample(
            messages, time.monotonic() - started, cpu_seconds(self.process.pid) - cpu
        )
        load.close()
        return sample

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


PATTERNS = {"1-to-1": (1, 1), "1-to-100": (1, 100), "100-to-1": (100, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare lb-broker with other brokers.")
    parser.add_argument("--lb", required=True, help="the binary of lb-broker, built for release")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="servers, by commas")
    parser.add_argument("--sizes", default="128,4096", help="bytes of the payload, by commas")
    parser.add_argument("--batch", type=int, default=16, help="messages that a producer sends at once")
    parser.add_argument("--json", help="file for all samples")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, load_core = cores[0], cores[-1]
    os.sched_setaffinity(0, {load_core})
    if server_core == load_core:
        print("versus.py: there is one core only; ratios hold, rates do not", file=sys.stderr)
    os.environ["PATH"] += ":/usr/sbin"
    only = set(filter(None, arguments.only.split(",")))
    sizes = [int(size) for size in arguments.sizes.split(",")]
    samples: dict[tuple[str, str, int], list[Sample]] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers: list[Server] = []
        try:
            for broker in brokers(arguments.lb, only):
                servers.append(Server(broker, server_core, Path(folder)))
            for _ in range(arguments.rounds):
                for pattern, (producers, consumers) in PATTERNS.items():
                    for size in sizes:
                        for server in servers:
                            sample = server.measure(
                                producers, consumers, size, arguments.batch, arguments.seconds
                            )
                            samples.setdefault((server.broker.name, pattern, size), []).append(sample)
        finally:
            for server in servers:
                server.stop()
    report(samples, sizes)
    if arguments.json:
        rows = [{"server": n, "pattern": p, "size": s, **sample.__dict__}
                for (n, p, s), found in samples.items() for sample in found]
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def report(samples: dict[tuple[str, str, int], list[Sample]], sizes: list[int]) -> None:
    """A table for each size: CPU of a delivered message, its ratio to Mosquitto, and rates."""
    names = list(dict.fromkeys(name for name, _, _ in samples))
    base = "mosquitto" if "mosquitto" in names else names[0]
    for size in sizes:
        print(f"\n{size} bytes: CPU us per delivered message (ratio to {base}); messages/s delivered")
        print("| server |" + "".join(f" {pattern} |" for pattern in PATTERNS))
        print("|---|" + "---:|" * len(PATTERNS))
        for name in names:
            cells = ""
            for pattern in PATTERNS:
                found = samples[name, pattern, size]
                # Ratios are of the same round, so that what disturbs a round disturbs both.
                pairs = zip(found, samples[base, pattern, size])
                ratio = statistics.median(cost(a) / max(cost(b), 1e-12) for a, b in pairs)
                rate = statistics.median(s.messages / s.seconds for s in found)
                micros = statistics.median(map(cost, found)) * 1e6
                cells += f" {micros:.2f} ({ratio:.2f}); {rate:,.0f} |"
            print(f"| {name} |{cells}")


def cost(sample: Sample) -> float:
    return sample.cpu / max(sample.messages, 1)


if __name__ == "__main__":
    main()
