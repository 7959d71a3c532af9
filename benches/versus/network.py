"""Ports and single requests on loopback.

Ports are taken from below the range that the system gives to outgoing connections, so that no
connection of the load can be in the way of a server.
"""

import socket
import time
from pathlib import Path

HOST = "127.0.0.1"
DEADLINE_SECONDS = 20

_next_port = 20_000


def ports(count=1):
    """So many consecutive free ports, each given out once."""
    global _next_port
    ceiling = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while _next_port + count < ceiling:
        block = range(_next_port, _next_port + count)
        taken = [port for port in block if not _is_free(port)]
        if not taken:
            _next_port += count
            return list(block)
        _next_port = taken[-1] + 1
    raise RuntimeError(f"no {count} free ports below {ceiling}")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def request(port, path="/", connection=None):
    """One GET on a new connection, or on the one given. Returns the response as it came."""
    own = connection is None
    if own:
        connection = socket.create_connection((HOST, port), timeout=DEADLINE_SECONDS)
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        return _read_response(connection)
    finally:
        if own:
            connection.close()


def _read_response(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += _receive(connection)
    return head + b"\r\n\r\n" + body


def _receive(connection):
    chunk = connection.recv(1 << 16)
    if not chunk:
        raise ConnectionError("closed in the middle of a response")
    return chunk


def await_answer(port, child, pause=0.01):
    """Waits until a server responds 200; fails if it ends or takes too long."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if not child.is_running():
            raise RuntimeError(f"ended with {child.process.returncode} before it responded")
        try:
            if request(port).split(b" ", 2)[1] == b"200":
                return
        except OSError:
            pass
        time.sleep(pause)
    raise RuntimeError("did not respond in time")
