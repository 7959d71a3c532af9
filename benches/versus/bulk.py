"""Long bodies: how fast they pass, and what everybody pays for it.

Owns the matrix of sizes, connections and modes, and its figures: bytes per second, and CPU time per
GB of the proxy alone and of all three, origin, proxy and client. A proxy can make itself cheap at the
cost of both its neighbours, who share the machine with it or at least wait for it. Bytes are counted
where the client reads them, since a body of 100 MB outlasts a sample.
"""

import time
from dataclasses import dataclass

from contest import Invalid, contest
from load import Load
from measure import SETTLE_SECONDS, in_rounds, is_believed
from origin import BODIES
from peers import Setup
from results import Row
import processes

CONNECTIONS = (1, 8, 64)
MODES = ("http", "tcp")
COPYING, SPLICING = "haproxy", "HAProxy splicing"
# A cell of the matrix has three contestants, and there are 18 cells.
ROUNDS = 9
STRETCH = 1.5


@dataclass(frozen=True)
class Sample:
    """What one contestant did in one round."""

    cpu_ms_per_gb: float
    all_ms_per_gb: float
    seconds_per_gb: float

    def __str__(self):
        speed = f"{1 / self.seconds_per_gb:5.2f} GB/s"
        return f"{speed}, {self.all_ms_per_gb:6.0f} ms/GB of all, {self.cpu_ms_per_gb:6.0f} its own"


class Bulk:
    """Each size over few and many connections, in both modes; HAProxy copying and splicing."""

    name = "bulk"

    def run(self, bench):
        return {
            f"{mode}, {size} over {count}": self.cell(bench, mode, size, count)
            for mode in MODES
            for size in BODIES
            for count in CONNECTIONS
        }

    def cell(self, bench, mode, size, count):
        bench.say(f" {mode}, {size}, {count} connections")
        traffic = Load(connections=count, path=f"/{size}")
        setups = [Setup(label, label, mode=mode, traffic=traffic) for label in ("lb", COPYING)]
        setups.append(Setup(SPLICING, "haproxy", mode=mode, splices=True, traffic=traffic))
        with contest(bench, setups) as contestants:
            figures = in_rounds(bench, contestants, sample, min(ROUNDS, bench.rounds))
            believed = [one.label for one in contestants if is_believed(bench, one)]
        return {label: figures[label] for label in believed if label in figures}

    def rows(self, data):
        rows = []
        for cell, figures in data.items():
            rows += [
                row(cell, "time", "s per GB", figures, "seconds_per_gb").at_most_best(1 / 1.1),
                row(cell, "CPU of all", "ms per GB", figures, "all_ms_per_gb").at_most_best(0.95),
                row(cell, "CPU of the proxy", "ms per GB", figures, "cpu_ms_per_gb").at_most(
                    1, COPYING
                ),
            ]
        return rows


class BestRow(Row):
    """A row that is held to the better of HAProxy's two ways."""

    def at_most_best(self, factor):
        known = [label for label in (COPYING, SPLICING) if self.spread(label)]
        if known:
            best = min(known, key=lambda label: self.spread(label).median)
            self.at_most(factor, best)
        return self


def row(cell, what, unit, figures, name):
    columns = {label: one[name] for label, one in figures.items() if name in one}
    return BestRow(f"{cell}: {what}", unit, columns)


def sample(bench, contestant):
    """One contestant, once."""
    with contestant.loaded():
        time.sleep(SETTLE_SECONDS)
        first = Reading(bench, contestant)
        time.sleep(bench.seconds * STRETCH)
        second = Reading(bench, contestant)
    gigabytes = (second.bytes - first.bytes) / 1e9
    elapsed = second.at - first.at
    if gigabytes <= 0:
        raise Invalid("no byte came through")
    disturbance = max(0, second.others - first.others) / elapsed
    if disturbance > bench.most_disturbance:
        raise Invalid(f"others used {disturbance:.0%} of its CPU")
    return Sample(
        cpu_ms_per_gb=(second.own - first.own) / gigabytes / 1e6,
        all_ms_per_gb=(second.all - first.all) / gigabytes / 1e6,
        seconds_per_gb=elapsed / gigabytes / 1e9,
    )


class Reading:
    """The clocks and counters at one moment."""

    def __init__(self, bench, contestant):
        if not contestant.is_running():
            raise Invalid("ended under load")
        self.own, *_ = contestant.child.cpu_ns()
        self.all = sum(child.cpu_ns()[0] for child in contestant.team())
        self.bytes = contestant.bytes_read()
        self.others = processes.busy_ns(bench.proxy_cpu) - self.own
        self.at = time.monotonic_ns()

