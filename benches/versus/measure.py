"""Rounds under load: the cost of a request, measured and judged.

In each round every contestant gives one short sample, one after another, and another one begins
each round. A machine that changes its speed does so for all of a round, or for one of many: what
counts is the ratio within a round, and the median over the rounds (see results.py).

In a sample, CPU time and the origin's count of requests are read twice, after the load has
settled and at the end. Samples that cannot be believed are thrown away, and that is said.
"""

import sys
import time
from dataclasses import asdict, dataclass, field

import calls
import processes
from contest import Invalid, contest
from peers import SHARED

SETTLE_SECONDS = 0.1
# Time for a response on every connection: 100 microseconds each.
SETTLE_SECONDS_PER_CONNECTION = 0.0001
FEWEST_REQUESTS = 50
TRIES = 3
COUNTED_ROUNDS = 5


@dataclass(frozen=True)
class Sample:
    """The cost of one contestant in one round; times are per request, in microseconds."""

    cpu_us: float
    requests_per_second: float
    latency_us: float
    requests: int
    busy: float
    disturbance: float

    def __str__(self):
        cost = f"{self.cpu_us:8.2f} us of CPU, {self.busy:4.0%} busy"
        return f"{cost}, {self.requests_per_second:8.0f} requests/s"


@dataclass
class Bench:
    """The settings that all scenarios share."""

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


def rounds(bench, setups, count=None, counts_calls=False):
    """The figures of every contestant, by label and name: one for each round, or none. System
    calls are counted in rounds of their own, as counting them takes time."""
    with contest(bench, setups) as contestants:
        figures = in_rounds(bench, contestants, sample, count or bench.rounds)
        for one in contestants:
            split(figures.get(one.label), one)
        if counts_calls and calls.can_be_counted(bench):
            counted = in_rounds(bench, contestants, calls.sample, COUNTED_ROUNDS)
            figures = {label: {**one, **counted.get(label, {})} for label, one in figures.items()}
        believed = [one.label for one in contestants if is_believed(bench, one)]
    return {label: figures[label] for label in believed if label in figures}


def split(figures, contestant):
    """Adds what of the cost is user time, by its share in all rounds: the timer tick knows it,
    and has too few samples in one round."""
    if figures and contestant.is_running():
        share = contestant.user_share()
        figures["user_us"] = [cost and cost * share for cost in figures["cpu_us"]]


def in_rounds(bench, contestants, take, count):
    """The samples of `take` for the contestants in so many rounds."""
    taken = {contestant.label: [] for contestant in contestants}
    for number in range(count):
        turn = number % max(1, len(contestants))
        for contestant in contestants[turn:] + contestants[:turn]:
            taken[contestant.label].append(valid(bench, contestant, take))
    return {label: columns(samples) for label, samples in taken.items() if any(samples)}


def valid(bench, contestant, take):
    """A sample that can be believed, after a few tries, or none."""
    for _ in range(TRIES):
        if not contestant.is_running():
            break
        try:
            taken = take(bench, contestant)
        except (OSError, RuntimeError) as why:
            bench.lose(contestant.label, why)
        else:
            bench.say(f"  {contestant.label:<22} {taken}")
            return taken
    return None


def columns(samples):
    """The figures of the samples by name; none where a sample is missing."""
    figures = [asdict(sample) if sample else {} for sample in samples]
    names = next(one for one in figures if one)
    return {name: [one.get(name) for one in figures] for name in names}


def is_believed(bench, contestant):
    try:
        contestant.judge()
    except (OSError, RuntimeError) as why:
        bench.lose(f"{contestant.label}, all of it", why)
        return False
    return True


def sample(bench, contestant):
    """One contestant, once."""
    traffic = contestant.setup.traffic
    with contestant.loaded():
        time.sleep(SETTLE_SECONDS + SETTLE_SECONDS_PER_CONNECTION * traffic.connections)
        first = Reading(bench, contestant)
        time.sleep(bench.seconds * traffic.stretch)
        second = Reading(bench, contestant)
    taken = compare(first, second, traffic.connections)
    if taken.disturbance > bench.most_disturbance:
        raise Invalid(f"others used {taken.disturbance:.0%} of its CPU")
    return taken


class Reading:
    """The clocks and counters at one moment."""

    def __init__(self, bench, contestant):
        if not contestant.is_running():
            raise Invalid("ended under load")
        cpu = bench.load_cpu if contestant.setup.place == SHARED else bench.proxy_cpu
        self.requests = bench.origin.requests()
        self.total, *_ = contestant.child.cpu_ns()
        team = sum(child.cpu_ns()[0] for child in contestant.on_its_cpu())
        self.others = processes.busy_ns(cpu) - team
        self.at = time.monotonic_ns()


def compare(first, second, connections):
    """The difference of two readings, per request."""
    requests = second.requests - first.requests
    elapsed = second.at - first.at
    total = second.total - first.total
    if requests < FEWEST_REQUESTS:
        raise Invalid(f"only {requests} requests")
    return Sample(
        cpu_us=total / requests / 1000,
        requests_per_second=requests * 1e9 / elapsed,
        # Every connection of a closed loop always waits for a response.
        latency_us=connections * elapsed / requests / 1000,
        requests=requests,
        busy=total / elapsed,
        disturbance=max(0, second.others - first.others) / elapsed,
    )
