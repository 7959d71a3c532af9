"""The scenarios under load: requests, contestants, and the targets of lb.

Each has a name, measures with `run` and turns what was measured into rows with `rows`. Data
between the two is what the JSON file holds.
"""

from load import BROWSER, Load
from measure import rounds
from peers import ANY, OWN, SHARED, Setup
from results import Row, differences, ratios

STRATEGIES = ("n-to-1", "round-robin", "least-conn", "least-rt", "random", "p2c")
BARE = "HAProxy without the fields"
SPLICING = "HAProxy splicing"
LARGE = Load(connections=16, path="/1MB", stretch=2)
# For scenarios of many contestants.
FEWER_ROUNDS = 9


def pick(data, figure):
    """One figure of each contestant, in each round."""
    return {label: one[figure] for label, one in data.items() if figure in one}


def all_contestants(**options):
    """All contestants, told the same."""
    return [Setup(label, label, **options) for label in ("lb", "haproxy", "nginx", "floor")]


def call_rows(data, name):
    """System calls of all contestants, and the number of requests that share a wait."""
    calls, turns = pick(data, "calls"), pick(data, "requests_per_turn")
    if not calls:
        return []
    return [
        Row(f"{name}: system calls per request", "", calls, is_count=True),
        Row(f"{name}: requests per turn", "", turns, is_count=True),
    ]


class KeepAlive:
    """Small responses over connections that stay."""

    name = "keep-alive"
    title = "keep-alive, 128 bytes, 64 connections"
    load = Load()
    limits = {"floor": 1.12, "haproxy": 0.88}
    user_limit = 0.45
    counts_calls = True

    def run(self, bench):
        bare = Setup(BARE, "haproxy", tells_client=False, traffic=self.load)
        setups = [*all_contestants(traffic=self.load), bare]
        return rounds(bench, setups, counts_calls=self.counts_calls)

    def rows(self, data):
        total = Row(f"{self.title}: CPU", "µs per request", pick(data, "cpu_us"), is_charted=True)
        for label, limit in self.limits.items():
            total.at_most(limit, label)
        user = Row(f"{self.title}: user time", "µs per request", pick(data, "user_us"))
        if self.user_limit:
            user.at_most(self.user_limit, "haproxy")
        bare = Row(
            f"{self.title}: CPU, HAProxy adding X-Forwarded-For alone",
            "µs per request",
            pick(data, "cpu_us"),
            rival=BARE,
        )
        return [total, user, bare, *call_rows(data, self.name)]


class BrowserHead(KeepAlive):
    """The same with what a browser sends along."""

    name = "browser-head"
    title = "the same with a browser's 600-byte head"
    load = Load(fields=BROWSER)
    limits = {"floor": 1.15, "haproxy": 0.90}
    user_limit = None
    counts_calls = False


class Saturated:
    """Small responses where a contestant finds work whenever it looks. It shares one CPU with the
    load and the origin, and a process keeps the CPU until nothing is left to do: all connections
    then wait for the proxy in each of its turns, however fast it is."""

    name = "saturated"
    title = "saturated, 128 bytes, 64 connections"

    def run(self, bench):
        return rounds(bench, all_contestants(place=SHARED), counts_calls=True)

    def rows(self, data):
        cost = Row(f"{self.title}: CPU", "µs per request", pick(data, "cpu_us"), is_charted=True)
        counted = call_rows(data, self.name)
        for calls in counted[:1]:
            calls.below(4.05)
        return [cost, *counted]


class NewConnection:
    """A client connection for every request; connections to backends stay."""

    name = "new-connection"

    def run(self, bench):
        load = Load(fields=("Connection: close",))
        return rounds(bench, all_contestants(closes=True, traffic=load))

    def rows(self, data):
        title = "new connection per request: CPU"
        row = Row(title, "µs per request", pick(data, "cpu_us"), is_charted=True)
        return [row.at_most(1.12, "floor").at_most(0.88, "haproxy")]


class OneConnection:
    """One request at a time: what a contestant adds to the latency."""

    name = "one-connection"

    def run(self, bench):
        load = Load(connections=1)
        direct = Setup("direct", "direct", traffic=load)
        return rounds(bench, [*all_contestants(traffic=load), direct])

    def rows(self, data):
        latency = pick(data, "latency_us")
        direct = latency.pop("direct", None)
        if direct is None:
            return []
        added = {label: differences(taken, direct) for label, taken in latency.items()}
        row = Row("one connection: added latency", "µs", added)
        relative = {label: ratios(taken, direct) for label, taken in latency.items()}
        times = Row("one connection: latency / direct", "×", relative)
        return [row.at_most(1, "haproxy").at_most(1, "nginx"), times]


class BulkHttp:
    """Long bodies; HAProxy with and without splicing."""

    name = "bulk-http"

    def run(self, bench):
        setups = [Setup(label, label, traffic=LARGE) for label in ("lb", "haproxy", "nginx")]
        splicing = Setup(SPLICING, "haproxy", splices=True, traffic=LARGE)
        return rounds(bench, [*setups, splicing])

    def rows(self, data):
        # Of 1 MB a request, microseconds per request are milliseconds per GB.
        cost = pick(data, "cpu_us")
        title = "1 MB bodies, HTTP mode: CPU"
        copying = Row(title, "ms per GB", cost, is_charted=True)
        splicing = Row(f"{title}, HAProxy splicing", "ms per GB", cost, rival=SPLICING)
        return [copying.at_most(0.70, "haproxy"), splicing.at_most(1, SPLICING)]


class BulkTcp:
    """The same bytes, without a look at them."""

    name = "bulk-tcp"

    def run(self, bench):
        options = {"mode": "tcp", "traffic": LARGE}
        setups = [Setup(label, label, **options) for label in ("lb", "haproxy")]
        return rounds(bench, [*setups, Setup(SPLICING, "haproxy", splices=True, **options)])

    def rows(self, data):
        cost = pick(data, "cpu_us")
        title = "1 MB bodies, TCP mode: CPU"
        copying = Row(title, "ms per GB", cost, is_charted=True)
        splicing = Row(f"{title}, HAProxy splicing", "ms per GB", cost, rival=SPLICING)
        return [copying.at_most(0.55, "haproxy"), splicing.at_most(1, SPLICING)]


class Backends:
    """Every strategy over 4 backends and over 512."""

    name = "backends"
    sizes = (4, 512)

    def run(self, bench):
        setups = [
            Setup(f"{strategy} over {size}", "lb", strategy=strategy, backends=size)
            for strategy in STRATEGIES
            for size in self.sizes
        ]
        floors = [Setup(f"floor over {size}", "floor", backends=size) for size in self.sizes]
        return rounds(bench, setups + floors, min(FEWER_ROUNDS, bench.rounds))

    def rows(self, data):
        cost = pick(data, "cpu_us")
        growth = {name: self.growth(name, cost) for name in (*STRATEGIES, "floor")}
        return [
            Row(
                f"512 backends against 4, {strategy}",
                "× per request",
                {"lb": growth[strategy], "floor": growth["floor"]},
            ).below(1.10, " ×")
            for strategy in STRATEGIES
        ]

    def growth(self, name, cost):
        """The cost of a request over many backends, relative to few."""
        few, many = (cost.get(f"{name} over {size}") for size in self.sizes)
        return ratios(many, few)


class Workers:
    """Two workers on both CPUs against one that may use both, and two on one CPU: what sharing
    costs, with caches apart and without. The load and the origin keep to their CPU, so throughput
    says nothing here; CPU time per request does."""

    name = "workers"
    arrangements = {"both CPUs": ANY, "one CPU": OWN}

    def run(self, bench):
        setups = [
            Setup(f"{workers} on {where}", "lb", workers=workers, place=place)
            for where, place in self.arrangements.items()
            for workers in (1, 2)
        ]
        return rounds(bench, setups)

    def rows(self, data):
        cost = pick(data, "cpu_us")
        return [
            Row(
                f"2 workers against 1 on {where}",
                "× per request",
                {"lb": ratios(cost.get(f"2 on {where}"), cost.get(f"1 on {where}"))},
            ).below(1.10, " ×")
            for where in self.arrangements
        ]


class Active:
    """More connections at work."""

    name = "active"
    counts = (64, 1024, 4000)

    def run(self, bench):
        """One count after another, as the origin has no room for the connections of all."""
        return {str(count): self.at(bench, Load(connections=count)) for count in self.counts}

    def at(self, bench, load):
        return rounds(bench, all_contestants(traffic=load), min(FEWER_ROUNDS, bench.rounds))

    def rows(self, data):
        rows = [self.row(count, pick(data[str(count)], "cpu_us")) for count in self.counts]
        first, last = rows[0].figures, rows[-1].figures
        # Rounds of the one are not those of the other, but two contestants still meet in both:
        # how much more lb grows than the floor is sure, how much each of them grows is less so.
        growth = {label: ratios(last.get(label), first.get(label)) for label in first}
        row = Row("growth of CPU from 64 to 4,000 connections", "×", growth)
        return [*rows, row.at_most(1, "floor")]

    def row(self, count, cost):
        title = f"{count:,} active connections: CPU"
        row = Row(title, "µs per request", cost, is_charted=count > 64)
        return row.at_most(0.70, "haproxy") if count > 64 else row
