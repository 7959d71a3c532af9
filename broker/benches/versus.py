#!/usr/bin/env python3
"""Compares lb-broker with Mosquitto (QoS 0), Redis pub/sub and NATS, all in one run.

    benches/versus.py --lb target/release/lb-broker            everything, some minutes
    benches/versus.py --lb ... --seconds 1 --only lb,mosquitto  a smoke test

Each server runs alone on one core, this load on another. Three patterns at two sizes: one producer
to one consumer, one to a hundred, a hundred to one. A window bounds what is on its way, so that no
server drops anything; every server gets the same windows, and every byte that must arrive is
waited for. Rounds go through all servers in turn, and a figure is the median of its rounds.

What counts is CPU time of the server for each delivered message, as a ratio to Mosquitto in the
same run: times of a busy machine differ from run to run, ratios much less. Messages per second are
printed too, but the load, in Python, is the bottleneck of some.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import selectors
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
READ_BYTES = 256 << 10
# Bytes on their way to a consumer.
WINDOW_BYTES = 512 << 10
# One send of a producer: what a busy program would have gathered.
BATCH = 16


def frame(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def read_frame(link: socket.socket) -> bytes:
    (length,) = struct.unpack(">I", read_exactly(link, 4))
    return read_exactly(link, length)


def read_exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise ConnectionError("closed during the handshake")
        data += more
    return data


class Broker:
    """A server under test."""

    name = ""
    # Bytes besides messages that a consumer may get in a sample.
    noise_bytes = 0

    def command(self, port: int, folder: Path) -> list[str]:
        raise NotImplementedError

    def connect(self, port: int) -> socket.socket:
        raise NotImplementedError

    def subscribe(self, link: socket.socket) -> None:
        raise NotImplementedError

    def publish(self, payload: bytes) -> bytes:
        """The bytes of a publication."""
        raise NotImplementedError

    def delivered(self, payload: bytes) -> int:
        """How many bytes a consumer gets for it."""
        raise NotImplementedError


class Lb(Broker):
    """lb-broker with one format on both sides."""

    def __init__(self, binary: str, producers: str = "json", consumers: str = "json") -> None:
        self.binary, self.producers, self.consumers = binary, producers, consumers
        both = producers if producers == consumers else f"{producers} to {consumers}"
        self.name = f"lb-broker {both}"
        self.sizes: dict[int, int] = {}
        self.port = 0

    def command(self, port: int, folder: Path) -> list[str]:
        return [self.binary, "serve", "--listen", f"127.0.0.1:{port}"]

    def _announce(self, port: int, form: str) -> socket.socket:
        self.port = port
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(frame(f"lb-broker/1 {form}".encode()))
        read_frame(link)
        return link

    def connect(self, port: int) -> socket.socket:
        return self._announce(port, self.producers)

    def connect_consumer(self, port: int) -> socket.socket:
        return self._announce(port, self.consumers)

    def subscribe(self, link: socket.socket) -> None:
        self._subscribe(link, "/bench")

    def _subscribe(self, link: socket.socket, topic: str) -> None:
        link.sendall(self._message(self.consumers, "subscribe", {"topic": topic}))
        # A last value comes before the acknowledgement.
        while b"subscribed" not in read_frame(link):
            pass

    @staticmethod
    def _message(form: str, method: str, fields: dict[str, str]) -> bytes:
        if form == "json":
            return frame(json.dumps({"method": method, **fields}).encode())
        if form == "pickle":
            return frame(pickle.dumps({"method": method, **fields}))
        value = f"<value>{fields['value']}</value>" if "value" in fields else ""
        return frame(f'<{method} topic="{fields["topic"]}">{value}</{method}>'.encode())

    def publish(self, payload: bytes) -> bytes:
        # Not kept: the others keep nothing either.
        fields = {"topic": "/bench", "value": payload.decode()}
        if self.producers == "json":
            return frame(json.dumps({"method": "publish", **fields, "retain": False}).encode())
        if self.producers == "pickle":
            return frame(pickle.dumps({"method": "publish", **fields, "retain": False}))
        return frame(
            f'<publish topic="/bench" retain="false"><value>{fields["value"]}</value></publish>'.encode()
        )

    def delivered(self, payload: bytes) -> int:
        if len(payload) not in self.sizes:
            # Asked of the server: its spelling is its own.
            consumer = self._announce(self.port, self.consumers)
            self._subscribe(consumer, "/bench")
            producer = self.connect(self.port)
            producer.sendall(self.publish(payload))
            self.sizes[len(payload)] = 4 + len(read_frame(consumer))
            producer.close()
            consumer.close()
        return self.sizes[len(payload)]


class LbKept(Lb):
    """lb-broker as it is by default: every value is kept as the last one."""

    def __init__(self, binary: str) -> None:
        super().__init__(binary)
        self.name = "lb-broker json, last value kept"

    def publish(self, payload: bytes) -> bytes:
        return self._message("json", "publish", {"topic": "/bench", "value": payload.decode()})


class Mosquitto(Broker):
    """MQTT 3.1.1, QoS 0."""

    name = "mosquitto"

    def command(self, port: int, folder: Path) -> list[str]:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_queued_messages 0\nlog_type error\n"
        )
        return ["mosquitto", "-c", str(config)]

    def connect(self, port: int) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = os.urandom(8).hex().encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
        link.sendall(bytes([0x10, len(body)]) + body)
        read_exactly(link, 4)
        return link

    def subscribe(self, link: socket.socket) -> None:
        body = b"\x00\x01\x00\x05bench\x00"
        link.sendall(bytes([0x82, len(body)]) + body)
        read_exactly(link, 5)

    def publish(self, payload: bytes) -> bytes:
        body = b"\x00\x05bench" + payload
        length, rest = b"", len(body)
        while True:
            digit, rest = rest % 128, rest // 128
            length += bytes([digit | (0x80 if rest else 0)])
            if not rest:
                return b"\x30" + length + body

    def delivered(self, payload: bytes) -> int:
        return len(self.publish(payload))


class Redis(Broker):
    """RESP pub/sub."""

    name = "redis"

    def command(self, port: int, folder: Path) -> list[str]:
        return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", str(folder), "--loglevel", "warning",
                "--client-output-buffer-limit", "pubsub 0 0 0"]

    def connect(self, port: int) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def subscribe(self, link: socket.socket) -> None:
        link.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nbench\r\n")
        read_exactly(link, len(b"*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n"))

    def publish(self, payload: bytes) -> bytes:
        return b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$%d\r\n%b\r\n" % (len(payload), payload)

    def delivered(self, payload: bytes) -> int:
        return len(b"*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$%d\r\n%b\r\n" % (len(payload), payload))


class Nats(Broker):
    """The text protocol of NATS."""

    name = "nats"
    # It sends PINGs, the first one after some seconds, and would wait minutes for an answer.
    noise_bytes = 2 * len(b"PING\r\n")

    def command(self, port: int, folder: Path) -> list[str]:
        return ["nats-server", "-a", "127.0.0.1", "-p", str(port)]

    def connect(self, port: int) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line(link)
        link.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
        while self._line(link) != b"PONG\r\n":
            pass
        return link

    @staticmethod
    def _line(link: socket.socket) -> bytes:
        line = b""
        while not line.endswith(b"\r\n"):
            line += read_exactly(link, 1)
        return line

    def subscribe(self, link: socket.socket) -> None:
        link.sendall(b"SUB bench 1\r\nPING\r\n")
        while self._line(link) != b"PONG\r\n":
            pass

    def publish(self, payload: bytes) -> bytes:
        return b"PUB bench %d\r\n%b\r\n" % (len(payload), payload)

    def delivered(self, payload: bytes) -> int:
        return len(b"MSG bench 1 %d\r\n%b\r\n" % (len(payload), payload))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


class Load:
    """Connections to one server, and the traffic over them."""

    def __init__(self, broker: Broker, port: int, producers: int, consumers: int, size: int) -> None:
        payload = b"x" * size
        connect_consumer = getattr(broker, "connect_consumer", broker.connect)
        self.name, self.noise_bytes = broker.name, broker.noise_bytes
        self.consumers = [connect_consumer(port) for _ in range(consumers)]
        self.producers = [broker.connect(port) for _ in range(producers)]
        self.delivered_bytes = broker.delivered(payload)
        for consumer in self.consumers:
            broker.subscribe(consumer)
        self.batch = broker.publish(payload) * BATCH
        self.selector = selectors.DefaultSelector()
        for index, consumer in enumerate(self.consumers):
            consumer.setblocking(False)
            self.selector.register(consumer, selectors.EVENT_READ, index)
        self.received = [0] * consumers
        for producer in self.producers:
            producer.setblocking(False)
        # Replies to producers, as those of Redis: to be read, or they would fill its buffers.
        for producer in self.producers:
            self.selector.register(producer, selectors.EVENT_READ, -1)
        self.room = bytearray(READ_BYTES)
        # What was sent in part, by producer.
        self.unsent: list[memoryview] = [memoryview(b"")] * producers
        self.sent_batches = 0

    def run(self, seconds: float) -> int:
        """Send for some time, and wait for everything. Returns messages delivered."""
        window = max(WINDOW_BYTES // (self.delivered_bytes * BATCH), 4)
        if len(self.consumers) > 1:
            window = max(window // 8, 4)
        started = sum(self.received)
        first = self.sent_batches
        end = time.monotonic() + seconds
        turn = 0
        while True:
            is_over = time.monotonic() >= end
            lag = self.sent_batches - min(self.received) // (self.delivered_bytes * BATCH)
            if is_over and not any(self.unsent) and lag <= 0:
                break
            while not is_over and lag < window:
                turn = (turn + 1) % len(self.producers)
                if not self._push(turn):
                    break
                lag += 1
            for index in range(len(self.producers)):
                if self.unsent[index]:
                    self._flush(index)
            self._read()
            if is_over and time.monotonic() > end + 30:
                raise RuntimeError(f"{self.name}: messages are missing")
        messages = (self.sent_batches - first) * BATCH * len(self.consumers)
        received = sum(self.received) - started
        extra = received - messages * self.delivered_bytes
        if not 0 <= extra <= self.noise_bytes * len(self.consumers):
            raise RuntimeError(f"{received} bytes received of {messages * self.delivered_bytes}")
        return messages

    def _push(self, index: int) -> bool:
        if self.unsent[index]:
            return False
        self.unsent[index] = memoryview(self.batch)
        self.sent_batches += 1
        self._flush(index)
        return True

    def _flush(self, index: int) -> None:
        try:
            sent = self.producers[index].send(self.unsent[index])
            self.unsent[index] = self.unsent[index][sent:]
        except BlockingIOError:
            pass

    def _read(self) -> None:
        for key, _ in self.selector.select(0.001):
            link = key.fileobj
            assert isinstance(link, socket.socket)
            try:
                count = link.recv_into(self.room)
            except BlockingIOError:
                continue
            if count == 0:
                raise ConnectionError("the server closed a connection")
            if key.data >= 0:
                self.received[key.data] += count

    def close(self) -> None:
        self.selector.close()
        for link in self.producers + self.consumers:
            link.close()


@dataclass
class Sample:
    """One round of one server and pattern."""

    messages: int
    seconds: float
    cpu: float


class Server:
    """A server process on a core of its own."""

    def __init__(self, broker: Broker, core: int, folder: Path) -> None:
        self.broker, self.port = broker, free_port()
        command = ["taskset", "-c", str(core), *broker.command(self.port, folder)]
        environment = {**os.environ, "GOMAXPROCS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{broker.name} does not start") from None
                time.sleep(0.02)

    def measure(self, producers: int, consumers: int, size: int, seconds: float) -> Sample:
        load = Load(self.broker, self.port, producers, consumers, size)
        load.run(min(0.2, seconds))
        cpu, started = cpu_seconds(self.process.pid), time.monotonic()
        messages = load.run(seconds)
        sample = Sample(
            messages, time.monotonic() - started, cpu_seconds(self.process.pid) - cpu
        )
        load.close()
        return sample

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


PATTERNS = {"1-to-1": (1, 1), "1-to-100": (1, 100), "100-to-1": (100, 1)}


def brokers(binary: str, only: set[str]) -> list[Broker]:
    every: dict[str, Broker] = {
        "lb": Lb(binary),
        "lb-kept": LbKept(binary),
        "lb-pickle": Lb(binary, "pickle", "pickle"),
        "lb-translated": Lb(binary, "pickle", "json"),
        "mosquitto": Mosquitto(),
        "redis": Redis(),
        "nats": Nats(),
    }
    unknown = only - set(every)
    if unknown:
        raise SystemExit(f"versus.py: unknown: {', '.join(unknown)}; there are {', '.join(every)}")
    chosen = [broker for name, broker in every.items() if not only or name in only]
    missing = [
        program
        for broker, program in [(Mosquitto, "mosquitto"), (Redis, "redis-server"), (Nats, "nats-server")]
        if any(isinstance(one, broker) for one in chosen) and not shutil.which(program)
    ]
    if missing:
        raise SystemExit(f"versus.py: missing: apt-get install {' '.join(missing)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare lb-broker with other brokers.")
    parser.add_argument("--lb", required=True, help="the binary of lb-broker, built for release")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="servers, by commas")
    parser.add_argument("--sizes", default="128,4096", help="bytes of the payload, by commas")
    parser.add_argument("--json", help="file for all samples")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, load_core = cores[0], cores[-1]
    os.sched_setaffinity(0, {load_core})
    if server_core == load_core:
        print("versus.py: there is one core only; ratios hold, rates do not", file=sys.stderr)
    os.environ["PATH"] += ":/usr/sbin"
    only = set(filter(None, arguments.only.split(",")))
    sizes = [int(size) for size in arguments.sizes.split(",")]
    samples: dict[tuple[str, str, int], list[Sample]] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers: list[Server] = []
        try:
            for broker in brokers(arguments.lb, only):
                servers.append(Server(broker, server_core, Path(folder)))
            for _ in range(arguments.rounds):
                for pattern, (producers, consumers) in PATTERNS.items():
                    for size in sizes:
                        for server in servers:
                            sample = server.measure(producers, consumers, size, arguments.seconds)
                            samples.setdefault((server.broker.name, pattern, size), []).append(sample)
        finally:
            for server in servers:
                server.stop()
    report(samples, sizes)
    if arguments.json:
        rows = [{"server": n, "pattern": p, "size": s, **sample.__dict__}
                for (n, p, s), found in samples.items() for sample in found]
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def report(samples: dict[tuple[str, str, int], list[Sample]], sizes: list[int]) -> None:
    """A table for each size: CPU of a delivered message, its ratio to Mosquitto, and rates."""
    names = list(dict.fromkeys(name for name, _, _ in samples))
    base = "mosquitto" if "mosquitto" in names else names[0]
    for size in sizes:
        print(f"\n{size} bytes: CPU us per delivered message (ratio to {base}); messages/s delivered")
        print("| server |" + "".join(f" {pattern} |" for pattern in PATTERNS))
        print("|---|" + "---:|" * len(PATTERNS))
        for name in names:
            cells = ""
            for pattern in PATTERNS:
                found = samples[name, pattern, size]
                # Ratios are of the same round, so that what disturbs a round disturbs both.
                pairs = zip(found, samples[base, pattern, size])
                ratio = statistics.median(cost(a) / max(cost(b), 1e-12) for a, b in pairs)
                rate = statistics.median(s.messages / s.seconds for s in found)
                micros = statistics.median(map(cost, found)) * 1e6
                cells += f" {micros:.2f} ({ratio:.2f}); {rate:,.0f} |"
            print(f"| {name} |{cells}")


def cost(sample: Sample) -> float:
    return sample.cpu / max(sample.messages, 1)


if __name__ == "__main__":
    main()
