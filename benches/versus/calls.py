"""System calls of a request, and requests of a turn, as the kernel counts them.

A turn is a call of epoll_wait: a quick contestant finds less in each and makes more of them.
Counting is perf's where it can see the kernel's tracepoints, else strace's, which slows its
subject down.
"""

import re
import signal
import time
from dataclasses import dataclass
from functools import cache

import processes
from contest import Invalid

ALL = "raw_syscalls:sys_enter"
# Which of them there are depends on the processor, which is called on the library.
TURNS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")
PERF_LINE = re.compile(r"^(\d+);;(?:raw_)?syscalls:sys_enter(?:_(\w+))?;", re.MULTILINE)
# Share of time, seconds, microseconds a call, calls, perhaps errors, name.
STRACE_LINE = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)
ATTACH_SECONDS = 0.3
FEWEST_SECONDS = 0.5


@dataclass(frozen=True)
class Calls:
    """The system calls of one contestant in one round."""

    calls: float
    requests_per_turn: float

    def __str__(self):
        return f"{self.calls:8.2f} system calls, {self.requests_per_turn:6.1f} requests a turn"


def can_be_counted(bench):
    """Returns whether anything here counts system calls; prints so if not."""
    try:
        return bool(traced() or processes.find("strace"))
    except processes.Unavailable as missing:
        bench.lose("system calls", missing)
        return False


def sample(bench, contestant):
    """The load is paused while counting begins and ends, so nothing is missed or cut off."""
    report = bench.programs.directory / "calls.txt"
    before = contestant.answered
    with counter(contestant.child, report) as counting:
        time.sleep(ATTACH_SECONDS)
        with contestant.loaded():
            time.sleep(max(FEWEST_SECONDS, bench.seconds))
        counting.stop(signal.SIGINT)
    total, turns = read_counts(report.read_text())
    requests = contestant.answered - before
    if not requests or not turns:
        raise Invalid(f"{requests} requests, {turns} turns")
    return Calls(total / requests, requests / turns)


@cache
def traced():
    """The events that perf can count here."""
    try:
        perf = processes.find("perf")
    except processes.Unavailable:
        return []
    known = []
    for event in (ALL, *(f"syscalls:sys_enter_{name}" for name in TURNS)):
        with processes.Child([perf, "stat", "-e", event, "true"]) as probe:
            if probe.process.wait(10) == 0:
                known.append(event)
    return known if ALL in known else []


def counter(child, report):
    """Counts the system calls of a process until it is interrupted."""
    pids = child.pids()
    if traced():
        perf = [processes.find("perf"), "stat", "-x", ";", "-e", ",".join(traced())]
        return processes.Child([*perf, "-o", report, "-p", ",".join(map(str, pids))])
    followed = [part for pid in pids for part in ("-p", pid)]
    return processes.Child([processes.find("strace"), "-c", "-f", "-o", report, *followed])


def read_counts(text):
    """All calls, and those that were turns, in a report of perf or strace."""
    found = PERF_LINE.findall(text) or STRACE_LINE.findall(text)
    counts = {name or "total": int(count) for count, name in found}
    return counts.get("total", 0), sum(counts.get(name, 0) for name in TURNS)
