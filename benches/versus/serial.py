"""Requests of unlike length that come by themselves, before servers that do one at a time.

An open loop: the next request does not wait for the last one. Arrivals and lengths follow from the
seed, so in a round every contestant gets the same. A request counts from when it was due, also while
no thread was free to send it; how late it was sent is reported. What the servers can do is measured
before, with nothing in between, and the load is a share of that.

The figures are medians over the rounds, beside the least and the most of a round: how much comes at
once is a matter of chance, and moves the p99 of all contestants far more than they differ. So they
are compared within each round, too.
"""

import http.client
import queue
import random
import statistics
import sys
import threading
import time
from dataclasses import dataclass

import network
from clients import answer
from peers import Setup

TERM_US = {f"pi-{number}": 500 for number in range(1, 5)}
TERMS = (20, 200)
LOAD = 0.9
# So many requests may be under way; at this load there are seldom more than a hundred.
THREADS = 320
# Requests to each server that measure what it can do.
CALIBRATION = 60
# In the warm-up lb learns how many requests a server works on at once.
WARM_UP_SECONDS = 30.0
# A round in which this share of requests was sent later than that is no open loop.
LATE_MS, LATE_SHARE = 20.0, 0.01
BASE = "HAProxy leastconn"

CONTESTANTS = [
    Setup("lb least-rt", "lb"),
    Setup("lb least-rt, limit auto", "lb", limit="auto"),
    Setup("lb least-conn", "lb", strategy="least-conn"),
    Setup("HAProxy leastconn", "haproxy"),
    Setup("HAProxy leastconn, maxconn 1", "haproxy", limit="1"),
    Setup("nginx least_conn", "nginx"),
]


@dataclass(frozen=True)
class Exchange:
    """One request, in seconds of the clients' clock; no server if the response was not a 200."""

    due: float
    sent: float
    ended: float
    server: str | None


def calibrate(ports):
    """Requests a second that the servers can do. Each is asked over two connections at once, so that
    it always has a request to work on."""
    seconds = [None] * 2 * len(ports)

    def measure(number):
        dice, port = random.Random(number), ports[number // 2]
        connection = http.client.HTTPConnection(network.HOST, port)
        terms, began = 0, time.perf_counter()
        for _ in range(CALIBRATION):
            asked = dice.randint(*TERMS)
            if answer(connection, asked) is None:
                raise RuntimeError(f"the server at port {port} does not answer")
            terms += asked
        # Half of the time it worked for the other.
        seconds[number] = (time.perf_counter() - began) / 2 / terms * statistics.mean(TERMS)
        connection.close()

    threads = [threading.Thread(target=measure, args=(number,)) for number in range(len(seconds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if None in seconds:
        raise RuntimeError("a server could not be measured")
    return sum(1 / one for one in seconds) / 2


def requests(rate, seconds, seed):
    """When each request is due and how many terms it asks for."""
    dice, due = random.Random(seed), 0.0
    while (due := due + dice.expovariate(rate)) < seconds:
        yield due, dice.randint(*TERMS)


def sample(port, rate, seconds, seed):
    """The exchanges that were due after the warm-up, all finished."""
    taken, waiting = [], queue.SimpleQueue()
    threads = [
        threading.Thread(target=ask, args=(port, waiting, taken), daemon=True)
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    for due, terms in requests(rate, WARM_UP_SECONDS + seconds, seed):
        time.sleep(max(0.0, start + due - time.perf_counter()))
        waiting.put((start + due, terms))
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    return [one for one in taken if one.due >= start + WARM_UP_SECONDS]


def ask(port, waiting, taken):
    """Sends what is due, on one connection that stays."""
    connection = http.client.HTTPConnection(network.HOST, port, timeout=network.DEADLINE_SECONDS)
    while (request := waiting.get()) is not None:
        due, terms = request
        sent = time.perf_counter()
        server = answer(connection, terms)
        taken.append(Exchange(due, sent, time.perf_counter(), server))
    connection.close()


def run(programs, seconds, rounds, is_here):
    """The figures of every contestant, by label; another one begins each round."""
    capacity = calibrate(programs.backend_ports)
    nominal = sum(1e6 / cost for cost in TERM_US.values()) / statistics.mean(TERMS)
    say(f"  the servers do {capacity:.1f} requests/s, of {nominal:.1f} without any overhead")
    setups = [setup for setup in CONTESTANTS if is_here(programs, setup)]
    taken = {setup.label: [] for setup in setups}
    for number in range(rounds):
        turn = number % len(setups)
        for setup in setups[turn:] + setups[:turn]:
            started = programs.start(setup)
            with started.child:
                exchanges = sample(started.port, LOAD * capacity, seconds, number)
            figures = figures_of(exchanges)
            taken[setup.label].append(figures)
            say(f"  round {number + 1}, {setup.label:<28} {figures}")
    return {label: summary(rounds, taken.get(BASE)) for label, rounds in taken.items()}


def say(text):
    print(text, file=sys.stderr, flush=True)


def figures_of(exchanges):
    """Percentiles of the times from due to finished, over those that were answered well, and how
    many were not."""
    times = sorted((one.ended - one.due) * 1000 for one in exchanges if one.server)
    if not times:
        raise RuntimeError("no request was served in a round")
    late = sum((one.sent - one.due) * 1000 > LATE_MS for one in exchanges)
    if late > LATE_SHARE * len(exchanges):
        say(f"  {late} of {len(exchanges)} requests were sent late: the round is no open loop")
    rank = {name: -(-len(times) * percent // 100) for name, percent in RANKS.items()}
    return {
        **{name: round(times[max(at, 1) - 1], 1) for name, at in rank.items()},
        "requests": len(exchanges),
        "errors": len(exchanges) - len(times),
        "sent_late": late,
    }


RANKS = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 100}
SUMS = ("requests", "errors", "sent_late")


def summary(rounds, base):
    """Medians over the rounds, sums of the counts, and the p99 over that of the base contestant."""
    medians = {name: statistics.median(one[name] for one in rounds) for name in RANKS}
    sums = {name: sum(one[name] for one in rounds) for name in SUMS}
    pairs = zip(rounds, base or [], strict=False)
    ratios = [one["p99_ms"] / other["p99_ms"] for one, other in pairs]
    to_base = statistics.median(ratios) if ratios else None
    return {**medians, **sums, "p99_to_base": to_base, "rounds": rounds}


def table(figures):
    """The figures as a table."""
    lines = [
        f"| contestant | p50 ms | p99 ms | of a round | p99 / {BASE} | requests | errors |",
        f"|---|{'---:|' * 6}",
    ]
    for label, one in figures.items():
        tails = [sample["p99_ms"] for sample in one["rounds"]]
        ratio = one["p99_to_base"]
        cells = [
            label,
            f"{one['p50_ms']:,.0f}",
            f"{one['p99_ms']:,.0f}",
            f"{min(tails):,.0f} to {max(tails):,.0f}",
            "" if ratio is None else f"{ratio:.2f}",
            f"{one['requests']:,}",
            str(one["errors"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    late = sum(one["sent_late"] for one in figures.values())
    return [*lines, "", f"Requests sent more than {LATE_MS:.0f} ms after they were due: {late}."]
