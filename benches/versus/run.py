#!/usr/bin/env python3
"""Measures lb beside HAProxy and nginx in one run. See README.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bulk
import footprint
import instructions
import processes
import report
import scenarios
import svg
from measure import Bench
from origin import Origin
from peers import OWN, SHARED, Programs

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

SCENARIOS = [
    scenarios.KeepAlive(),
    scenarios.BrowserHead(),
    scenarios.Saturated(),
    scenarios.NewConnection(),
    scenarios.OneConnection(),
    scenarios.BulkHttp(),
    scenarios.BulkTcp(),
    bulk.Bulk(),
    scenarios.Workers(),
    scenarios.Active(),
    scenarios.Backends(),
    footprint.IdleMemory(),
    footprint.StartUp(),
    instructions.Instructions(),
]


def arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"Scenarios: {', '.join(names)}; all unless named."
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="what to measure")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.2 s: a look, no result")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each scenario (15)")
    parser.add_argument("--seconds", type=float, metavar="S", help="seconds of each sample (0.4)")
    parser.add_argument("--lb", type=Path, metavar="PATH", help="a binary, instead of building one")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (target/versus)")
    parser.add_argument(
        *("--disturbance", "--most-disturbance"),
        type=float,
        default=0.10,
        metavar="SHARE",
        help="share of the proxy's CPU that others may use in a valid sample (0.10)",
    )
    chosen = parser.parse_args()
    unknown = set(chosen.scenarios) - set(names)
    if unknown:
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; use {', '.join(names)}")
    return chosen


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))


def build_lb():
    """The release binary of this tree."""
    command = ["cargo", "build", "--release", "--package", "lb", "--bin", "lb"]
    subprocess.run(command, cwd=PROJECT, check=True)
    return target() / "release" / "lb"


def build_floor(directory):
    path = directory / "floor"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-o", path, HERE / "floor.c"], check=True)
    return path


def cpus():
    """A CPU for the contestants and another one for the load and the origin."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("run.py: two CPUs are needed, one for the proxy and one for the load")
    return usable[0], usable[1]


def main():
    chosen = arguments()
    processes.prepare()
    lb = chosen.lb.resolve() if chosen.lb else build_lb()
    out = chosen.out or target() / "versus"
    out.mkdir(parents=True, exist_ok=True)
    proxy_cpu, load_cpu = cpus()
    with tempfile.TemporaryDirectory(prefix="lb-versus-") as name:
        directory = Path(name)
        floor = build_floor(directory)
        with Origin(directory, load_cpu) as origin:
            cpus_of = {OWN: proxy_cpu, SHARED: load_cpu}
            size = origin.response_bytes()
            programs = Programs(directory, lb, floor, origin.ports, size, cpus_of)
            bench = Bench(
                programs,
                origin,
                proxy_cpu,
                load_cpu,
                seconds=chosen.seconds or (0.2 if chosen.quick else 0.4),
                rounds=chosen.rounds or (3 if chosen.quick else 15),
                quick=chosen.quick,
                most_disturbance=chosen.disturbance,
            )
            data, rows = measure(bench, chosen.scenarios)
        publish(bench, data, rows, out)


def measure(bench, names):
    """Runs the scenarios named, or all; a scenario that fails does not end the run."""
    data, rows, began = {}, [], time.monotonic()
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        bench.say(f"{scenario.name}, after {time.monotonic() - began:.0f} s")
        try:
            data[scenario.name] = scenario.run(bench)
            rows += scenario.rows(data[scenario.name])
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            bench.lose(scenario.name, error)
    return data, rows


def publish(bench, data, rows, out):
    """Writes the table, the raw figures and the chart, and shows the table."""
    table = report.markdown(bench, rows)
    raw = {"setting": report.setting(bench), "lost": bench.lost, "scenarios": data}
    (out / "results.md").write_text(table)
    (out / "results.json").write_text(json.dumps(raw, indent=1) + "\n")
    (out / "versus.svg").write_text(svg.chart(rows))
    print(table)
    bench.say(f"written: {out}/results.md, results.json, versus.svg")


if __name__ == "__main__":
    main()
