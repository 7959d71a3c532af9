#!/usr/bin/env python3
"""A foreign server of an existing fleet: calls onConnect when it is up and answers ping.

    compat.py serve CONTROLLER TOKEN HOST AGENT_PORT PORT LOAD_FILE
    compat.py strangers CONTROLLER
    compat.py monitor LISTEN AGENT_PORT     the other way: accepts onConnect, pings, sets loads
"""

import json
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import s1_connection_pb2
import s1_connection_pb2_grpc
import s1_heartbeat_pb2
import s1_heartbeat_pb2_grpc


def on_connect(controller, ip, name):
    with grpc.insecure_channel(controller) as channel:
        stub = s1_connection_pb2_grpc.ConnectionServiceStub(channel)
        request = s1_connection_pb2.onConnectRequest(ip_address=ip, instance_name=name)
        return stub.onConnect(request, timeout=10).is_accepted


class Heartbeat(s1_heartbeat_pb2_grpc.HeartbeatServiceServicer):
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def ping(self, request, context):
        return s1_heartbeat_pb2.HeartbeatResponse(load=float(self.path.read_text()))


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"pong\n")

    def log_message(self, *_):
        pass


def serve(controller, token, host, agent_port, port, load):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    s1_heartbeat_pb2_grpc.add_HeartbeatServiceServicer_to_server(Heartbeat(load), server)
    server.add_insecure_port(f"{host}:{agent_port}")
    server.start()
    http = ThreadingHTTPServer((host, int(port)), Page)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    for _ in range(20):
        if on_connect(controller, host, token):
            break
        time.sleep(0.5)
    else:
        sys.exit("onConnect was never accepted")
    threading.Event().wait()


class Connection(s1_connection_pb2_grpc.ConnectionServiceServicer):
    """Refuses the first call: an agent has to ask again."""

    def __init__(self):
        self.calls = []
        self.accepted = threading.Event()

    def onConnect(self, request, context):
        self.calls.append((request.ip_address, request.instance_name))
        is_accepted = len(self.calls) > 1
        if is_accepted:
            self.accepted.set()
        return s1_connection_pb2.onConnectResponse(is_accepted=is_accepted)


def http(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def monitor(listen, agent_port):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    connection = Connection()
    s1_connection_pb2_grpc.add_ConnectionServiceServicer_to_server(connection, server)
    server.add_insecure_port(listen)
    server.start()
    if not connection.accepted.wait(20):
        sys.exit("onConnect was never called again")
    ip, name = connection.calls[-1]
    if name != "i-0123" or connection.calls[0] != (ip, name):
        sys.exit(f"onConnect came as {connection.calls}")
    with grpc.insecure_channel(f"{ip}:{agent_port}") as channel:
        stub = s1_heartbeat_pb2_grpc.HeartbeatServiceStub(channel)

        def ping():
            return stub.ping(s1_heartbeat_pb2.Request(), timeout=5).load

        for load in (0.0, 0.25, 1.0):
            status, told = http("POST", f"http://{ip}:{agent_port}/load/", {"load": load})
            if (status, told["load"], ping()) != (200, load, load):
                sys.exit(f"a load of {load} is told as {told}")
        for body, expected in ({"load": 1.5}, 422), ({"lode": 1}, 400), ({}, 400):
            if http("POST", f"http://{ip}:{agent_port}/load", body)[0] != expected:
                sys.exit(f"{body} is not answered with {expected}")
        status, told = http("POST", f"http://{ip}:{agent_port}/load", {"source": "cpu"})
        if status != 200 or told["source"] != "cpu" or not 0 <= ping() <= 1:
            sys.exit(f"the measured load is told as {told}")
    print("the agent registers, is pinged, and takes its load by hand")


def main():
    match sys.argv[1:]:
        case ["serve", *rest]:
            serve(*rest)
        case ["monitor", listen, agent_port]:
            monitor(listen, agent_port)
        case ["strangers", controller]:
            for name in ["stranger", "", "f-web-1-1", "x" * 5000]:
                if on_connect(controller, "10.0.0.9", name):
                    sys.exit(f"{name[:20]!r} was accepted")
            print("strangers are refused")
        case _:
            sys.exit(__doc__)


main()
