"""The load: wrk, one thread, a closed loop.

Owns its command line and what its report means. A loop that is closed asks again when it is
answered, so every contestant is driven as hard as it can go. It asks until it is interrupted.
"""

import re
import signal
import subprocess
import time
from dataclasses import dataclass

import network
import processes

# More than any scenario takes.
MOST_SECONDS = 3600
# Time after which wrk counts a failure: longer than a load is paused. Its memory grows with it.
TIMEOUT_SECONDS = 60

# Fields of a browser: the head is about 600 bytes with them.
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cache-Control: no-cache",
    "Cookie: session=6f1d2a7c9b3e4f50; theme=dark; consent=all",
    "Referer: http://example.org/shop/category/42",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Upgrade-Insecure-Requests: 1",
)


@dataclass(frozen=True)
class Load:
    """The load on a contestant."""

    connections: int = 64
    path: str = "/"
    fields: tuple = ()
    # Factor on the time of a sample, where requests are few.
    stretch: int = 1

    def start(self, port, cpu, log=subprocess.DEVNULL):
        """Starts wrk against `port`."""
        fields = [part for line in self.fields for part in ("-H", line)]
        url = f"http://{network.HOST}:{port}{self.path}"
        options = ["-t1", f"-c{self.connections}", f"-d{MOST_SECONDS}s"]
        options += ["--timeout", f"{TIMEOUT_SECONDS}s"]
        return processes.Child([processes.find("wrk"), *options, *fields, url], cpu, log=log)


def finish(child):
    """Makes wrk end and report. It heeds the signal in one of its threads alone, and which one
    gets it is chance: it is told until it has heard."""
    deadline = time.monotonic() + processes.STOP_SECONDS
    while child.is_running() and time.monotonic() < deadline:
        child.process.send_signal(signal.SIGINT)
        time.sleep(0.05)


@dataclass(frozen=True)
class LoadReport:
    """The figures of wrk for a run. `errors` are failed connections and refused requests alike."""

    requests: int
    errors: int


def parse(text):
    """Reads the report of wrk."""
    requests = re.search(r"(\d+) requests in ", text)
    if requests is None:
        raise RuntimeError("the load has not said what it saw")
    socket_errors = re.search(r"Socket errors:(.*)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = int(refused.group(1)) if refused else 0
    if socket_errors:
        errors += sum(map(int, re.findall(r"\d+", socket_errors.group(1))))
    return LoadReport(int(requests.group(1)), errors)
