"""The footprint of an idle contestant: memory, time to start, size on disk."""

import socket
import time

import network
import processes
from peers import Setup
from results import Row


class IdleMemory:
    """Resident memory for each client connection that waits between two requests."""

    name = "idle-memory"
    counts = (1000, 5000)

    def run(self, bench):
        result = {}
        for label in ("lb", "haproxy", "nginx"):
            try:
                result[label] = self.of(bench, Setup(label, label))
                bench.say(f"  {label:<22} {result[label]:8.0f} bytes")
            except processes.Unavailable as missing:
                bench.lose(label, missing)
        return result

    def of(self, bench, setup):
        """Bytes for each connection between the first count of them and the second."""
        started = bench.programs.start(setup)
        opened, resident = [], []
        with started.child as child:
            try:
                for count in self.counts:
                    while len(opened) < count:
                        opened.append(socket.create_connection((network.HOST, started.port), 10))
                        network.request(started.port, connection=opened[-1])
                    time.sleep(0.5)
                    resident.append(child.resident_bytes())
            finally:
                for connection in opened:
                    connection.close()
        return (resident[1] - resident[0]) / (self.counts[1] - self.counts[0])

    def rows(self, data):
        figures = {label: [size] for label, size in data.items()}
        row = Row("memory of an idle keep-alive connection", "bytes", figures, is_charted=True)
        return [row.below(350).at_most(1, "nginx")]


class StartUp:
    """Time from the start of the process to its first response; size of the binary."""

    name = "start-up"

    def run(self, bench):
        labels = ("lb", "haproxy", "nginx")
        times = {label: [] for label in labels if is_here(bench, label)}
        for _ in range(3 if bench.quick else 11):
            for label, taken in times.items():
                taken.append(self.time(bench, label))
        return {"ms": times, "megabytes": {"lb": [stripped_bytes(bench) / 1e6]}}

    def time(self, bench, label):
        port = network.ports()[0]
        command = bench.programs.command(Setup(label, label), port)
        began = time.monotonic()
        with processes.Child(command) as child:
            network.await_answer(port, child, pause=0.0002)
            return (time.monotonic() - began) * 1000

    def rows(self, data):
        times = Row("start to first response", "ms", data["ms"]).below(20, " ms")
        return [times, Row("binary, stripped", "MB", data["megabytes"]).below(4, " MB")]


def is_here(bench, label):
    """Returns whether this machine has a contestant; prints so if not."""
    try:
        bench.programs.command(Setup(label, label), 0)
    except processes.Unavailable as missing:
        bench.lose(label, missing)
        return False
    return True


def stripped_bytes(bench):
    """The size of lb without symbols."""
    stripped = bench.programs.directory / "lb-stripped"
    command = [processes.find("strip"), "-o", stripped, bench.programs.lb]
    with processes.Child(command) as child:
        child.process.wait(60)
    return stripped.stat().st_size
