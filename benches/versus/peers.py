"""The contestants: lb, HAProxy, nginx and the floor, configured alike.

Owns their command lines and configurations. Each runs one thread, keeps connections alive on both
sides, picks the backend with the fewest requests (lb: by its default), adds the same five fields
about the client to a request, and logs nothing. Nothing here measures.
"""

from dataclasses import dataclass, field

import network
import origin
import processes
from load import Load

BIND = network.HOST

# A CPU of one's own, the one of the load and the origin, and no certain one.
OWN, SHARED, ANY = "own", "shared", "any"


@dataclass(frozen=True)
class Setup:
    """One contestant in one scenario. `label` is what it is called in the results, `traffic` what
    is asked of it, `place` where it runs."""

    label: str
    program: str
    mode: str = "http"
    strategy: str = "least-rt"
    backends: int = 4
    traffic: Load = Load()
    splices: bool = False
    tells_client: bool = True
    closes: bool = False
    # Requests in flight per backend, as each contestant writes it.
    limit: str = ""
    workers: int = 1
    place: str = OWN


@dataclass
class Started:
    """A running contestant, and its address."""

    child: processes.Child
    port: int


class Nobody:
    """Stands where a contestant would, when the load asks the origin directly."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_running(self):
        return True

    def is_asleep(self):
        return True

    def cpu_ns(self):
        return 0, 0, 0

    def set_policy(self, policy):
        pass


@dataclass
class Programs:
    """The programs of the contestants, and the arguments they start with."""

    directory: object
    lb: object
    floor: object
    backend_ports: list
    response_bytes: int
    # The CPU of each place of a `Setup`; where there is none, any will do.
    cpus: dict
    prefix: list = field(default_factory=list)

    def command(self, setup, port):
        """The command line of a contestant that will listen on `port`."""
        return COMMANDS[setup.program](self, setup, port)

    def start(self, setup):
        """Starts a contestant and waits until it responds."""
        if setup.program == "direct":
            return Started(Nobody(), self.backend_ports[0])
        port = network.ports()[0]
        name = self.directory / f"{setup.program}-{port}.log"
        with name.open("w") as log:
            command = [*self.prefix, *self.command(setup, port)]
            child = processes.Child(command, self.cpus.get(setup.place), log=log)
        try:
            network.await_answer(port, child)
        except BaseException as error:
            child.stop()
            said = " ".join(name.read_text()[-300:].split())
            raise RuntimeError(f"{error}; it said: {said}") from None
        return Started(child, port)

    def ports_of(self, setup):
        return self.backend_ports[: setup.backends]


def lb(programs, setup, port):
    backends = ",".join(f"{BIND}:{backend}" for backend in programs.ports_of(setup))
    return [
        *(programs.lb, "--listen", f"{BIND}:{port}", "--backends", backends, "--quiet"),
        *("--mode", setup.mode, "--strategy", setup.strategy),
        # Unless asked for, so that a binary from before can be compared.
        *(("--workers", setup.workers) if setup.workers > 1 else ()),
        *(("--backend-max-connections", setup.limit) if setup.limit else ()),
        *("--max-connections", processes.most_connections()),
    ]


def floor(programs, setup, port):
    ending = "close" if setup.closes else "keep"
    ports = programs.ports_of(setup)
    return [programs.floor, port, programs.response_bytes, ending, *ports]


HAPROXY = """\
global
    nbthread 1
    maxconn {connections}
    # A pipe for each connection that splices, of those in this benchmark.
    maxpipes 64
    # Backend connections are kept at any share of the descriptors, as lb does.
    tune.pool-low-fd-ratio 80
    tune.pool-high-fd-ratio 90
defaults
    mode {mode}
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    # As lb: twice, and at another server.
    retries 2
    option redispatch 1
{options}
frontend clients
    bind {host}:{port} backlog 4096
{fields}
    default_backend servers
backend servers
    balance leastconn
{servers}
"""

HAPROXY_FIELDS = """\
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port {port}
    http-request add-header Via "1.1 haproxy"
"""


def haproxy(programs, setup, port):
    is_http = setup.mode == "http"
    options = ["option forwardfor", "http-reuse always"] if is_http else []
    if setup.splices:
        options += ["option splice-request", "option splice-response"]
    fields = HAPROXY_FIELDS.format(port=port) if is_http and setup.tells_client else ""
    limit = f" maxconn {setup.limit}" if setup.limit else ""
    servers = (
        f"    server s{backend} {BIND}:{backend} pool-max-conn -1{limit}"
        for backend in programs.ports_of(setup)
    )
    text = HAPROXY.format(
        connections=processes.most_connections(),
        mode=setup.mode,
        options="\n".join(f"    {option}" for option in options),
        host=BIND,
        port=port,
        fields=fields,
        servers="\n".join(servers),
    )
    config = programs.directory / f"haproxy-{port}.conf"
    config.write_text(text)
    return [processes.find("haproxy"), "-db", "-f", config]


NGINX = """\
worker_processes 1;
{process}
daemon off;
pid {dir}/nginx-{port}.pid;
error_log {dir}/nginx-{port}.log;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 60s;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream servers {{
        least_conn;
{servers}
        keepalive {pool};
        keepalive_requests 1000000000;
    }}
    server {{
        listen {host}:{port} backlog=4096;
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0;
            proxy_next_upstream_tries 3;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header Via "1.1 nginx";
        }}
    }}
}}
"""


def nginx(programs, setup, port):
    if setup.mode != "http":
        raise processes.Unavailable("nginx here has no stream module")
    servers = (f"        server {BIND}:{backend};" for backend in programs.ports_of(setup))
    text = NGINX.format(
        # valgrind should see one process, and it has no use for a master.
        process="master_process off;" if programs.prefix else "",
        dir=programs.directory,
        user=origin.run_as_root(),
        connections=2 * processes.most_connections(),
        servers="\n".join(servers),
        pool=max(64, setup.traffic.connections),
        host=BIND,
        port=port,
    )
    config = programs.directory / f"nginx-{port}.conf"
    config.write_text(text)
    return [processes.find("nginx"), "-p", programs.directory, "-c", config]


def direct(_programs, _setup, _port):
    return []


COMMANDS = {"direct": direct, "lb": lb, "floor": floor, "haproxy": haproxy, "nginx": nginx}
