"""The load: wrk, one thread, a closed loop.

Owns its command line and what its report means. A loop that is closed asks again when it is
answered, so every contestant is driven as hard as it can go.
"""

import re
import subprocess
from dataclasses import dataclass

import network
import processes

SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}

# What a browser sends along: the head is about 600 bytes with it.
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
    """What is asked of a contestant."""

    connections: int = 64
    path: str = "/"
    fields: tuple = ()

    def start(self, port, seconds, cpu, log=subprocess.DEVNULL):
        """Starts wrk against `port`."""
        fields = [part for line in self.fields for part in ("-H", line)]
        url = f"http://{network.HOST}:{port}{self.path}"
        options = ["-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "10s"]
        return processes.Child([processes.find("wrk"), *options, *fields, url], cpu, log=log)


@dataclass(frozen=True)
class LoadReport:
    """What wrk says of a run. `errors` are failed connections and refused requests alike."""

    requests: int
    seconds: float
    mean_latency: float
    errors: int


def parse(text):
    """Reads the report of wrk."""
    requests, seconds = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    mean, unit = re.search(r"Latency\s+([\d.]+)(us|ms|s|m)\b", text).groups()
    socket_errors = re.search(r"Socket errors:(.*)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = int(refused.group(1)) if refused else 0
    if socket_errors:
        errors += sum(map(int, re.findall(r"\d+", socket_errors.group(1))))
    return LoadReport(int(requests), float(seconds), float(mean) * SCALE[unit], errors)
