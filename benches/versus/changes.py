#!/usr/bin/env python3
"""Reloads and upgrades under load: no request lost or doubled, no connection cut, nothing leaked.

    cargo build --release && benches/versus/changes.py --reloads 30 --upgrades 10

A backend of its own serves `lb`: requests on kept and on fresh connections, slow downloads,
WebSocket-like tunnels, and POSTs whose ids it counts. Half of the reloads are of broken files, which
must change nothing. An id that fails is not sent again, so that every loss shows. Needs `wrk` for the
flood; without it, the other clients are the load.
"""

import argparse
import asyncio
import collections
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOWNLOAD_CHUNKS = 400
CHUNK = bytes(range(256)) * 16


class Backend:
    """Serves, and counts the ids of POSTs."""

    def __init__(self):
        self.ids = collections.Counter()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target = head.split(" ")[:2]
                if target.startswith("/tunnel"):
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\n"
                        b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
                    )
                    while data := await reader.read(65536):
                        writer.write(data)
                    return
                if method == "POST":
                    self.ids[target] += 1
                    await reader.readexactly(4)
                if target == "/download":
                    length = DOWNLOAD_CHUNKS * len(CHUNK)
                    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())
                    for _ in range(DOWNLOAD_CHUNKS):
                        writer.write(CHUNK)
                        await writer.drain()
                        await asyncio.sleep(DOWNLOAD_SECONDS / DOWNLOAD_CHUNKS)
                    continue
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Clients:
    """Clients that must notice nothing."""

    def __init__(self, port):
        self.port = port
        self.failures = []
        self.done = asyncio.Event()
        self.posts = 0
        self.pings = 0
        self.downloads = 0
        self.fresh = 0

    async def open(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def guarded(self, what, work):
        try:
            await work
        except Exception as error:  # noqa: BLE001: whatever it is, a client has noticed
            self.failures.append(f"{what}: {error!r}")

    async def tunnel(self, ready):
        reader, writer = await self.open()
        writer.write(b"GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        ready.release()
        while not self.done.is_set():
            writer.write(b"ping")
            if await asyncio.wait_for(reader.readexactly(4), 30) != b"ping":
                raise ValueError("not what was sent")
            self.pings += 1
            await asyncio.sleep(0.5)
        writer.close()

    async def download(self):
        while not self.done.is_set():
            reader, writer = await self.open()
            writer.write(b"GET /download HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(DOWNLOAD_CHUNKS):
                if await asyncio.wait_for(reader.readexactly(len(CHUNK)), 30) != CHUNK:
                    raise ValueError("not what was sent")
            self.downloads += 1
            writer.close()

    async def connect_often(self):
        """Each request comes by a connection of its own."""
        while not self.done.is_set():
            reader, writer = await self.open()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            response = await asyncio.wait_for(reader.read(), 30)
            if not response.startswith(b"HTTP/1.1 200") or not response.endswith(b"ok"):
                raise ValueError(response[:40])
            self.fresh += 1
            writer.close()
            await asyncio.sleep(0.002)

    async def post(self, name):
        """Each id is sent once: a request that fails is not repeated."""
        connection = None
        count = 0
        while not self.done.is_set():
            if connection is None:
                connection = await self.open()
            reader, writer = connection
            count += 1
            writer.write(
                f"POST /{name}-{count} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody".encode()
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            await reader.readexactly(2)
            if not head.startswith(b"HTTP/1.1 200"):
                raise ValueError(head[:40])
            self.posts += 1
            if b"onnection: close" in head:
                writer.close()
                connection = None
            await asyncio.sleep(0.002)


def config(port, queue, broken=False):
    """A file that differs with `queue` in a setting, a route and a pool."""
    nonsense = "nonsense = 1\n" if broken else ""
    return f"""
workers = {WORKERS}
admin = "127.0.0.1:0"
shutdown-timeout = "10m"
{nonsense}
[[listener]]
listen = "127.0.0.1:0"
pool = "web"
[[route]]
path = "/never/{queue}"
respond = 404
[pool.web]
queue-limit = {queue}
health = "tcp"
backends = ["127.0.0.1:{port}"]
[pool.spare{queue % 3}]
health = "none"
backends = ["127.0.0.1:{port}"]
"""


def is_running(pid):
    """Whether a process has not ended; one that nobody waits for stays as a name alone."""
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def usage(pid):
    fields = pathlib.Path(f"/proc/{pid}/status").read_text().split("\n")
    rss = next(int(line.split()[1]) for line in fields if line.startswith("VmRSS"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


async def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.02)


async def run(args):
    backend = Backend()
    port = await backend.start()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lb-changes-"))
    file, pid_file, log = folder / "lb.toml", folder / "pid", folder / "log"
    file.write_text(config(port, 1000))
    with open(log, "w") as out:
        process = subprocess.Popen(
            [args.binary, "--config", file, "--pid-file", pid_file],
            stderr=out, stdout=subprocess.DEVNULL,
        )
    said = lambda: log.read_text()
    await until("lb listens", lambda: "admin interface" in said())
    listen = int(said().split("lb listens on 127.0.0.1:")[1].split()[0])
    clients = Clients(listen)
    ready = asyncio.Semaphore(0)
    tasks = [clients.guarded("tunnel", clients.tunnel(ready)) for _ in range(args.tunnels)]
    tasks += [clients.guarded("download", clients.download()) for _ in range(args.downloads)]
    tasks += [clients.guarded("fresh", clients.connect_often()) for _ in range(args.fresh)]
    tasks += [clients.guarded("post", clients.post(f"p{n}")) for n in range(args.posts)]
    tasks = [asyncio.create_task(task) for task in tasks]
    for _ in range(args.tunnels):
        await asyncio.wait_for(ready.acquire(), 60)
    seconds = args.reloads + 3 * args.upgrades
    wrk = None
    if shutil.which("wrk"):
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", "-c32", f"-d{seconds + 5}", f"http://127.0.0.1:{listen}/",
            stdout=asyncio.subprocess.PIPE,
        )
    await asyncio.sleep(2)
    pid = lambda: int(pid_file.read_text())
    before = usage(pid())
    usages = [before]
    for number in range(args.reloads):
        broken = number % 2 == 1
        seen = said()
        file.write_text(config(port, 1001 + number, broken))
        os.kill(pid(), signal.SIGHUP)
        word = "reload refused: the configuration" if broken else "reloaded: "
        await until(word, lambda: said().count(word) > seen.count(word))
        await asyncio.sleep(args.pause)
        usages.append(usage(pid()))
    await asyncio.sleep(2)
    after = usage(pid())
    usages.append(after)
    file.write_text(config(port, 1000))
    old = []
    for number in range(args.upgrades):
        now = pid()
        old.append(now)
        os.kill(now, signal.SIGUSR2)
        await until("an upgrade", lambda: pid() != now)
        await asyncio.sleep(args.pause * 2)
    last = usage(pid())
    if wrk:
        flood = (await wrk.communicate())[0].decode()
        print(flood)
        for word in ["Socket errors", "Non-2xx"]:
            if word in flood:
                clients.failures.append(f"wrk: {word}")
    clients.done.set()
    _, unfinished = await asyncio.wait(tasks, timeout=DOWNLOAD_SECONDS + 60)
    if unfinished:
        clients.failures.append(f"{len(unfinished)} clients did not finish")
    # Each old process ends by itself when its last connection has.
    await until("the old processes end", lambda: not any(map(is_running, old[:-1])) and (
        not old or process.poll() is not None))
    newest = pid()
    os.kill(newest, signal.SIGTERM)
    await until("the last process ends", lambda: process.poll() is not None and not is_running(newest))
    doubled = [name for name, count in backend.ids.items() if count > 1]
    print(f"reloads     {args.reloads}, half of them refused; upgrades {args.upgrades}")
    print(f"posts       {clients.posts}, at the backend {len(backend.ids)}, doubled {len(doubled)}")
    print(f"tunnels     {args.tunnels} with {clients.pings} echoes; downloads {clients.downloads}")
    print(f"fresh       {clients.fresh} requests on connections of their own")
    for index, name in enumerate(["memory KiB ", "descriptors"]):
        most = max(of[index] for of in usages)
        print(f"{name} {before[index]} -> {after[index]} after reloads (at most {most}); "
              f"{last[index]} after upgrades")
    print(f"failures    {len(clients.failures)} {clients.failures[:5]}")
    backend.server.close()
    if clients.failures or doubled or clients.posts != len(backend.ids):
        print(f"the log is {log}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/lb"))
    parser.add_argument("--reloads", type=int, default=30)
    parser.add_argument("--upgrades", type=int, default=10)
    parser.add_argument("--tunnels", type=int, default=200)
    parser.add_argument("--downloads", type=int, default=20)
    parser.add_argument("--posts", type=int, default=8)
    parser.add_argument("--fresh", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pause", type=float, default=1.0)
    args = parser.parse_args()
    WORKERS = args.workers
    DOWNLOAD_SECONDS = 8
    sys.exit(asyncio.run(run(args)))
