#!/usr/bin/env python3
"""Servers as containers of a real Docker engine, behind a real lb.

    docker.py BINS FOLDER       within dockerd.sh, which runs the engine of FOLDER

Images are made from scratch with one static program: no registry is asked.
"""

import http.client
import io
import json
import pathlib
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import urllib.request

PORT = 80


class Engine:
    """The engine, by its socket; and stopped and started as a whole."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = str(folder / "engine.sock")

    def call(self, method, path, body=None, kind="application/json"):
        class Connection(http.client.HTTPConnection):
            def connect(this):
                this.sock = socket.socket(socket.AF_UNIX)
                this.sock.settimeout(60)
                this.sock.connect(self.socket)

        connection = Connection("docker")
        connection.request(method, "/v1.41" + path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status < 400, (method, path, answer.status, text)
        return text

    def image(self, name, program):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(program, arcname="serve")
        query = urllib.parse.urlencode({"fromSrc": "-", "repo": name, "tag": "1"})
        self.call("POST", f"/images/create?{query}", file.getvalue(), "application/x-tar")

    def containers(self, every=False):
        listed = json.loads(self.call("GET", f"/containers/json?all={str(every).lower()}"))
        return {it["Id"][:12]: it for it in listed if "lb.fleet" in it["Labels"]}

    def run(self, verb):
        subprocess.run([self.folder / "engine", verb], check=True, timeout=60)


class Process:
    def __init__(self, name, folder, *command):
        self.log = open(folder / f"{name}.log", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


TOKEN = "a-token-of-the-tests"


def fetch(url, limit=5):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=limit) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(seconds, what, condition):
    """Waits until the condition holds; how long that took."""
    started = time.monotonic()
    while True:
        found = condition()
        if found:
            return time.monotonic() - started
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


class Fleet:
    def __init__(self, bins, folder):
        self.bins, self.folder = bins, folder
        self.listen, self.admin, self.api = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.spec = folder / "fleet.toml"
        self.token = folder / "token"
        self.token.write_text(TOKEN)
        self.write('command = ["/serve", "{port}", "one"]')
        self.lb = Process("lb", folder, bins / "lb", "--listen", self.listen, "--admin", self.admin,
                          "--health", "http", "--state", folder / "lb.state")
        self.controller = Process("controller", folder, bins / "lb-controller", "run", self.spec)

    def write(self, line, made_of='image = "lbtest:1"'):
        self.spec.write_text(f"""
[controller]
listen = "{self.api}"
token_file = "token"
lbs = ["http://{self.admin}"]
[service.web]
provider = "docker"
engine = "unix://{self.folder}/engine.sock"
{made_of}
{line}
port = {PORT}
memory_mib = 64
check = "/"
pool = "default"
servers = {{ min = 1, desired = 2, max = 3 }}
stop_grace = 2
""")

    def get(self, path):
        status, text = fetch(f"http://{self.api}{path}")
        return json.loads(text) if status == 200 else {}

    def servers(self):
        return self.get("/v1/servers").get("servers", [])

    def serving(self):
        return {it["handle"]: it for it in self.servers() if it["state"] == "serving"}

    def history(self):
        return [it["text"] for it in self.get("/v1/events").get("events", [])]

    def holds(self):
        return [it["kind"] for it in self.get("/v1/holds").get("holds", [])]

    def picked(self):
        _, text = fetch(f"http://{self.admin}/v1/pools/default")
        backends = json.loads(text).get("backends", [])
        return {it["address"] for it in backends if it["state"] in ("healthy", "slow-start")}

    def ctl(self, *words):
        """What it says, and whether it was done."""
        command = [self.bins / "lb-controller", "ctl", "--controller", self.api, "--token-file",
                   self.token, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr, done.returncode == 0

    def apply(self):
        said, done = self.ctl("apply")
        assert done, said


class Traffic(threading.Thread):
    """A client that asks lb, again and again."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.answers, self.lost = url, 0, []
        self.start()

    def run(self):
        while True:
            status, text = fetch(self.url)
            if status == 200:
                self.answers += 1
            else:
                self.lost.append((time.monotonic(), status, text[:100]))
            time.sleep(0.02)


def scenario(engine, fleet):
    started = time.monotonic()
    traffic = Traffic(f"http://{fleet.listen}/")

    def told(text):
        print(f"docker: {text} ({time.monotonic() - started:.0f} s)", flush=True)

    def two(but=()):
        serving = fleet.serving()
        return len(serving) == 2 and not set(but) & set(serving) and len(fleet.picked()) == 2

    wait(60, "two containers serve", two)
    wait(60, "it observes no more", lambda: fleet.holds() == [])
    assert set(engine.containers()) == set(fleet.serving())
    labels = [it["Labels"]["lb.incarnation"] for it in engine.containers().values()]
    assert labels == ["1", "1"], labels
    traffic.lost.clear()
    told("two containers serve, and lb picks both")

    handle, server = next(iter(fleet.serving().items()))
    fetch(f"http://{server['address']}/eat", 3)
    died = wait(10, "the end is seen", lambda: any("out of memory (OOM)" in it for it in fleet.history()))
    again = wait(20, "another serves", lambda: two([handle]))
    assert any("64 MiB" in it for it in fleet.history()), fleet.history()
    told(f"out of memory: named after {died:.1f} s, another serves {again:.1f} s later")

    handle, server = next(iter(fleet.serving().items()))
    fetch(f"http://{server['address']}/exit", 3)
    wait(10, "the end is seen", lambda: any("exited with 3" in it for it in fleet.history()))
    wait(30, "another serves", lambda: two([handle]))

    handle, server = next(iter(fleet.serving().items()))
    engine.call("POST", f"/containers/{handle}/pause")
    out = wait(10, "lb picks it no more", lambda: server["address"] not in fleet.picked())
    replaced = wait(40, "it is replaced", lambda: two([handle]))
    judged = [it for it in fleet.history() if "hangs" in it]
    assert any("provider: the container is paused" in it for it in judged), judged
    told(f"paused: out after {out:.1f} s, replaced after {out + replaced:.1f} s")

    handle = next(iter(fleet.serving()))
    before = len(fleet.history())
    engine.call("DELETE", f"/containers/{handle}?force=true")
    wait(40, "another serves", lambda: two([handle]))
    time.sleep(3)
    starts = [it for it in fleet.history()[before:] if it == "launching -> starting"]
    assert len(starts) == 1 and two(), (starts, fleet.history()[before:])
    told("removed from outside: made again, once")

    before, containers = len(fleet.history()), set(engine.containers())
    engine.run("stop")
    wait(20, "a hold stands", lambda: "provider" in fleet.holds())
    time.sleep(10)
    assert fetch(f"http://{fleet.listen}/")[1] == "one", "containers serve on"
    engine.run("start")
    wait(15, "the hold ends", lambda: "provider" not in fleet.holds())
    time.sleep(3)
    assert set(engine.containers()) == containers == set(fleet.serving()), fleet.history()[before:]
    told("engine stopped and started: a hold, no verdict, the same containers")

    fleet.write('command = ["/serve", "{port}", "two"]')
    fleet.apply()
    wait(60, "the new version serves", lambda: two(containers))
    assert fetch(f"http://{fleet.listen}/")[1] == "two"
    serving = set(fleet.serving())
    fleet.write('command = ["/missing"]')
    fleet.apply()
    wait(40, "the rollout is halted", lambda: any("halted" in it or "no such file" in it for it in fleet.history()))
    time.sleep(3)
    assert set(fleet.serving()) == serving and fetch(f"http://{fleet.listen}/")[1] == "two"
    told("a new template is rolled out; one that cannot start leaves the old ones serving")
    builds(fleet, told)
    told(f"{traffic.answers} requests answered through lb, {len(traffic.lost)} lost")


def builds(fleet, told):
    app = fleet.folder / "app"
    app.mkdir()
    (app / "serve").write_bytes((fleet.folder / "serve").read_bytes())
    (app / "serve").chmod(0o755)

    def dockerfile(word, file="serve"):
        text = f'FROM scratch\nCOPY {file} /serve\nCMD ["/serve", "{PORT}", "{word}"]\n'
        (app / "Dockerfile").write_text(text)

    def says(word):
        """Two servers and no other, and each says it."""
        def whole():
            serving = fleet.serving().values()
            said = {fetch(f"http://{it['address']}/")[1] for it in serving}
            return said == {word} and len(serving) == len(fleet.servers()) == 2
        return whole

    dockerfile("three")
    fleet.write("", 'build = "app"')
    fleet.apply()
    wait(60, "what was built serves", says("three"))
    dockerfile("four", "missing")
    said, done = fleet.ctl("apply")
    assert not done and "failed at Step 2/3 : COPY missing" in said, said
    assert says("three")()
    told("a Dockerfile is built and rolled out; one that fails says at which step, and changes nothing")

    fleet.write("", 'build = "upload"')
    said, done = fleet.ctl("deploy", "web", app)
    assert not done and "failed at Step 2/3" in said and says("three")(), said
    dockerfile("five")
    said, done = fleet.ctl("deploy", "web", app)
    assert done and "Step 3/3" in said, said
    wait(60, "what was sent serves", says("five"))
    with open(app / "large", "wb") as large:
        large.truncate((256 << 20) + 1)
    said, done = fleet.ctl("deploy", "web", app)
    assert not done and "larger than 256 MiB" in said and says("five")(), said
    (app / "large").unlink()
    told("an archive that is sent is built, shown and rolled out; one that is too large is refused")


def main():
    bins, folder = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2]).absolute()
    engine = Engine(folder)
    source = pathlib.Path(__file__).with_name("container.c")
    subprocess.run(["cc", "-static", "-O1", "-o", folder / "serve", source], check=True)
    engine.image("lbtest", folder / "serve")
    fleet = Fleet(bins, folder)
    try:
        scenario(engine, fleet)
    except BaseException:
        print(json.dumps(fleet.servers(), indent=1), fleet.holds(), file=sys.stderr)
        print("\n".join(fleet.history()[-40:]), file=sys.stderr)
        raise
    finally:
        fleet.controller.stop()
        fleet.lb.stop()
        for handle in engine.containers(every=True):
            engine.call("DELETE", f"/containers/{handle}?force=true")
    print("docker: all is well")


main()
