#!/usr/bin/env python3
"""Measures how well requests are spread over unequal servers: lb, HAProxy and nginx in one run.

Three of four Pi servers are alike and the fourth is ten times slower. A closed loop of clients
asks each contestant in turn, in rounds; see clients.py for what is counted. With --serial the
servers are alike and requests of unlike length come by themselves; see serial.py.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import choice_chart
import herding
import pi
import processes
import report
import serial
from clients import Clients
from peers import Programs, Setup
from run import PROJECT, target

TERM_US = {"fast-1": 200, "fast-2": 200, "fast-3": 200, "slow": 2000}

CONTESTANTS = [
    Setup("lb least-rt", "lb", strategy="least-rt"),
    Setup("lb least-conn", "lb", strategy="least-conn"),
    Setup("lb round-robin", "lb", strategy="round-robin"),
    Setup("HAProxy leastconn", "haproxy"),
    Setup("nginx least_conn", "nginx"),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--herding", action="store_true", help="many lb before equal servers")
    parser.add_argument("--serial", action="store_true", help="an open loop at load 0.9; see serial.py")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (3)")
    parser.add_argument("--seconds", type=float, default=8, metavar="S", help="of a sample (8)")
    parser.add_argument("--clients", type=int, default=16, metavar="N", help="in the loop (16)")
    parser.add_argument(
        "--terms",
        type=terms,
        default=(20, 80),
        metavar="N[-M]",
        help="terms of Pi a request asks for, drawn evenly from the range (20-80)",
    )
    parser.add_argument("--lb", type=Path, metavar="PATH", help="a binary, not the one built")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (target/choice)")
    chosen = parser.parse_args()
    if chosen.rounds < 1 or chosen.clients < 1 or chosen.seconds < 2:
        parser.error("there must be a round, a client and two seconds at least")
    return chosen


def terms(text):
    """A range of terms; one number is a range too."""
    least, _, most = text.partition("-")
    result = int(least), int(most or least)
    if not 1 <= result[0] <= result[1]:
        raise ValueError(text)
    return result


def main():
    chosen = arguments()
    processes.prepare()
    packages = ["--package", "lb", "--package", "pi-backend", "--bins"]
    subprocess.run(["cargo", "build", "--release", *packages], cwd=PROJECT, check=True)
    built = target() / "release"
    out = chosen.out or target() / "choice"
    out.mkdir(parents=True, exist_ok=True)
    traffic = Clients(chosen.clients, chosen.terms, chosen.seconds)
    costs = herding.TERM_US if chosen.herding else serial.TERM_US if chosen.serial else TERM_US
    with (
        tempfile.TemporaryDirectory(prefix="lb-choice-") as directory,
        pi.servers(built / "pi-backend", costs) as ports,
    ):
        lb = (chosen.lb or built / "lb").resolve()
        # Not pinned to a CPU: what is measured is mostly waiting.
        programs = Programs(Path(directory), lb, None, ports, 0, {})
        if chosen.herding:
            figures = herding.run(programs, traffic, chosen.rounds)
            publish("herding", herding.table(figures), figures, programs, chosen, out)
            return
        if chosen.serial:
            figures = serial.run(programs, chosen.seconds, chosen.rounds, is_here)
            publish("serial", serial.table(figures), figures, programs, chosen, out)
            return
        figures = compare(programs, traffic, chosen.rounds)
    publish("choice", table(figures), figures, programs, chosen, out)
    (out / "choice.svg").write_text(choice_chart.chart(figures, setting(programs, chosen)[1]))


def compare(programs, traffic, rounds):
    """The figures of every contestant, by label; another one begins each round."""
    taken = {setup.label: [] for setup in CONTESTANTS if is_here(programs, setup)}
    setups = [setup for setup in CONTESTANTS if setup.label in taken]
    for number in range(rounds):
        turn = number % len(setups)
        for setup in setups[turn:] + setups[:turn]:
            started = programs.start(setup)
            with started.child:
                taken[setup.label].append(traffic.run([started.port], seed=number))
            sample = figures_of([taken[setup.label][-1]], traffic.seconds)
            say(f"  {setup.label:<18} p99 {sample['p99_ms']:7.1f} ms, {sample['shares']}")
    return {label: figures_of(samples, traffic.seconds) for label, samples in taken.items()}


def is_here(programs, setup):
    """Returns whether this machine can run a contestant; prints so if not."""
    try:
        programs.command(setup, 0)
    except processes.Unavailable as missing:
        say(f"  left out: {setup.label}: {missing}")
        return False
    return True


def figures_of(samples, seconds):
    """Statistics over the exchanges of all rounds; a failure counts as an error alone."""
    good = [[one for one in sample if one.server] for sample in samples]
    everything = [one.latency_ms() for sample in good for one in sample]
    if not all(good):
        raise RuntimeError("no request was served in a round")
    by_server = Counter(one.server for sample in good for one in sample)
    return {
        "p50_ms": percentile(everything, 50),
        "p99_ms": percentile(everything, 99),
        "max_ms": max(everything),
        "p99_ms_of_rounds": [percentile([one.latency_ms() for one in s], 99) for s in good],
        "requests": len(everything),
        "requests_per_second": statistics.mean(len(sample) / seconds for sample in good),
        "errors": sum(map(len, samples)) - len(everything),
        "shares": {name: round(by_server[name] / len(everything), 4) for name in TERM_US},
    }


def percentile(values, percent):
    """The least value that so many percent are not above: the nearest rank."""
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]


def table(figures):
    """The figures as a table, and whether least-rt has the lowest p99."""
    lines = [
        f"| contestant | p50 ms | p99 ms | max ms | requests/s | errors | {' | '.join(TERM_US)} |",
        f"|---|{'---:|' * (5 + len(TERM_US))}",
    ]
    for label, one in figures.items():
        times = [f"{one[name]:,.0f}" for name in ("p50_ms", "p99_ms", "max_ms")]
        shares = [f"{share:.1%}" for share in one["shares"].values()]
        cells = [label, *times, f"{one['requests_per_second']:.0f}", str(one["errors"]), *shares]
        lines.append(f"| {' | '.join(cells)} |")
    best = min(figures, key=lambda label: figures[label]["p99_ms"])
    return [*lines, "", f"Lowest p99: {best}."]


def setting(programs, chosen):
    """The contestants and the load."""
    versions = ", ".join(report.versions(SimpleNamespace(programs=programs)).values())
    least, most = serial.TERMS if chosen.serial else chosen.terms
    asked = f"/{least}" if least == most else f"/{least} to /{most}"
    if chosen.serial:
        return [
            f"{versions}; {report.processor()}.",
            f"Requests for {asked} at load {serial.LOAD}, {chosen.rounds} rounds of "
            f"{chosen.seconds:g} s after {serial.WARM_UP_SECONDS:g} s of warm-up; medians of rounds.",
        ]
    return [
        f"{versions}; {report.processor()}.",
        f"{chosen.clients} clients asking {asked}, {chosen.rounds} rounds of "
        f"{chosen.seconds:g} s after 3 s of warm-up.",
    ]


def publish(name, lines, figures, programs, chosen, out):
    """Writes the table and the raw figures, and shows the table."""
    about = setting(programs, chosen)
    text = "\n".join([*about, "", *lines]) + "\n"
    (out / f"{name}.md").write_text(text)
    raw = {"setting": about, "figures": figures}
    (out / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    print(text)
    say(f"written to {out}")


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
