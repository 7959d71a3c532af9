"""Costs that are counted, not timed: system calls and instructions of a request.

They do not depend on how busy the machine is, so one run of each is enough.
"""

import dataclasses
import re
import signal
import time

import load
import network
import processes
from measure import SETTLE_SECONDS
from peers import Setup
from results import Row


class SystemCalls:
    """System calls per request, by the kernel's own count where perf can see it.

    Who is quick finds less to do in each turn of its loop, and waits more often. With 256
    connections there is always enough to do: that is full load, and what the goal is about."""

    name = "system-calls"
    connections = (64, 256)

    def run(self, bench):
        return {count: self.at(bench, count) for count in self.connections}

    def at(self, bench, connections):
        result = {}
        for label in ("lb", "haproxy", "nginx", "floor"):
            try:
                result[label] = self.of(bench, Setup(label, label), connections)
                figure = f"{result[label]:8.2f} system calls at {connections} connections"
                bench.say(f"  {label:<22} {figure}")
            except processes.Unavailable as missing:
                bench.lose(label, missing)
        return result

    def of(self, bench, setup, connections):
        """The count starts before the load and ends after it: opening the connections adds
        some hundred calls to some hundred thousand."""
        started = bench.programs.start(setup)
        report = bench.programs.directory / "calls.txt"
        with started.child as child:
            before = bench.origin.requests()
            with counter(child, report) as counting:
                time.sleep(0.5)
                seconds = SETTLE_SECONDS + round(bench.seconds + 0.5)
                with load.Load(connections).start(started.port, seconds, bench.load_cpu) as running:
                    running.process.wait(seconds + 20)
                counting.stop(signal.SIGINT)
            return read_count(report.read_text()) / (bench.origin.requests() - before)

    def rows(self, data):
        rows = [
            Row(f"system calls per request, {count} connections", "calls", data[count])
            for count in self.connections
        ]
        rows[-1].below(4.05)
        return rows


def counter(child, report):
    """Counts the system calls of a process until it is interrupted."""
    pids = ",".join(map(str, child.pids()))
    try:
        perf = [processes.find("perf"), "stat", "-x", ";", "-e", "raw_syscalls:sys_enter"]
        with processes.Child([*perf, "true"]) as probe:
            if probe.process.wait(10) == 0:
                return processes.Child([*perf, "-o", report, "-p", pids])
    except processes.Unavailable:
        pass
    # strace slows its subject down, which then finds more to do in each turn of its loop.
    followed = [part for pid in child.pids() for part in ("-p", pid)]
    return processes.Child([processes.find("strace"), "-c", "-f", "-o", report, *followed])


def read_count(text):
    """The count in a report of perf or strace."""
    by_perf = re.search(r"^(\d+);;raw_syscalls", text, re.MULTILINE)
    if by_perf:
        return int(by_perf.group(1))
    total = next(line for line in text.splitlines() if line.endswith(" total"))
    return int(total.split()[3])


class Instructions:
    """Instructions in user space per warm request, by callgrind: the difference between a long
    run and a short one, so that starting and stopping cancel out."""

    name = "instructions"

    def run(self, bench):
        result = {}
        for label in ("lb", "haproxy", "nginx"):
            try:
                result[label] = self.of(bench, Setup(label, label))
                bench.say(f"  {label:<22} {result[label]:8.0f} instructions")
            except processes.Unavailable as missing:
                bench.lose(label, missing)
        return result

    def of(self, bench, setup):
        few, many = (1000, 5000) if bench.quick else (4000, 24000)
        return (self.total(bench, setup, many) - self.total(bench, setup, few)) / (many - few)

    def total(self, bench, setup, requests):
        """All instructions of a run that answers so many requests."""
        out = bench.programs.directory / "callgrind.out"
        out.unlink(missing_ok=True)
        valgrind = [processes.find("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}"]
        started = dataclasses.replace(bench.programs, prefix=valgrind).start(setup)
        with started.child as child:
            url = f"http://{network.HOST}:{started.port}/"
            command = [processes.find("h2load"), "--h1", "-c", 64, "-n", requests, url]
            with processes.Child(command, bench.load_cpu) as running:
                if running.process.wait(300) != 0:
                    raise RuntimeError("h2load failed")
            child.stop(seconds=30)
        return int(re.search(r"^summary: (\d+)", out.read_text(), re.MULTILINE).group(1))

    def rows(self, data):
        row = Row("instructions in user space per request", "", data, is_charted=True)
        return [row.at_most(0.5, "haproxy")]
