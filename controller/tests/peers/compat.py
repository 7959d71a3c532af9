#!/usr/bin/env python3
"""A foreign server of an existing fleet: calls onConnect when it is up and answers ping.

    compat.py serve CONTROLLER TOKEN HOST AGENT_PORT PORT LOAD_FILE
    compat.py strangers CONTROLLER
"""

import pathlib
import sys
import threading
import time
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


def main():
    match sys.argv[1:]:
        case ["serve", *rest]:
            serve(*rest)
        case ["strangers", controller]:
            for name in ["stranger", "", "f-web-1-1", "x" * 5000]:
                if on_connect(controller, "10.0.0.9", name):
                    sys.exit(f"{name[:20]!r} was accepted")
            print("strangers are refused")
        case _:
            sys.exit(__doc__)


main()
