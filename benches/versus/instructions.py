"""Instructions of a request in user space.

They do not depend on how busy the machine is, so one run of each is enough.
"""

import dataclasses
import re

import network
import processes
from peers import Setup
from results import Row


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
        """All instructions of a run that serves so many requests."""
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
        figures = {label: [count] for label, count in data.items()}
        row = Row("instructions in user space per request", "", figures, is_charted=True)
        return [row.at_most(0.5, "haproxy")]
