"""Rounds under load: the cost of a request, measured and judged.

A sample is a fresh contestant under load for a few seconds. CPU time and the origin's count of
requests are read twice, after the load has settled and at the end, so that starting up and
filling the pools is not counted. Samples that cannot be believed are thrown away, and that is
said. Contestants take turns within a round, and another one begins each round, so that a machine
that slows down or is disturbed does so for all.
"""

import statistics
import sys
import time
from dataclasses import asdict, dataclass, field

import load
import processes

SETTLE_SECONDS = 1
FEWEST_REQUESTS = 200
TRIES = 3


class Invalid(RuntimeError):
    """Why a sample is thrown away."""


@dataclass(frozen=True)
class Sample:
    """What one contestant cost in one round; times are per request, in microseconds."""

    cpu_us: float
    user_us: float
    system_us: float
    requests_per_second: float
    latency_us: float
    requests: int
    busy: float
    disturbance: float


@dataclass
class Bench:
    """What every scenario needs."""

    programs: object
    origin: object
    proxy_cpu: int
    load_cpu: int
    seconds: float
    rounds: int
    quick: bool
    # The share of the proxy's CPU that others may use before a sample is thrown away.
    most_disturbance: float
    lost: list = field(default_factory=list)

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def lose(self, what, why):
        """Notes a sample or a figure that is missing from the results."""
        self.say(f"  thrown away: {what}: {why}")
        self.lost.append(f"{what}: {why}")


def rounds(bench, setups, traffic, count=None):
    """Samples of every contestant, by label. Those that are missing here are left out."""
    setups = [setup for setup in setups if is_available(bench, setup)]
    samples = {setup.label: [] for setup in setups}
    for number in range(count or bench.rounds):
        turn = number % len(setups)
        for setup in setups[turn:] + setups[:turn]:
            sample = valid_sample(bench, setup, traffic)
            if sample:
                samples[setup.label].append(sample)
                line = f"  {setup.label:<22} {sample.cpu_us:8.2f} us of CPU, {sample.busy:4.0%} busy"
                bench.say(f"{line}, {sample.requests_per_second:8.0f} requests/s")
    return {label: medians(taken) for label, taken in samples.items() if taken}


def is_available(bench, setup):
    """Whether a contestant can run on this machine."""
    try:
        bench.programs.command(setup, 0)
    except processes.Unavailable as missing:
        bench.lose(setup.label, missing)
        return False
    return True


def valid_sample(bench, setup, traffic):
    """A sample that can be believed, after a few tries, or none."""
    for _ in range(TRIES):
        try:
            return sample(bench, setup, traffic)
        except RuntimeError as why:
            bench.lose(setup.label, why)
    return None


def sample(bench, setup, traffic):
    """One contestant, once."""
    started = bench.programs.start(setup)
    report_path = bench.programs.directory / "load.txt"
    total = SETTLE_SECONDS + bench.seconds + 0.5
    with started.child as child, report_path.open("w") as log:
        before = bench.origin.requests()
        with traffic.start(started.port, round(total + 0.5), bench.load_cpu, log) as running:
            time.sleep(SETTLE_SECONDS)
            first = Reading(bench, child)
            time.sleep(bench.seconds)
            second = Reading(bench, child)
            running.process.wait(total + 20)
        report = load.parse(report_path.read_text())
        judge(report, bench.origin.requests() - before, traffic.connections)
        if not child.is_running():
            raise Invalid("ended under load")
    taken = compare(first, second, report, traffic.connections)
    if taken.disturbance > bench.most_disturbance:
        raise Invalid(f"others used {taken.disturbance:.0%} of its CPU")
    return taken


class Reading:
    """The clocks and counters at one moment."""

    def __init__(self, bench, child):
        self.requests = bench.origin.requests()
        self.total, self.user, self.system = child.cpu_ns()
        self.busy = processes.busy_ns(bench.proxy_cpu)
        self.at = time.monotonic_ns()


def compare(first, second, report, connections):
    """What happened between two readings, for each request."""
    requests = second.requests - first.requests
    elapsed = second.at - first.at
    total = second.total - first.total
    ticks = max(1, second.user - first.user + second.system - first.system)
    user = total * (second.user - first.user) / ticks
    others = max(0, second.busy - first.busy - total) / elapsed
    if requests < FEWEST_REQUESTS:
        raise Invalid(f"only {requests} requests")
    return Sample(
        cpu_us=total / requests / 1000,
        user_us=user / requests / 1000,
        system_us=(total - user) / requests / 1000,
        requests_per_second=requests * 1e9 / elapsed,
        latency_us=connections * report.seconds / report.requests * 1e6,
        requests=requests,
        busy=total / elapsed,
        disturbance=others,
    )


def judge(report, counted, connections):
    """Whether a run can be believed."""
    if report.errors:
        raise Invalid(f"{report.errors} errors")
    if report.requests == 0:
        raise Invalid("no request was answered")
    # When the load stops, each of its connections may be waiting for an answer.
    if not 0 <= counted - report.requests <= connections:
        raise Invalid(f"the origin counted {counted} requests, the load {report.requests}")


def medians(samples):
    """The median of every figure, the range of the CPU time, and the samples themselves."""
    figures = [asdict(sample) for sample in samples]
    result = {name: statistics.median(one[name] for one in figures) for name in figures[0]}
    costs = [one["cpu_us"] for one in figures]
    result["cpu_us_range"] = [min(costs), max(costs)]
    result["samples"] = figures
    return result
