#!/usr/bin/env python3
"""Restarts under POST traffic: how many requests a stop costs, beside HAProxy and nginx.

POSTs may not be repeated once a server may have seen them, so they show every window that a
restart leaves open. In `backends` four nginx servers are stopped gracefully and started again, one
after the other, behind each balancer. In `balancer` it is the balancer that is told to stop, while
clients hold kept connections to it. What counts are requests, not times: each contestant has the
same clients for the same time, and all take turns.

    benches/versus/restarts.py --lb target/release/lb             # both, about six minutes
    benches/versus/restarts.py --lb target/release/lb backends --seconds 60
"""

import argparse
import collections
import multiprocessing
import os
import random
import selectors
import signal
import socket
import tempfile
import time
from pathlib import Path

import network
import origin
import processes

BACKENDS = 4
BODY = b"x" * 200
REQUEST = b"POST /order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
# Between two restarts of a backend, and the longest pause of a client between two requests: longer
# than a response takes, so that the balancer has idle connections to choose from.
EACH_SECONDS = 1
PAUSE_SECONDS = 0.02
# The time for which clients go on after the balancer is told to stop.
AFTER_SECONDS = 3

SERVER = """\
daemon off; worker_processes 1; {user}
pid {dir}/{port}.pid; error_log {dir}/{port}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {dir}/body-{port};
  proxy_temp_path {dir}/p-{port}; fastcgi_temp_path {dir}/f-{port};
  uwsgi_temp_path {dir}/u-{port}; scgi_temp_path {dir}/s-{port};
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "ok"; }} }} }}
"""

HAPROXY = """\
global
    nbthread 1
    maxconn 4000
    hard-stop-after 30s
defaults
    mode http
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    retries 2
    option redispatch 1
    http-reuse {reuse}
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    default_backend servers
backend servers
    balance leastconn
    default-server check inter 2s pool-max-conn -1
"""

NGINX = """\
daemon off; worker_processes 1; {user}
pid {dir}/b{port}.pid; error_log {dir}/b{port}.log; worker_shutdown_timeout 30s;
events {{ worker_connections 8000; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}/bb-{port};
  proxy_temp_path {dir}/bp-{port}; fastcgi_temp_path {dir}/bf-{port};
  uwsgi_temp_path {dir}/bu-{port}; scgi_temp_path {dir}/bs-{port};
  upstream servers {{ least_conn; {servers} keepalive 256; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://servers; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_next_upstream_tries 3; }} }} }}
"""


class Servers:
    """The backends: nginx, each of which can be replaced by a new one."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = network.ports(BACKENDS)
        self.children = {port: self.start(port) for port in self.ports}

    def start(self, port):
        config = self.directory / f"{port}.conf"
        text = SERVER.format(dir=self.directory, port=port, user=origin.run_as_root())
        config.write_text(text)
        command = [processes.find("nginx"), "-p", self.directory, "-c", config]
        child = processes.Child(command)
        network.await_answer(port, child)
        return child

    def restart(self, port):
        """Stops one as its maker means it, open requests first, and starts its successor."""
        self.children[port].stop(signal.SIGQUIT)
        self.children[port] = self.start(port)

    def stop(self):
        for child in self.children.values():
            child.stop()


def lb(path, _directory, port, backends):
    servers = ",".join(f"127.0.0.1:{one}" for one in backends)
    return [path, "--listen", f"127.0.0.1:{port}", "--backends", servers, "--quiet"]


def haproxy(reuse):
    def command(_path, directory, port, backends):
        lines = (f"    server s{one} 127.0.0.1:{one}\n" for one in backends)
        config = directory / f"haproxy-{port}.conf"
        config.write_text(HAPROXY.format(port=port, reuse=reuse) + "".join(lines))
        return [processes.find("haproxy"), "-db", "-f", config]

    return command


def nginx(_path, directory, port, backends):
    servers = " ".join(f"server 127.0.0.1:{one} max_fails=0;" for one in backends)
    config = directory / f"nginx-{port}.conf"
    user = origin.run_as_root()
    config.write_text(NGINX.format(dir=directory, port=port, servers=servers, user=user))
    return [processes.find("nginx"), "-p", directory, "-c", config]


# Command and the signal that asks for a graceful stop: SIGTERM ends HAProxy and nginx at once.
CONTESTANTS = {
    "lb": (lb, signal.SIGTERM),
    "haproxy": (haproxy("safe"), signal.SIGUSR1),
    "haproxy-reuse-always": (haproxy("always"), signal.SIGUSR1),
    "nginx": (nginx, signal.SIGQUIT),
}


class Client:
    """One kept connection that POSTs, reads the response, pauses and goes on."""

    def __init__(self, port, counts, chance):
        self.port, self.counts, self.chance = port, counts, chance
        self.connection, self.received = None, None
        self.due = time.monotonic() + chance.random() * PAUSE_SECONDS

    def begin(self, selector):
        """Sends a request. A refused connection is one that another instance would accept."""
        if self.connection is None:
            try:
                self.connection = socket.create_connection((network.HOST, self.port), timeout=5)
            except OSError:
                self.counts["refused"] += 1
                return self.pause()
            self.connection.setblocking(False)
            selector.register(self.connection, selectors.EVENT_READ, self)
        self.received, self.due = b"", None
        try:
            self.connection.send(REQUEST)
        except OSError:
            self.close(selector)
            self.counts["lost"] += 1
            self.pause()

    def read(self, selector):
        try:
            chunk = self.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close(selector)
            # Between two requests a server may close as it likes.
            if self.received is not None:
                self.counts["lost"] += 1
                self.pause()
            return
        if self.received is None:
            # A last word such as 408 without a request.
            return self.close(selector)
        self.received += chunk
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self.counts[head.split(b" ", 2)[1].decode()] += 1
            if b"connection: close" in head.lower():
                self.close(selector)
            self.pause()

    def pause(self):
        self.received, self.due = None, time.monotonic() + self.chance.random() * PAUSE_SECONDS

    def close(self, selector):
        selector.unregister(self.connection)
        self.connection.close()
        self.connection = None


def content_length(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def load(port, clients, stop, results, seed):
    """All clients, until `stop` is set; then waits for open responses, for a while."""
    counts, chance = collections.Counter(), random.Random(seed)
    selector = selectors.DefaultSelector()
    crowd = [Client(port, counts, chance) for _ in range(clients)]
    while not stop.is_set():
        now = time.monotonic()
        for client in crowd:
            if client.due is not None and client.due <= now:
                client.begin(selector)
        for key, _ in selector.select(0.001):
            key.data.read(selector)
    until = time.monotonic() + 5
    while time.monotonic() < until and any(it.received is not None for it in crowd):
        for key, _ in selector.select(0.1):
            key.data.read(selector)
    counts["unanswered"] += sum(it.received is not None for it in crowd)
    results.put(counts)


class Load:
    """The clients, in a process of their own."""

    def __init__(self, port, clients, seed):
        self.stop, self.results = multiprocessing.Event(), multiprocessing.Queue()
        arguments = (port, clients, self.stop, self.results, seed)
        self.process = multiprocessing.Process(target=load, args=arguments, daemon=True)
        self.process.start()

    def end(self):
        self.stop.set()
        counts = self.results.get(timeout=30)
        self.process.join()
        return counts


def start(name, options, directory, servers):
    command, stop_signal = CONTESTANTS[name]
    port = network.ports()[0]
    child = processes.Child(command(options.lb, directory, port, servers.ports))
    network.await_answer(port, child)
    return child, port, stop_signal


def restart_backends(name, options, directory, servers):
    """Restarts one backend a second."""
    child, port, _ = start(name, options, directory, servers)
    restarts = 0
    with child:
        traffic = Load(port, options.clients, options.seed)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            time.sleep(EACH_SECONDS)
            servers.restart(servers.ports[restarts % BACKENDS])
            restarts += 1
        return traffic.end(), restarts


def stop_balancer(name, options, directory, servers):
    """Stops the balancer, again and again, each time with new clients."""
    total = collections.Counter()
    for stop in range(options.stops):
        child, port, stop_signal = start(name, options, directory, servers)
        with child:
            traffic = Load(port, options.clients, options.seed + stop)
            time.sleep(1)
            child.process.send_signal(stop_signal)
            time.sleep(AFTER_SECONDS)
            total += traffic.end()
    return total, options.stops


SCENARIOS = {"backends": restart_backends, "balancer": stop_balancer}


def report(scenario, name, counts, times):
    done = counts["200"]
    failed = {what: count for what, count in sorted(counts.items()) if what not in ("200", "refused")}
    lost = sum(failed.values())
    text = ", ".join(f"{count} {what}" for what, count in failed.items() if count) or "none failed"
    print(f"{scenario:9} {name:21} {times:4} stops {done:8} POSTs served, {text}"
          f" ({lost / max(1, times):.2f} a stop)", flush=True)


def compare(scenario, names, options, directory, servers):
    """All contestants by turns, so that a machine that is busy for a while is so for each."""
    totals = {name: (collections.Counter(), 0) for name in names}
    for _ in range(options.rounds):
        for name in names:
            options.seed += 1
            counts, times = SCENARIOS[scenario](name, options, directory, servers)
            before, stops = totals[name]
            totals[name] = before + counts, stops + times
    for name, total in totals.items():
        report(scenario, name, *total)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lb", required=True, help="the binary under test")
    parser.add_argument("--seconds", type=float, default=15, help="length of a run of backends")
    parser.add_argument("--stops", type=int, default=3, help="stops of a balancer in a round")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--clients", type=int, default=64, help="kept connections")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses")
    parser.add_argument("--only", help="contestants, separated by commas")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=" ".join(SCENARIOS))
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    names = options.only.split(",") if options.only else CONTESTANTS
    processes.prepare()
    print("lost: closed without a response; unanswered: no response within 5 s of the end")
    with tempfile.TemporaryDirectory() as path:
        directory = Path(path)
        os.chmod(directory, 0o755)
        servers = Servers(directory)
        try:
            for scenario in options.scenarios or SCENARIOS:
                compare(scenario, names, options, directory, servers)
        finally:
            servers.stop()


if __name__ == "__main__":
    main()
