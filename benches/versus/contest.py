"""Contestants under load, up for a whole scenario and at work one at a time.

Owns the pairs of a proxy and its load. Both run from the first sample to the last, so that each
finds processes, connections, pools and estimates warm. Between two samples the load is paused by
a signal: connections stay, and the proxy has nothing to do. The responses of the origin meanwhile
is the contestant's, and at the end its load must have seen the same. Knows of no figures.
"""

import os
import time
from contextlib import ExitStack, contextmanager

import load
import processes
from peers import SHARED

WARM_UP_SECONDS = 0.5
# All of many connections are opened and used in that time: half a millisecond each.
WARM_UP_SECONDS_PER_CONNECTION = 0.0005
DRAIN_SECONDS = 5


class Invalid(RuntimeError):
    """Why something measured is thrown away."""


@contextmanager
def contest(bench, setups):
    """The contestants of these setups, warm. Those that cannot run here are left out."""
    with ExitStack() as running:
        contestants = []
        for setup in setups:
            try:
                one = running.enter_context(started(bench, setup))
                one.warm_up()
                contestants.append(one)
            except (processes.Unavailable, RuntimeError) as why:
                bench.lose(setup.label, why)
        yield contestants


@contextmanager
def started(bench, setup):
    """A contestant whose load is paused."""
    proxy = bench.programs.start(setup)
    report = bench.programs.directory / f"load-{proxy.port}.txt"
    with (
        proxy.child,
        report.open("w") as log,
        setup.traffic.start(proxy.port, bench.load_cpu, log) as running,
    ):
        running.pause()
        yield Contestant(setup, proxy.child, running, bench.origin, report)


class Contestant:
    """A proxy and its load. `answered` counts the requests that came through it."""

    def __init__(self, setup, child, running_load, origin, report):
        self.setup = setup
        self.label = setup.label
        self.child = child
        self.answered = 0
        self._warm = child.cpu_ns()
        self._load = running_load
        self._origin = origin
        self._report = report

    def is_running(self):
        return self.child.is_running() and self._load.is_running()

    def on_its_cpu(self):
        """The processes at work on the CPU of the proxy while it is loaded."""
        return self.team() if self.setup.place == SHARED else [self.child]

    def team(self):
        """All that take part: the proxy, its load and the origin."""
        return [self.child, self._load, self._origin.child]

    def bytes_read(self):
        """Bytes that the load has read so far."""
        return self._load.bytes_read()

    def warm_up(self):
        with self.loaded():
            connections = self.setup.traffic.connections
            time.sleep(WARM_UP_SECONDS + WARM_UP_SECONDS_PER_CONNECTION * connections)
        self._warm = self.child.cpu_ns()

    def user_share(self):
        """The share of user time in its CPU time since it is warm."""
        _, user, system = (now - then for now, then in zip(self.child.cpu_ns(), self._warm))
        return user / max(1, user + system)

    @contextmanager
    def loaded(self):
        """The load is on; in the end all requests are served, and counted."""
        before = self._origin.requests()
        # On a CPU that is shared, nothing interrupts: a process runs on until nothing is left to
        # do, and the proxy finds all connections waiting.
        policy = os.SCHED_BATCH if self.setup.place == SHARED else os.SCHED_OTHER
        for child in self.team():
            child.set_policy(policy)
        self._load.resume()
        try:
            yield
        finally:
            self._load.pause()
            self.answered += self._drained() - before
        if not self.child.is_running():
            raise Invalid("ended under load")

    def _drained(self):
        """The requests the origin has served, when no more come."""
        deadline = time.monotonic() + DRAIN_SECONDS
        last, count = None, self._origin.requests()
        while last != count or not self._is_at_rest():
            if time.monotonic() > deadline:
                raise Invalid("goes on without load")
            time.sleep(0.01)
            last, count = count, self._origin.requests()
        return count

    def _is_at_rest(self):
        if not self.child.is_running():
            return True
        return self.child.is_asleep() and self._origin.child.is_asleep()

    def judge(self):
        """Ends the load. Fails if its account of the responses is implausible."""
        if not self.is_running():
            raise Invalid("ended under load")
        with self.loaded():
            load.finish(self._load)
        report = load.parse(self._report.read_text())
        if report.errors:
            raise Invalid(f"{report.errors} errors")
        if report.requests == 0:
            raise Invalid("no request was served")
        # When the load stops, each of its connections may be waiting for a response.
        if not 0 <= self.answered - report.requests <= self.setup.traffic.connections:
            counts = f"the origin counted {self.answered} requests, the load {report.requests}"
            raise Invalid(counts)
