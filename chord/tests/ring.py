#!/usr/bin/env python3
"""Rings of real processes, with Python peers, and what must hold of them.

    tests/ring.py target/debug/lb-chord mixed|mixed-busy|kill|leave|flood|partition ...

Each scenario starts its own nodes, on the ports of the course unless told otherwise, and ends with a
line; the first thing that does not hold ends the run with exit code 1.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pickle
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
from forge import forged  # noqa: E402
from peer import BITS, CIRCLE, chord_hash  # noqa: E402

OURS = [5000, 5001, 5002, 5003, 5004]
PYTHON = [4000, 6000, 3000]
IDS = {5000: 770, 5001: 959, 5002: 260, 5003: 257, 5004: 654, 4000: 581, 3000: 752, 6000: 895}
FINGERS = {
    4000: [654] * 7 + [752, 895, 257],
    6000: [959] * 7 + [257] * 2 + [581],
    3000: [770] * 5 + [895] * 3 + [257] * 2,
}
OPTIONS = argparse.Namespace()


class Failure(Exception):
    """Something does not hold."""


def check(holds, text):
    """Fails unless something holds."""
    if not holds:
        raise Failure(text)


def expected(ids):
    """Links and fingers of every id, once a ring of these has settled."""
    ring = sorted(ids)

    def successor(point):
        return next((node for node in ring if node >= point), ring[0])

    return {
        node: {
            "successor": successor((node + 1) % CIRCLE),
            "predecessor": max((n for n in ring if n < node), default=ring[-1]),
            "fingers": [successor((node + 2**nth) % CIRCLE) for nth in range(BITS)],
        }
        for node in ring
    }


class Node:
    """A node of ours in a process of its own."""

    def __init__(self, port, join=None, host="localhost", prefix=(), extra=()):
        self.port, self.host, self.prefix = port, host, list(prefix)
        command = [OPTIONS.binary, "node", "--listen", f"{host}:{port}", *extra]
        if join:
            command += ["--join", f"{host if isinstance(join, int) else join[0]}:"
                        f"{join if isinstance(join, int) else join[1]}"]
        self.log = open(f"{OPTIONS.logs}/{host}-{port}.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            self.prefix + command, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        check("listens on" in line, f"{port}: {line!r}; see {self.log.name}")
        self.id = int(line.split()[1])

    def state(self):
        """Its state as the command prints it, in the form of a Python peer's."""
        command = [OPTIONS.binary, "state", "--json", "--node", f"{self.host}:{self.port}"]
        done = subprocess.run(
            self.prefix + command, capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode != 0:
            return None
        state = json.loads(done.stdout)
        first = state["successors"][0]["id"] if state["successors"] else state["node"]["id"]
        predecessor = state["predecessor"]
        return {
            "id": state["node"]["id"],
            "successor": first,
            "predecessor": predecessor and predecessor["id"],
            "successors": [hop["id"] for hop in state["successors"]],
            "fingers": [finger["id"] for finger in state["fingers"]],
            "keys": [key["key"] for key in state["keys"]],
            "puts": state["puts"],
            "rejected": state["rejected"],
            "copies": state["copies"],
        }

    def end(self, by=signal.SIGKILL):
        """Ends it."""
        self.process.send_signal(by)
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self.process.stdout.close()
        self.log.close()
        return code


class PythonPeer:
    """A Python peer in a process of its own."""

    def __init__(self, port, join, busy=False):
        self.port, self.id = port, IDS[port]
        command = [sys.executable, f"{HERE}/peer.py", str(port), "--join", str(join)]
        command += ["--busy"] if busy else []
        self.log = open(f"{OPTIONS.logs}/python-{port}.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def state(self):
        """Its state."""
        self.process.stdin.write("state\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self, _by=None):
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


class Client:
    """A client of the course: one datagram out, one back."""

    def __init__(self, port, host="127.0.0.1", timeout=3.0):
        self.to, self.timeout = (host, port), timeout

    def ask(self, method, tries=1, **args):
        """The answer; None if there is none in time."""
        payload = pickle.dumps({"method": method, "args": args})
        for _ in range(tries):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(self.timeout)
                sock.sendto(payload, self.to)
                with contextlib.suppress(socket.timeout):
                    return pickle.loads(sock.recv(1024))
        return None

    def put(self, key, value, tries=1):
        """Whether the value was acknowledged."""
        answer = self.ask("PUT", tries, key=key, value=value)
        return answer is not None and answer["method"] == "ACK"

    def get(self, key, tries=1):
        """The value; Ellipsis for NACK, None for no answer."""
        answer = self.ask("GET", tries, key=key)
        if answer is None:
            return None
        return answer.get("args") if answer["method"] == "ACK" else ...


def settled(nodes, ids=None):
    """None if all links and fingers are as they should be, or else the first that is not."""
    for node_id, links in expected(ids or [node.id for node in nodes]).items():
        node = next(node for node in nodes if node.id == node_id)
        state = node.state()
        if state is None:
            return f"{node.port} does not answer"
        for name, value in links.items():
            if state[name] != value:
                return f"{node.port}: {name} is {state[name]}, not {value}"
    return None


def wait_settled(nodes, seconds):
    """Waits until a ring has settled, for `seconds` on a machine that is not busy; gives the time
    it took."""
    seconds *= OPTIONS.patience
    start = time.monotonic()
    while True:
        wrong = settled(nodes)
        took = time.monotonic() - start
        if wrong is None:
            return took
        check(took < seconds, f"not settled after {took:.1f} s: {wrong}")
        time.sleep(0.2)


@contextlib.contextmanager
def ring(nodes):
    """Ends all processes of a list, whatever happens."""
    try:
        yield nodes
    finally:
        for node in nodes:
            if node.process.poll() is None:
                node.end()


def ours(nodes, ports, extra=()):
    """Starts nodes of ours, each joining by the first."""
    for port in ports:
        nodes.append(Node(port, join=None if port == ports[0] else ports[0], extra=extra))


def mixed(busy):
    """Five of ours and three Python peers."""
    with ring([]) as nodes:
        ours(nodes, OURS)
        for node in nodes:
            check(node.id == IDS[node.port], f"{node.port} has id {node.id}")
        took = wait_settled(nodes, 15)
        print(f"five nodes settled {took:.1f} s after the last was started")
        for port in PYTHON:
            peer = PythonPeer(port, 5000, busy)
            nodes.append(peer)
            joined = time.monotonic() + 10 * OPTIONS.patience
            while not peer.state()["inside"]:
                check(time.monotonic() < joined, f"{port} does not get in")
                time.sleep(0.05)
        took = wait_settled(nodes, 15)
        by_port = {node.port: node for node in nodes}
        for port, fingers in FINGERS.items():
            check(by_port[port].state()["fingers"] == fingers, f"fingers of {port}")
        print(f"all eight agree {took:.1f} s after the last was in")

        client = Client(5000)
        before = {port: by_port[port].state()["calls"].get("PUT", 0) for port in PYTHON}
        check(client.put("d", "value of d"), "PUT d")
        visits = {p: by_port[p].state()["calls"].get("PUT", 0) - before[p] for p in PYTHON}
        check(visits[6000] == 0 and visits[3000] == 0, f"PUT d visits {visits}")
        check(client.put("f", "value of f"), "PUT f")
        visits = {p: by_port[p].state()["calls"].get("PUT", 0) - before[p] for p in PYTHON}
        check(visits[6000] == 1 and visits[3000] == 0, f"PUT f visits {visits}")

        values = {
            "A": [0, 1, 2],
            "2": ("a", 1, None),
            "10": {"k": [True, 2.5, 2**70]},
            "d": "value of d",
            "f": b"bytes",
        }
        for nth in range(40):
            values[f"key {nth}"] = nth
        for nth, (key, value) in enumerate(values.items()):
            port = nodes[nth % len(nodes)].port
            check(Client(port).put(key, value), f"PUT {key} at {port}")
        for key, value in values.items():
            for node in nodes:
                got = Client(node.port).get(key)
                same = got == value and type(got) is type(value)
                check(same, f"GET {key} at {node.port}: {got!r}")
        for node in nodes:
            check(Client(node.port).get("nothing") is ..., f"NACK at {node.port}")
        arcs = expected(IDS.values())
        for node in nodes:
            keys = set(node.state()["keys"])
            begin = arcs[node.id]["predecessor"]
            mine = {
                key
                for key in values
                if (chord_hash(key) - begin - 1) % CIRCLE < (node.id - begin) % CIRCLE
            }
            check(keys == mine, f"{node.port} lists {sorted(keys ^ mine)}")
        # With a handler that refuses objects, a Python peer would have died of one.
        for port in PYTHON:
            check(by_port[port].process.poll() is None, f"the Python peer at {port} has died")
        print(f"{len(values)} values put and got at each of the eight nodes")
        print("mixed: PUT d visits neither 6000 nor 3000, PUT f visits 6000 once")


def kill():
    """Each of eight nodes is killed while a client puts and gets."""
    ports = [7000 + nth for nth in range(8)]
    with ring([]) as nodes:
        ours(nodes, ports)
        wait_settled(nodes, 20)
        acknowledged, slowest, failures, gets = {}, 0.0, [], 0
        stop, down = threading.Event(), set()

        def look(key, port):
            """Gets a key: the answer has to be right, and in time."""
            nonlocal slowest, gets
            start = time.monotonic()
            got = Client(port).get(key)
            if port in down:
                return
            gets += 1
            slowest = max(slowest, time.monotonic() - start)
            value = acknowledged.get(key)
            if value is not None and got not in (value if isinstance(value, tuple) else (value,)):
                answer = "no answer in 3 s" if got is None else repr(got)
                failures.append(f"GET {key} at {port}: {answer}, not {value}")

        def work():
            count = 0
            while not stop.is_set():
                count += 1
                port = random.choice([port for port in ports if port not in down])
                if count % 2 == 0:
                    look(random.choice(sorted(acknowledged) or ["k0"]), port)
                    continue
                # Until the new value is acknowledged, either may be there.
                key = f"k{count % 400}"
                old = acknowledged.pop(key, ())
                old = old if isinstance(old, tuple) else (old,)
                done = Client(port).put(key, count)
                if done or old:
                    acknowledged[key] = count if done else (*old, count)
                time.sleep(0.002)

        worker = threading.Thread(target=work)
        worker.start()
        rounds, worst = 0, 0.0
        try:
            for victim in list(nodes)[: OPTIONS.kills]:
                time.sleep(2)
                down.add(victim.port)
                victim.end(signal.SIGKILL)
                nodes.remove(victim)
                took = wait_settled(nodes, 15)
                worst = max(worst, took)
                other = nodes[0]
                again = Node(victim.port, join=other.port)
                nodes.append(again)
                wait_settled(nodes, 15)
                down.discard(victim.port)
                rounds += 1
        finally:
            stop.set()
            worker.join()
        check(not failures, "; ".join(failures[:3]))
        lost = []
        for key, value in acknowledged.items():
            got = Client(nodes[0].port).get(key, tries=2)
            if got not in (value if isinstance(value, tuple) else (value,)):
                lost.append(f"{key}: {got!r}, not {value}")
        check(not lost, f"{len(lost)} of {len(acknowledged)} lost: {lost[:3]}")
        check(slowest < 3, f"a GET took {slowest:.2f} s")
        print(
            f"kill: {rounds} nodes killed and back; {len(acknowledged)} keys, none lost; "
            f"{gets} GET, the slowest {slowest:.2f} s; fingers right after {worst:.1f} s at most"
        )


def leave():
    """Nodes leave by SIGTERM, one stops for a while, and one comes back under its id."""
    ports = [7100 + nth for nth in range(6)]
    with ring([]) as nodes:
        ours(nodes, ports)
        wait_settled(nodes, 20)
        client = Client(ports[0])
        for nth in range(100):
            check(client.put(f"k{nth}", nth), f"PUT k{nth}")
        for victim in nodes[1:3]:
            check(victim.end(signal.SIGTERM) == 0, f"{victim.port} ends with an error")
            nodes.remove(victim)
            for nth in range(100):
                got = client.get(f"k{nth}")
                check(got == nth, f"k{nth} is {got!r} after {victim.port} left")
        took = wait_settled(nodes, 15)
        owned = [key for node in nodes for key in node.state()["keys"]]
        check(sorted(owned) == sorted(f"k{nth}" for nth in range(100)), "each key has one owner")
        stopped = nodes[1]
        stopped.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        for nth in range(0, 100, 7):
            check(client.get(f"k{nth}") == nth, f"k{nth} while {stopped.port} is stopped")
        check(client.put("k0", "newer"), "PUT while a node is stopped")
        stopped.process.send_signal(signal.SIGCONT)
        back = wait_settled(nodes, 20)
        check(client.get("k0") == "newer", "the newest value after a stop")
        codes = [node.process.send_signal(signal.SIGTERM) for node in nodes]
        codes = [node.end(signal.SIGTERM) for node in list(nodes)]
        nodes.clear()
        check(all(code in (0, 1) for code in codes), f"SIGTERM of all: {codes}")
        print(
            f"leave: two left, settled {took:.1f} s later, nothing lost; one stopped and was back "
            f"after {back:.1f} s; SIGTERM ended all"
        )


def rss(node):
    """Resident memory of a process in KiB."""
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Sender:
    """A process that sends a quarter of 10,000 datagrams a second."""

    def __init__(self, cargo, ports, seconds):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            return
        sent, start = 0, time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while time.monotonic() < start + seconds:
                for _ in range(25):
                    sock.sendto(cargo[sent % len(cargo)], ("127.0.0.1", ports[sent % len(ports)]))
                    sent += 1
                time.sleep(max(0, start + sent / 2500 - time.monotonic()))
        os.write(writer, str(sent).encode())
        os._exit(0)

    def is_running(self):
        """Whether it is still at it."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return self.pid != 0

    def sent(self):
        """Datagrams it has sent."""
        with os.fdopen(self.reader) as reader:
            return int(reader.read())


def named_by(nodes):
    """Ids that any of these nodes has among its links."""
    named = set()
    for node in nodes:
        state = node.state()
        if state is not None:
            named |= {*state["successors"], *state["fingers"], state["predecessor"]} - {None}
    return named


def flood():
    """Forged datagrams at 10,000 a second."""
    ports = [7200 + nth for nth in range(5)]
    with ring([]) as nodes:
        ours(nodes, ports, extra=["--max-keys", "2000"])
        wait_settled(nodes, 15)
        client = Client(ports[0])
        for nth in range(50):
            check(client.put(f"k{nth}", nth), f"PUT k{nth}")
        cargo = [kind for seed in range(300) for kind in forged(seed)]
        random.Random(1).shuffle(cargo)
        before, start, wrong, slow = [rss(n) for n in nodes], time.monotonic(), [], 0.0
        strangers = set()
        descriptors = [len(os.listdir(f"/proc/{n.process.pid}/fd")) for n in nodes]
        senders = [Sender(cargo[nth::4], ports, OPTIONS.seconds) for nth in range(4)]
        while any(sender.is_running() for sender in senders):
            looked = time.monotonic()
            got = Client(ports[1]).get("k7", tries=2)
            slow = max(slow, time.monotonic() - looked)
            strangers |= named_by(nodes) - {node.id for node in nodes}
            if got != 7:
                wrong.append(f"GET k7: {got!r}")
            time.sleep(0.2)
        sent = sum(sender.sent() for sender in senders)
        rate = sent / (time.monotonic() - start)
        # A machine that cannot keep up drops honest datagrams too: a node may count as dead for a
        # moment. No node may ever have taken a forged one for a neighbour.
        check(not strangers, f"forged links: {strangers}")
        took = wait_settled(nodes, 15)
        check(not wrong, f"during the flood: {wrong}")
        for nth in range(50):
            check(client.get(f"k{nth}", tries=2) == nth, f"k{nth} after the flood")
        check(not os.path.exists("/tmp/chord-was-here"), "a pickle was called")
        after = [rss(n) for n in nodes]
        check(max(after) < 60_000, f"resident memory: {before} KiB, then {after} KiB")
        now = [len(os.listdir(f"/proc/{n.process.pid}/fd")) for n in nodes]
        check(now == descriptors, f"descriptors: {descriptors}, then {now}")
        print(
            f"flood: {sent} datagrams at {rate:.0f}/s, no forged link, all links right {took:.1f} s "
            f"after it, slowest GET {slow:.2f} s, "
            f"resident memory {max(before)} KiB before and {max(after)} KiB after"
        )


def loopback_up():
    """Brings the loopback interface up: in a new network namespace it is down."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(sock, get_flags, request), 16)
        if not flags & up:
            fcntl.ioctl(sock, set_flags, struct.pack("16sH14x", b"lo", flags | up))


def sh(*command):
    """Runs a command."""
    subprocess.run(command, check=True, capture_output=True)


def partition():
    """Eight nodes in two network namespaces, cut apart for a while."""
    spaces = [f"chord-a-{os.getpid()}", f"chord-b-{os.getpid()}"]
    ips = ["10.213.77.1", "10.213.77.2"]
    links = [f"ca{os.getpid() % 99999}", f"cb{os.getpid() % 99999}"]
    try:
        for space in spaces:
            sh("ip", "netns", "add", space)
            sh("ip", "-n", space, "link", "set", "lo", "up")
        sh("ip", "link", "add", links[0], "netns", spaces[0], "type", "veth",
           "peer", "name", links[1], "netns", spaces[1])
        for space, ip, link in zip(spaces, ips, links):
            sh("ip", "-n", space, "addr", "add", f"{ip}/24", "dev", link)
            sh("ip", "-n", space, "link", "set", link, "up")
        with ring([]) as nodes:
            for nth in range(8):
                side = 0 if nth < 5 else 1
                prefix = ["ip", "netns", "exec", spaces[side]]
                join = None if nth == 0 else (ips[0], 7300)
                nodes.append(Node(7300 + nth, join, ips[side], prefix))
            wait_settled(nodes, 20)

            def command(side, *args):
                prefix = ["ip", "netns", "exec", spaces[side], OPTIONS.binary]
                node = ["--node", f"{ips[side]}:{7300 if side == 0 else 7305}"]
                done = subprocess.run(prefix + list(args) + node, capture_output=True, text=True,
                                      timeout=20, check=False)
                return done.stdout.strip() if done.returncode == 0 else None

            keys = [f"k{nth}" for nth in range(24)]
            for key in keys:
                check(command(0, "put", key, "before") is not None, f"PUT {key}")
            for space, link in zip(spaces, links):
                sh("ip", "-n", space, "link", "set", link, "down")
            cut = time.monotonic()
            for side in (0, 1):
                half = nodes[:5] if side == 0 else nodes[5:]
                wait_settled(half, 25)
            # Both sides write the same keys; which is the newest changes from key to key.
            newest = {}
            for nth, key in enumerate(keys[:16]):
                for side in ((0, 1), (1, 0))[nth % 2]:
                    value = f"{key} of side {side}"
                    check(command(side, "put", key, value) is not None, f"PUT on side {side}")
                    newest[key] = value
                    time.sleep(0.005)
            time.sleep(max(0, cut + OPTIONS.cut - time.monotonic()))
            for space, link in zip(spaces, links):
                sh("ip", "-n", space, "link", "set", link, "up")
            took = wait_settled(nodes, 40)
            end = time.monotonic() + 20
            while True:
                wrong = [
                    f"{key}: {got!r}"
                    for key in keys
                    for side in (0, 1)
                    if (got := command(side, "get", key)) != newest.get(key, "before")
                ]
                if not wrong:
                    break
                check(time.monotonic() < end, f"after healing: {wrong[:3]}")
            owned = [key for node in nodes for key in node.state()["keys"]]
            check(sorted(owned) == sorted(keys), "each key has one owner")
            print(
                f"partition: 5 and 3 apart for {OPTIONS.cut} s, one ring {took:.1f} s after healing, "
                f"the newest value of each of {len(keys)} keys"
            )
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def main():
    """Runs the scenarios of the command line."""
    scenarios = {
        "mixed": lambda: mixed(False),
        "mixed-busy": lambda: mixed(True),
        "kill": kill,
        "leave": leave,
        "flood": flood,
        "partition": partition,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("scenario", nargs="+", choices=scenarios)
    parser.add_argument("--logs", default="/tmp", help="folder for what nodes say")
    parser.add_argument("--kills", type=int, default=8, help="nodes that are killed")
    parser.add_argument("--seconds", type=float, default=10, help="length of the flood")
    parser.add_argument(
        "--patience", type=float, default=1, help="factor on times to settle, for busy machines"
    )
    parser.add_argument("--cut", type=float, default=60, help="seconds that a partition lasts")
    parser.parse_args(namespace=OPTIONS)
    OPTIONS.binary = os.path.abspath(OPTIONS.binary)
    loopback_up()
    for name in OPTIONS.scenario:
        try:
            scenarios[name]()
        except Failure as failure:
            print(f"{name}: FAILED: {failure}", file=sys.stderr)
            sys.exit(1)


if __name__ == "__main__":
    main()
