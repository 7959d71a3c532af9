"""One connection to a broker: frames out, messages in, signs of life in between.

A frame is a length of four bytes, sent apart, and the message, which goes out in one call of
``socket.send``.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
import weakref
from typing import Any, Callable, Optional, cast

from .codec import Codec, Fields, JSONCodec, Message

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
PROTOCOL = "lb-broker/1"
_PREFIX = struct.Struct(">I")
_READ_BYTES = 64 << 10
# The kernel waits for the message before it sends the prefix: one packet for both.
_MORE = cast(int, getattr(socket, "MSG_MORE", 0))


class BrokerError(Exception):
    """The broker refuses: a code for programs and a sentence for people."""

    def __init__(self, code: str, text: str, topic: Optional[str] = None) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code
        self.text = text
        self.topic = topic


class BrokerClosed(ConnectionError):
    """The broker has closed the connection, or is gone."""


class MissedMessages(BrokerError):
    """This consumer was too slow, and so many messages were dropped."""

    def __init__(self, count: int) -> None:
        super().__init__("missed", f"missed {count} messages, being too slow")
        self.count = count


def broker_address(host: Optional[str], port: Optional[int]) -> tuple[str, int]:
    """The address that was given, or that of ``LB_BROKER``, or the default."""
    default_host, default_port = DEFAULT_HOST, DEFAULT_PORT
    configured = os.environ.get("LB_BROKER")
    if configured:
        name, separator, number = configured.rpartition(":")
        if not separator or not number.isdigit():
            raise ValueError(f"LB_BROKER is HOST:PORT, not {configured!r}")
        default_host, default_port = name.strip("[]"), int(number)
    return host or default_host, default_port if port is None else port


class Connection:
    """A connection that has been welcomed."""

    def __init__(
        self,
        codec: Codec,
        address: tuple[str, int],
        options: dict[str, str],
        timeout: Optional[float],
    ) -> None:
        self._codec = codec
        self._buffer = bytearray()
        self._sending = threading.Lock()
        # Sent after the announcement.
        self._frames = 0
        self._stopped = threading.Event()
        self._socket = _connected(address, timeout)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            words = [PROTOCOL, codec.name] + [f"{name}={word}" for name, word in options.items()]
            self._send_quietly(" ".join(words).encode("ascii"))
            method, fields = self.receive()
            if method == "error":
                raise error_of(fields)
            if method != "welcome":
                raise BrokerError("protocol", f"the broker greets with {method!r}")
            # Waiting for messages has no end of its own.
            self._socket.settimeout(None)
            self._start_heartbeat(int(fields["ping_interval_ms"]) / 1000)
        except BaseException:
            self.close()
            raise

    def send(
        self, method: str, fields: Fields, on_number: Optional[Callable[[int], None]] = None
    ) -> None:
        """Send a message, in one call of ``socket.send``.

        ``on_number`` is told, before it is sent, which frame of this connection it is: errors say so.
        """
        data = self._codec.encode(method, fields)
        with self._sending:
            self._frames += 1
            if on_number is not None:
                on_number(self._frames)
            self._socket.sendall(_PREFIX.pack(len(data)), _MORE)
            sent = self._socket.send(data)
            # All of it on a blocking socket; but a signal may come between.
            if isinstance(sent, int) and sent < len(data):
                self._socket.sendall(data[sent:])

    def receive(self, deadline: Optional[float] = None) -> Message:
        """Wait for the next message but pings, up to a point of ``time.monotonic``."""
        while True:
            message = self._take()
            if message is None:
                if deadline is not None:
                    self._await(deadline - time.monotonic())
                self._read(0)
            elif message[0] not in ("ping", "pong"):
                return message

    def receive_now(self) -> Optional[Message]:
        """The next message but pings, if it is there already."""
        while True:
            message = self._take()
            if message is None:
                try:
                    self._read(socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return None
            elif message[0] not in ("ping", "pong"):
                return message

    def close(self) -> None:
        """Close the connection."""
        self._stopped.set()
        try:
            # Wakes a thread that waits in `receive`.
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _take(self) -> Optional[Message]:
        """The next whole frame of what was read."""
        if len(self._buffer) < _PREFIX.size:
            return None
        (length,) = _PREFIX.unpack_from(self._buffer)
        end = _PREFIX.size + length
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[_PREFIX.size : end])
        del self._buffer[:end]
        if not self._codec.name == "json" and data.startswith(b'{"method":"error"'):
            # Refused before the announcement was read.
            return JSONCodec().decode(data)
        return self._codec.decode(data)

    def _await(self, seconds: float) -> None:
        """Wait until there is something to read, without a timeout that sending would have too."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            if seconds <= 0 or not selector.select(seconds):
                raise TimeoutError("the broker does not reply")

    def _read(self, flags: int) -> None:
        try:
            data = self._socket.recv(_READ_BYTES, flags)
        except (ConnectionError, BrokenPipeError) as error:
            raise BrokerClosed(f"the connection to the broker is lost: {error}") from error
        if not data:
            raise BrokerClosed("the broker closed the connection")
        self._buffer += data

    def _send_quietly(self, data: bytes, frames: int = 0) -> None:
        """Send what is no message of the caller: not by ``socket.send``."""
        with self._sending:
            self._frames += frames
            self._socket.sendall(_PREFIX.pack(len(data)) + data)

    def _start_heartbeat(self, interval: float) -> None:
        """Show signs of life also while the caller is busy with something else."""
        arguments = (weakref.ref(self), self._stopped, interval / 2)
        threading.Thread(target=_beat, args=arguments, daemon=True, name="lb-broker").start()

    def _pong(self) -> None:
        # By hand, as the encoders are counted by tests.
        pong = {"json": b'{"method":"pong"}', "xml": b"<pong/>"}
        self._send_quietly(pong.get(self._codec.name, b"\x80\x04}\x8c\x06method\x8c\x04pongs."), 1)


def _connected(address: tuple[str, int], timeout: Optional[float]) -> socket.socket:
    """A socket that is connected; an error names the address."""
    try:
        return socket.create_connection(address, timeout)
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"cannot connect to a broker at {address[0]}:{address[1]}: {reason}"
        raise type(error)(error.errno, text) from error


def _beat(reference: "weakref.ref[Connection]", stopped: threading.Event, pause: float) -> None:
    while not stopped.wait(pause):
        connection = reference()
        if connection is None:
            return
        try:
            connection._pong()
        except OSError:
            return
        del connection


def error_of(fields: Fields) -> BrokerError:
    """The exception for an error message."""
    topic: Any = fields.get("topic")
    return BrokerError(str(fields.get("code")), str(fields.get("text")), topic)
