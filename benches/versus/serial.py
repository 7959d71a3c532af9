"""Requests of unlike length that come by themselves, before servers that do one at a time.

An open loop: the next request does not wait for the last one. Arrivals and lengths follow from the
seed, so every contestant gets the same. A request counts from when it was due, also while no
thread was free to send it.
"""

import http.client
import queue
import random
import statistics
import sys
import threading
import time

import network
from clients import Exchange, answer
from peers import Setup

TERM_US = {f"pi-{number}": 1000 for number in range(1, 5)}
TERMS = (20, 200)
LOAD = 0.9
# So many requests may be under way; at this load there are seldom more than thirty.
THREADS = 160

CONTESTANTS = [
    Setup("lb least-rt", "lb"),
    Setup("lb least-rt, limit auto", "lb", limit="auto"),
    Setup("lb least-conn", "lb", strategy="least-conn"),
    Setup("HAProxy leastconn", "haproxy"),
    Setup("HAProxy leastconn, maxconn 1", "haproxy", limit="1"),
    Setup("nginx least_conn", "nginx"),
]


def requests(seconds, seed):
    """When each request is due and how many terms it asks for."""
    dice = random.Random(seed)
    mean_s = statistics.mean(TERMS) * 1e-6 * statistics.mean(TERM_US.values())
    rate, due = LOAD * len(TERM_US) / mean_s, 0.0
    while (due := due + dice.expovariate(rate)) < seconds:
        yield due, dice.randint(*TERMS)


def sample(port, seconds, warm_up_seconds, seed):
    """The exchanges that were due after the warm-up, all finished."""
    taken, waiting = [], queue.SimpleQueue()
    threads = [
        threading.Thread(target=ask, args=(port, waiting, taken), daemon=True)
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    for due, terms in requests(warm_up_seconds + seconds, seed):
        time.sleep(max(0.0, start + due - time.perf_counter()))
        waiting.put((start + due, terms))
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    return [one for one in taken if one.began >= start + warm_up_seconds]


def ask(port, waiting, taken):
    """Sends what is due, on one connection that stays."""
    connection = http.client.HTTPConnection(network.HOST, port, timeout=network.DEADLINE_SECONDS)
    while (request := waiting.get()) is not None:
        due, terms = request
        server = answer(connection, terms)
        taken.append(Exchange(due, time.perf_counter(), server))
    connection.close()


def run(programs, seconds, rounds, is_here):
    """The figures of every contestant, by label; another one begins each round."""
    setups = [setup for setup in CONTESTANTS if is_here(programs, setup)]
    taken = {setup.label: [] for setup in setups}
    for number in range(rounds):
        turn = number % len(setups)
        for setup in setups[turn:] + setups[:turn]:
            started = programs.start(setup)
            with started.child:
                # In the warm-up lb learns how many requests a server works on at once.
                exchanges = sample(started.port, seconds, 30.0, number)
            taken[setup.label] += exchanges
            figures = figures_of(exchanges)
            print(f"  {setup.label:<28} {figures}", file=sys.stderr, flush=True)
    return {label: figures_of(exchanges) for label, exchanges in taken.items()}


def figures_of(exchanges):
    """Percentiles of the times from due to finished; a failure counts as an error alone."""
    times = sorted(one.latency_ms() for one in exchanges if one.server)
    rank = {name: -(-len(times) * percent // 100) for name, percent in RANKS.items()}
    return {
        **{name: round(times[max(at, 1) - 1], 1) for name, at in rank.items()},
        "requests": len(exchanges),
        "errors": len(exchanges) - len(times),
    }


RANKS = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 100}


def table(figures):
    """The figures as a table."""
    lines = [
        "| contestant | p50 ms | p90 ms | p99 ms | max ms | requests | errors |",
        f"|---|{'---:|' * 6}",
    ]
    for label, one in figures.items():
        times = [f"{one[name]:,.0f}" for name in RANKS]
        lines.append(f"| {' | '.join([label, *times, str(one['requests']), str(one['errors'])])} |")
    return lines
