"""The servers of the comparison: how each is started, and its protocol as far as the load needs it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import struct
from pathlib import Path


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
        raise SystemExit(f"unknown server: {', '.join(unknown)}; there are {', '.join(every)}")
    chosen = [broker for name, broker in every.items() if not only or name in only]
    missing = [
        program
        for broker, program in [(Mosquitto, "mosquitto"), (Redis, "redis-server"), (Nats, "nats-server")]
        if any(isinstance(one, broker) for one in chosen) and not shutil.which(program)
    ]
    if missing:
        raise SystemExit(f"missing: apt-get install {' '.join(missing)}")
    return chosen
