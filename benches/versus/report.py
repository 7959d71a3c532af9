"""The result as text: a table of ratios with goals, and what has to be known to read it."""

import os
import platform
import re
import subprocess
from pathlib import Path

import processes
from results import NAMES


def markdown(bench, rows):
    """The whole report."""
    lines = [*setting(bench), "", *table([row for row in rows if not row.is_count]), ""]
    if counted := [row for row in rows if row.is_count]:
        lines += [*counts(counted), ""]
    verdicts = [goal.is_met() for row in rows for goal in row.goals]
    lines.append(
        f"Goals: {verdicts.count(True)} met, {verdicts.count(False)} missed, "
        f"{verdicts.count(None)} not measured."
    )
    if bench.lost:
        lines += ["", f"Thrown away or left out ({len(bench.lost)}):", ""]
        lines += [f"- {what}" for what in bench.lost]
    return "\n".join(lines) + "\n"


def setting(bench):
    """The contestants, the machine, and the duration."""
    programs = ", ".join(versions(bench).values())
    return [
        f"{programs}; {processor()}, {os.cpu_count()} CPUs, Linux {platform.release()}.",
        f"{bench.rounds} rounds of {bench.seconds:g} s; ratios are taken within a round: the "
        "median, and the quartiles in brackets. Less is better.",
    ]


def table(rows):
    """The rows as a table."""
    lines = [
        "| scenario | lb | / HAProxy | / nginx | / floor | goal |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        ratios = [with_quartiles(row.ratio(label)) for label in (row.rival, "nginx", "floor")]
        cells = [row.title, with_unit(row), *ratios, goals(row)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def counts(rows):
    """The counts of all contestants, as a table."""
    lines = ["| counted | lb | HAProxy | nginx | floor | goal |", "|---|---:|---:|---:|---:|---|"]
    contestants = ("lb", "haproxy", "nginx", "floor")
    for row in rows:
        figures = [with_quartiles(row.spread(label)) for label in contestants]
        lines.append(f"| {' | '.join([row.title, *figures, goals(row)])} |")
    return lines


def with_unit(row):
    found = row.spread("lb")
    return "" if found is None else f"{with_quartiles(found)} {row.unit}".strip()


def with_quartiles(spread):
    """The median, and the quartiles where there are any to tell."""
    if spread is None:
        return ""
    median, low, high = (number(figure) for figure in (spread.median, spread.low, spread.high))
    return median if low == high else f"{median} ({low}–{high})"


def number(figure):
    """Three significant digits, and no more than two after the point."""
    decimals = 2 if abs(figure) < 10 else 1 if abs(figure) < 100 else 0
    return f"{figure:,.{decimals}f}"


def goals(row):
    return ", ".join(map(verdict, row.goals))


def verdict(goal):
    marks = {True: "met", False: "**missed**", None: "not measured"}
    return f"{goal.text}: {marks[goal.is_met()]}"


def versions(bench):
    """The versions of the contestants."""
    commands = {
        "lb": ([bench.programs.lb, "--version"], r"lb [\d.]+"),
        "haproxy": (["haproxy", "-v"], r"version ([\d.]+)"),
        "nginx": (["nginx", "-v"], r"nginx/([\d.]+)"),
    }
    result = {}
    for label, ((program, *rest), pattern) in commands.items():
        try:
            command = [processes.find(str(program)), *rest]
        except processes.Unavailable:
            continue
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        found = re.search(pattern, done.stdout + done.stderr)
        version = found.group(found.lastindex or 0) if found else "?"
        result[label] = f"{NAMES[label]} {version}" if label in NAMES else version
    return result


def processor():
    """The model of the processor."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()
