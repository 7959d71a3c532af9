"""The clients: a closed loop of threads that ask for Pi and note what each request took.

Owns the requests and their times. Knows nothing of the servers behind them: servers are the names
in X-Served-By. Service times are tens of milliseconds, so the cost of Python is none of the result.
"""

import http.client
import random
import threading
import time
from dataclasses import dataclass

import network


@dataclass(frozen=True)
class Exchange:
    """One request, in seconds of the clients' clock; no server if the response was not a 200."""

    began: float
    ended: float
    server: str | None

    def latency_ms(self):
        return (self.ended - self.began) * 1000


@dataclass(frozen=True)
class Clients:
    """Number of clients, terms of Pi (a range, evenly), and the time that is counted."""

    count: int
    terms: tuple
    seconds: float
    warm_up_seconds: float = 3.0

    def run(self, ports, seed):
        """The exchanges begun after the warm-up, all finished. Clients are dealt out to `ports`,
        and the same seed makes each of them ask for the same."""
        start = time.perf_counter()
        end = start + self.warm_up_seconds + self.seconds
        taken = [[] for _ in range(self.count)]
        threads = []
        for number, exchanges in enumerate(taken):
            port, dice = ports[number % len(ports)], random.Random(f"{seed}/{number}")
            threads.append(threading.Thread(target=self._ask, args=(port, dice, end, exchanges)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted_from = start + self.warm_up_seconds
        return [one for exchanges in taken for one in exchanges if one.began >= counted_from]

    def _ask(self, port, dice, end, exchanges):
        """One client, on one connection that stays, until `end`."""
        connection = http.client.HTTPConnection(
            network.HOST, port, timeout=network.DEADLINE_SECONDS
        )
        while (began := time.perf_counter()) < end:
            server = answer(connection, dice.randint(*self.terms))
            exchanges.append(Exchange(began, time.perf_counter(), server))
        connection.close()


def answer(connection, terms):
    """The server that computed so many terms; none on failure, and the next one connects anew."""
    try:
        connection.request("GET", f"/{terms}")
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return None
    return response.getheader("X-Served-By") if response.status == 200 else None
