"""Queues: a topic of a broker, to publish to or to read from, in one of three serializations."""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import Enum
from typing import Any, Callable, Optional

from .codec import Codec, Fields, JSONCodec, PickleCodec, XMLCodec
from .connection import BrokerError, Connection, MissedMessages, broker_address, error_of


class MiddlewareType(Enum):
    """What a queue is for."""

    CONSUMER = 1
    PRODUCER = 2


class _Request:
    """A request that waits for its reply."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        self.parts: list[Fields] = []
        self.error: Optional[BaseException] = None
        self.done = threading.Event()
        self.frame = 0

    def set_frame(self, frames: "dict[int, _Request]") -> Callable[[int], None]:
        """What enters the request by the number of its frame."""

        def enter(number: int) -> None:
            self.frame = number
            frames[number] = self

        return enter


class Queue:
    """A topic of a broker. The constructor returns when the broker has acknowledged.

    :param topic: the topic; consumers get everything below it, too.
    :param _type: whether to read from the topic or to publish to it.
    :param host: the broker, or ``LB_BROKER`` (HOST:PORT), or 127.0.0.1.
    :param port: its port, or that of ``LB_BROKER``, or 5000.
    :param token: the secret that gives rights.
    :param retain_subtree: get the last values below the topic, too.
    :param when_full: ``"drop_oldest"``, or ``"disconnect"`` rather than miss messages.
    :param raise_missed: have :meth:`pull` raise :class:`MissedMessages` when some were dropped;
        otherwise :attr:`missed` counts them.
    :param timeout: seconds for connecting and for each reply; :meth:`pull` waits without end.
    """

    def __init__(
        self,
        topic: str,
        _type: MiddlewareType = MiddlewareType.CONSUMER,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        token: Optional[str] = None,
        name: Optional[str] = None,
        retain_subtree: bool = False,
        when_full: str = "drop_oldest",
        raise_missed: bool = False,
        timeout: Optional[float] = 10.0,
    ) -> None:
        self.topic = topic
        self.missed = 0
        self._type = _type
        self._raise_missed = raise_missed
        self._messages: deque[tuple[str, Any]] = deque()
        self._failures: deque[BrokerError] = deque()
        self._requests: dict[int, _Request] = {}
        # The same, by the number of their frame.
        self._frames: dict[int, _Request] = {}
        self._timeout = timeout
        self._next_id = 1
        self._state = threading.Lock()
        # The thread that has it reads for all.
        self._reading = threading.Lock()
        options = {"when_full": when_full}
        options.update({"name": name} if name else {})
        options.update({"token": token} if token else {})
        address = broker_address(host, port)
        self._connection = Connection(self._codec(), address, options, timeout)
        if _type == MiddlewareType.CONSUMER:
            try:
                option = {"retain_subtree": True} if retain_subtree else {}
                self._request("subscribe", {"topic": topic, **option}, "subscribed")
            except BaseException:
                self.close()
                raise

    def _codec(self) -> Codec:
        raise NotImplementedError

    def push(self, value: Any, *, retain: bool = True, wait: bool = False) -> None:
        """Publish a value; with ``wait``, return when the broker has it (and has stored it).

        Raises :class:`BrokerError` if the broker refused an earlier value, or this one.
        """
        fields: Fields = {"topic": self.topic, "value": value}
        if not retain:
            fields["retain"] = False
        if wait:
            self._request("publish", fields, "published")
            return
        self._connection.send("publish", fields)
        self._take_arrived()
        self._raise_failure()

    def clear(self) -> None:
        """Clear the last value of the topic."""
        self._request("publish", {"topic": self.topic}, "published")

    def pull(self) -> tuple[str, Any]:
        """Wait for the next message: the topic it was published to, and its value.

        The value is None if the last value of the topic was cleared.
        """
        while True:
            self._raise_failure()
            if self._messages:
                return self._messages.popleft()
            with self._reading:
                # Another thread may have read it in the meantime.
                if not self._messages and not self._failures:
                    self._handle(*self._connection.receive())

    def list_topics(self, callback: Callable[[list[str]], Any]) -> None:
        """Call back with the topics that have a last value."""
        parts = self._request("list", {}, "topics")
        callback([topic for part in parts for topic in part["topics"]])

    def list_subscribers(self, topic: Optional[str] = None) -> list[dict[str, str]]:
        """The connections that a publication would reach: ``client``, ``format``, ``topic``."""
        fields = {"topic": self.topic if topic is None else topic}
        parts = self._request("subscribers", fields, "subscribers")
        return [entry for part in parts for entry in part["subscribers"]]

    def get(self, topic: Optional[str] = None) -> Any:
        """The last value of a topic."""
        fields = {"topic": self.topic if topic is None else topic}
        return self._request("get", fields, "value")[0]["value"]

    def cancel(self) -> None:
        """Cancel the subscription; what has arrived can still be pulled."""
        self._request("cancel", {"topic": self.topic}, "cancelled")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> "Queue":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def _request(self, method: str, fields: Fields, expected: str) -> list[Fields]:
        """Send a request and wait for all parts of its reply."""
        request = _Request(expected)
        with self._state:
            number = self._next_id
            self._next_id += 1
            self._requests[number] = request
        try:
            self._connection.send(method, {"id": number, **fields}, request.set_frame(self._frames))
            deadline = None if self._timeout is None else time.monotonic() + self._timeout
            while not request.done.is_set():
                # Another thread may be reading, in `pull`: it then handles our reply.
                if self._reading.acquire(timeout=0.01):
                    try:
                        if not request.done.is_set():
                            self._handle(*self._connection.receive(deadline))
                    finally:
                        self._reading.release()
        finally:
            with self._state:
                self._requests.pop(number, None)
                self._frames.pop(request.frame, None)
        if request.error is not None:
            raise request.error
        return request.parts

    def _take_arrived(self) -> None:
        """Handle what is there, so that a producer hears of refusals and its socket stays empty."""
        if self._reading.acquire(blocking=False):
            try:
                message = self._connection.receive_now()
                while message is not None:
                    self._handle(*message)
                    message = self._connection.receive_now()
            finally:
                self._reading.release()

    def _handle(self, method: str, fields: Fields) -> None:
        if method == "message":
            self._messages.append((fields["topic"], fields.get("value")))
            return
        if method == "missed":
            self.missed += int(fields["count"])
            if self._raise_missed:
                self._failures.append(MissedMessages(int(fields["count"])))
            return
        with self._state:
            request = self._requests.get(int(fields.get("id", 0)))
            if request is None and "frame" in fields:
                # It could not be read as far as its id.
                request = self._frames.get(int(fields["frame"]))
        if request is None:
            if method == "error":
                self._failures.append(error_of(fields))
        elif method == request.expected:
            request.parts.append(fields)
            if "more" not in fields:
                request.done.set()
        else:
            request.error = error_of(fields)
            request.done.set()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures.popleft()


class JSONQueue(Queue):
    """Speaks JSON; values are encoded by ``json.dumps``."""

    def _codec(self) -> Codec:
        return JSONCodec()


class PickleQueue(Queue):
    """Speaks pickle, data only; values are encoded by ``pickle.dumps``."""

    def _codec(self) -> Codec:
        return PickleCodec()


class XMLQueue(Queue):
    """Speaks XML, which carries text: :meth:`pull` returns text, also for numbers."""

    def _codec(self) -> Codec:
        return XMLCodec()
