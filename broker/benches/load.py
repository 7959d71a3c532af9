"""The traffic of the comparison: producers and consumers of one server, in one thread."""

from __future__ import annotations

import selectors
import socket
import time

from peers import Broker

READ_BYTES = 256 << 10
# Bytes on their way to a consumer.
WINDOW_BYTES = 512 << 10


class Load:
    """Connections to one server, and the traffic over them. A producer sends `batch` messages of
    `size` bytes at a time."""

    def __init__(
        self, broker: Broker, port: int, producers: int, consumers: int, size: int, batch: int
    ) -> None:
        payload = b"x" * size
        connect_consumer = getattr(broker, "connect_consumer", broker.connect)
        self.name, self.noise_bytes = broker.name, broker.noise_bytes
        self.consumers = [connect_consumer(port) for _ in range(consumers)]
        self.producers = [broker.connect(port) for _ in range(producers)]
        self.delivered_bytes = broker.delivered(payload)
        for consumer in self.consumers:
            broker.subscribe(consumer)
        self.batch_messages = batch
        self.batch = broker.publish(payload) * batch
        # What a consumer gets for one.
        self.batch_bytes = self.delivered_bytes * batch
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
        window = max(WINDOW_BYTES // (self.batch_bytes), 4)
        if len(self.consumers) > 1:
            window = max(window // 8, 4)
        started = sum(self.received)
        first = self.sent_batches
        end = time.monotonic() + seconds
        turn = 0
        while True:
            is_over = time.monotonic() >= end
            lag = self.sent_batches - min(self.received) // (self.batch_bytes)
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
        messages = (self.sent_batches - first) * self.batch_messages * len(self.consumers)
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
