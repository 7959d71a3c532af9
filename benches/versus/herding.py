"""Several lb before the same equal servers: do they all run to the same one?

Each lb sees only its own requests. If they mistook the same server for the best, it would get
more than its share for a while and the others less; so shares are taken second by second.
"""

import contextlib
import statistics
import sys
from collections import Counter, defaultdict

from peers import Setup

TERM_US = {"pi-1": 200, "pi-2": 200, "pi-3": 200, "pi-4": 200}
PROCESSES = (1, 2, 4)
# A reference that cannot herd: what remains is the servers' own unevenness.
STRATEGIES = ("least-rt", "round-robin")


def run(programs, traffic, rounds):
    """The figures of every strategy and number of processes, by label."""
    figures = {}
    for strategy in STRATEGIES:
        for count in PROCESSES:
            samples = [sample(programs, traffic, strategy, count, seed) for seed in range(rounds)]
            label = f"{count} × {strategy}"
            figures[label] = figures_of(samples, traffic.seconds)
            print(f"  {label}: {figures[label]}", file=sys.stderr, flush=True)
    return figures


def sample(programs, traffic, strategy, count, seed):
    """The exchanges of one round, with the clients dealt out to `count` processes."""
    with contextlib.ExitStack() as running:
        ports = []
        for _ in range(count):
            started = programs.start(Setup(strategy, "lb", strategy=strategy))
            running.enter_context(started.child)
            ports.append(started.port)
        return traffic.run(ports, seed)


def figures_of(samples, seconds):
    """Largest deviation of a server's share in a second from the fair share, as a part of it."""
    deviations = [one for exchanges in samples for one in deviations_of(exchanges, seconds)]
    latencies = sorted(one.latency_ms() for sample in samples for one in sample if one.server)
    return {
        "most_deviation": max(deviations),
        "mean_deviation": statistics.mean(deviations),
        "p99_ms": latencies[len(latencies) * 99 // 100],
        "requests_per_second": len(latencies) / seconds / len(samples),
        "errors": sum(map(len, samples)) - len(latencies),
    }


def deviations_of(exchanges, seconds):
    """One for each server and each whole second, by when exchanges ended. The first second is left
    out: what was begun before it was not counted."""
    start = min(one.began for one in exchanges)
    counts = defaultdict(Counter)
    for one in exchanges:
        if one.server:
            counts[int(one.ended - start)][one.server] += 1
    for second in range(1, int(seconds)):
        fair = counts[second].total() / len(TERM_US)
        for server in TERM_US:
            yield abs(counts[second][server] / fair - 1) if fair else 1.0


def table(figures):
    """The figures as a table."""
    lines = [
        "| processes | most deviation | mean deviation | p99 ms | requests/s | errors |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for label, one in figures.items():
        shares = [f"{one[name]:.1%}" for name in ("most_deviation", "mean_deviation")]
        rest = [f"{one['p99_ms']:.0f}", f"{one['requests_per_second']:.0f}", str(one["errors"])]
        lines.append(f"| {' | '.join([label, *shares, *rest])} |")
    return [*lines, "", "Deviation from the fair share of a second, of any server."]
