"""The backends: one nginx worker that serves many ports, and counts.

Owns the responses (128 bytes from memory, the long ones from files in the page cache). Requests are
counted here, not by the load: local replies of a proxy must not pass for work.
"""

import os

import network
import processes

PORTS = 512
SMALL_BYTES = 128
# Long bodies, by their paths.
BODIES = {"64KB": 64_000, "1MB": 1_000_000, "100MB": 100_000_000}

CONFIG = """\
worker_processes 1;
daemon off;
pid {dir}/origin.pid;
error_log {dir}/origin.log;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    default_type application/octet-stream;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {dir}/origin-body;
    proxy_temp_path {dir}/origin-proxy;
    fastcgi_temp_path {dir}/origin-fastcgi;
    uwsgi_temp_path {dir}/origin-uwsgi;
    scgi_temp_path {dir}/origin-scgi;
    server {{
{listens}
        location / {{ return 200 "{small}"; }}
{bodies}
    }}
    server {{
        listen 127.0.0.1:{status} backlog=128;
        location / {{ stub_status; }}
    }}
}}
"""


def run_as_root():
    """As root, nginx would run its worker as a user without access to the files of this run."""
    return "user root;" if os.geteuid() == 0 else ""


class Origin:
    """The running origin."""

    def __init__(self, directory, cpu):
        *self.ports, self._status = network.ports(PORTS + 1)
        self._asked = 0
        listens = (f"        listen 127.0.0.1:{port} backlog=4096;" for port in self.ports)
        served = f"root {directory}; open_file_cache max=8;"
        bodies = (f"        location = /{name} {{ {served} }}" for name in BODIES)
        for name, size in BODIES.items():
            (directory / name).write_bytes(os.urandom(size))
        config = directory / "origin.conf"
        config.write_text(
            CONFIG.format(
                dir=directory,
                user=run_as_root(),
                connections=2 * processes.most_connections(),
                listens="\n".join(listens),
                bodies="\n".join(bodies),
                small="0123456789abcdef" * (SMALL_BYTES // 16),
                status=self._status,
            )
        )
        command = [processes.find("nginx"), "-p", directory, "-c", config]
        self.child = processes.Child(command, cpu, log=(directory / "origin.out").open("w"))
        try:
            network.await_answer(self.ports[0], self.child)
            self._counter = network.socket.create_connection(
                (network.HOST, self._status), timeout=network.DEADLINE_SECONDS
            )
        except BaseException:
            self.child.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._counter.close()
        self.child.stop()

    def requests(self):
        """Requests served so far, without those for this number."""
        answer = network.request(self._status, connection=self._counter)
        self._asked += 1
        # The third line has accepted connections, handled ones and requests.
        return int(answer.splitlines()[-2].split()[2]) - self._asked

    def response_bytes(self):
        """The size of a small response, head included."""
        return len(network.request(self.ports[0]))
