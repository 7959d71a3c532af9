#!/usr/bin/env python3
"""The status bus against librdkafka's mock cluster of three brokers.

    kafka.py BINS WORK

Starts the cluster in this process, lb-controller beside it, and three servers that exist: two
whose signs of life are written from here, as existing fleets write them, one with lb-agent.
"""

import ctypes
import glob
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import confluent_kafka

# Of the mock cluster a fetch that finds nothing takes its whole wait.
INTERVAL = 2.0
SILENT = 8.0
HOSTS = ["127.0.3.1", "127.0.3.2", "127.0.3.3"]
BROKERS = [1, 2, 3]


class Cluster:
    """The mock cluster of the library that the Python package brings along."""

    def __init__(self):
        package = pathlib.Path(confluent_kafka.__file__).parent
        (path,) = glob.glob(f"{package}.libs/librdkafka-*.so*")
        self.lib = ctypes.CDLL(path)
        self.lib.rd_kafka_new.restype = ctypes.c_void_p
        self.lib.rd_kafka_conf_new.restype = ctypes.c_void_p
        self.lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        self.lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        conf = ctypes.c_void_p(self.lib.rd_kafka_conf_new())
        handle = ctypes.c_void_p(self.lib.rd_kafka_new(0, conf, None, 0))
        self.cluster = ctypes.c_void_p(self.lib.rd_kafka_mock_cluster_new(handle, len(BROKERS)))
        self.brokers = self.lib.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def topic(self, name, leader):
        done = self.lib.rd_kafka_mock_topic_create(self.cluster, name.encode(), 1, 3)
        assert done == 0, done
        self.lead(name, leader)

    def lead(self, topic, broker):
        done = self.lib.rd_kafka_mock_partition_set_leader(self.cluster, topic.encode(), 0, broker)
        assert done == 0, done

    def down(self, brokers):
        for broker in brokers:
            self.lib.rd_kafka_mock_broker_set_down(self.cluster, broker)

    def up(self, brokers):
        for broker in brokers:
            self.lib.rd_kafka_mock_broker_set_up(self.cluster, broker)

    def slow(self, milliseconds):
        for broker in BROKERS:
            self.lib.rd_kafka_mock_broker_set_rtt(self.cluster, broker, milliseconds)


class Writer:
    """Signs of life of existing fleets."""

    def __init__(self, brokers):
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": brokers, "message.timeout.ms": 3000, "log_level": 0}
        )
        self.speaking = set(HOSTS[:2])
        threading.Thread(target=self.run, daemon=True).start()

    def say(self, host, at=None):
        value = json.dumps({"number": f"VM_{host}", "ip": host})
        at = {} if at is None else {"timestamp": int(at * 1000)}
        self.producer.produce(f"{host}_status", value=value, **at)

    def run(self):
        while True:
            for host in list(self.speaking):
                try:
                    self.say(host)
                except BufferError:
                    pass
            self.producer.poll(INTERVAL)
            time.sleep(INTERVAL / 2)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Fleet:
    """The controller under test, as its API shows it."""

    def __init__(self, bins, work, brokers, ports):
        addresses = ", ".join(f'"{host}:{port}"' for host, port in zip(HOSTS, ports))
        spec = work / "fleet.toml"
        spec.write_text(
            f"""
[controller]
listen = "127.0.0.1:0"
bus = "kafka://{brokers}/{{ip}}_status"
bus_interval = {INTERVAL}
bus_silent = {SILENT}
[service.vm]
provider = "fixed"
addresses = [{addresses}]
check = "/"
hang_after = 3
"""
        )
        self.log = open(work / "controller.log", "w")
        self.process = subprocess.Popen(
            [bins / "lb-controller", "run", spec], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        self.url = line.split()[-1]
        assert self.url.startswith("http://"), line

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read().decode()

    def servers(self):
        return {it["address"].split(":")[0]: it for it in json.loads(self.get("/v1/servers"))["servers"]}

    def suspected(self):
        return {host: it["suspicions"] for host, it in self.servers().items() if it["suspicions"]}

    def holds(self):
        return [it["why"] for it in json.loads(self.get("/v1/holds"))["holds"]]

    def count(self, kind):
        for line in self.get("/metrics").splitlines():
            if line.startswith(f'lb_fleet_statuses_total{{kind="{kind}"}}'):
                return int(float(line.split()[-1]))
        raise AssertionError(f"no counter of {kind}")

    def events(self):
        return [it["text"] for it in json.loads(self.get("/v1/events"))["events"]]


def wait(seconds, what, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def while_for(seconds, what, condition):
    """The condition holds all the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"not all the time: {what}")
        time.sleep(0.2)


def silent(fleet, host):
    return any("no status on the bus" in it for it in fleet.suspected().get(host, []))


def bus_held(fleet):
    return any("status bus was not read" in it for it in fleet.holds())


def scenario(cluster, fleet, writer, pages):
    started = time.monotonic()

    def told(text):
        print(f"kafka: {text} ({time.monotonic() - started:.0f} s)", flush=True)

    hour = [time.time() - 3600 + 5 * nth for nth in range(720)]
    wait(40, "all serve", lambda: [it["state"] for it in fleet.servers().values()] == ["serving"] * 3)
    # What was observed since the start is enough to judge by.
    wait(40, "it observes no more", lambda: fleet.holds() == [])
    wait(10, "statuses are read", lambda: fleet.count("news") > 6)
    assert fleet.count("refused") == 0 and fleet.suspected() == {}
    assert fleet.count("history") == 0, "what was written before the start is read"
    told("three servers are heard over three brokers, from the end of each topic")

    writer.speaking.discard(HOSTS[0])
    wait(SILENT + 15, "silence is noticed", lambda: silent(fleet, HOSTS[0]))
    assert list(fleet.suspected()) == [HOSTS[0]], fleet.suspected()
    for at in hour:
        writer.say(HOSTS[0], at)
    wait(20, "an hour is replayed", lambda: fleet.count("history") == len(hour))
    while_for(2, "old statuses speak for nobody", lambda: silent(fleet, HOSTS[0]))
    told("an hour of old statuses replayed: history, and the server stays suspected")

    pages[0].shutdown()
    pages[0].server_close()
    both = lambda it: "no status on the bus" in it and "remote check" in it
    wait(60, "two vantage points agree", lambda: any(both(it) for it in fleet.events()))
    told("silence and a failed check together are a verdict; silence alone was none")
    pages[0] = page(HOSTS[0], pages[0].server_address[1])
    writer.speaking.add(HOSTS[0])
    wait(20, "it is heard again", lambda: fleet.suspected() == {})

    cluster.down([1])
    for host in HOSTS:
        cluster.lead(f"{host}_status", 2)
    before = fleet.count("news")
    wait(30, "the others carry on", lambda: fleet.count("news") > before + 6)
    wait(30, "none is suspected for long", lambda: fleet.suspected() == {})
    cluster.up([1])
    told("one broker down: its topics are read from another")

    cluster.slow(1500)
    while_for(12, "slow is not away", lambda: not bus_held(fleet))
    cluster.slow(0)
    wait(30, "none is suspected", lambda: fleet.suspected() == {})
    told("brokers that take 1.5 s to answer: no hold")

    cluster.down(BROKERS)
    wait(40, "loss of the bus is a hold", lambda: bus_held(fleet))
    while_for(8, "and no evidence", lambda: fleet.suspected() == {})
    assert [it["state"] for it in fleet.servers().values()] == ["serving"] * 3
    told("all brokers down: a hold, and nothing is held against a server")
    cluster.up(BROKERS)
    wait(40, "the hold ends", lambda: not bus_held(fleet))
    before = fleet.count("news")
    wait(20, "statuses are read again", lambda: fleet.count("news") > before + 6)
    wait(20, "nothing is left of it", lambda: fleet.suspected() == {} and fleet.holds() == [])
    told("back: read again from the end")


def keyed(cluster, bins):
    """Our own form: one topic, keyed by the name of the server."""
    cluster.topic("lb-status", 3)
    agent = subprocess.Popen(
        [bins / "lb-agent", "--compat-listen", "127.0.0.1:0", "--name", "i-0123", "--load", "0.25",
         "--bus", f"kafka://{cluster.brokers}", "--bus-interval", "1"],
        stdout=subprocess.DEVNULL,
    )
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": cluster.brokers, "group.id": "ci", "auto.offset.reset": "earliest"}
    )
    try:
        consumer.assign([confluent_kafka.TopicPartition("lb-status", 0, 0)])
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message
        assert message.key() == b"i-0123", message.key()
        assert json.loads(message.value()) == {"name": "i-0123", "load": 0.25}, message.value()
    finally:
        agent.terminate()
        agent.wait(10)
        consumer.close()
    print("kafka: statuses of one topic, keyed, are read by another client", flush=True)


def page(host, port=0):
    server = ThreadingHTTPServer((host, port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    bins, work = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2])
    cluster = Cluster()
    for host, leader in zip(HOSTS, BROKERS):
        cluster.topic(f"{host}_status", leader)
    writer = Writer(cluster.brokers)
    for nth in range(720):
        writer.say(HOSTS[0], time.time() - 3600 + 5 * nth)
    writer.producer.flush(10)
    pages = [page(host) for host in HOSTS]
    agent = subprocess.Popen(
        [bins / "lb-agent", "--compat-listen", "127.0.0.1:0", "--ip", HOSTS[2], "--bus-interval",
         str(INTERVAL), "--bus", f"kafka://{cluster.brokers}/{{ip}}_status"],
        stdout=subprocess.DEVNULL,
    )
    fleet = None
    try:
        fleet = Fleet(bins, work, cluster.brokers, [it.server_address[1] for it in pages])
        keyed(cluster, bins)
        scenario(cluster, fleet, writer, pages)
    except BaseException:
        if fleet is not None:
            print(fleet.suspected(), fleet.holds(), file=sys.stderr)
        raise
    finally:
        for process in [agent] + ([fleet.process] if fleet else []):
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    print("kafka: all is well")
    sys.stdout.flush()
    # The cluster's threads end with the process.
    os._exit(0)


main()
