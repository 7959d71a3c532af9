"""A server made of Python's own http.server: says what it was sent, and serves content."""

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(CONTENT), 1000):
                part = CONTENT[start : start + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/until-close":
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        elif asked := self.headers.get("Range"):
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            part = CONTENT[first : last + 1]
            where = f"bytes {first}-{last}/{len(CONTENT)}"
            self.answer(206, part, [("Content-Range", where)])
        else:
            self.answer(200, CONTENT)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.chunks() if self.is_chunked() else self.rfile.read(self.length())
        digest = hashlib.sha256(body).hexdigest()
        self.answer(200, f"{self.command} {len(body)} {digest}\n".encode())

    do_PUT = do_POST

    def answer(self, status, body, fields=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def length(self):
        return int(self.headers.get("Content-Length", 0))

    def is_chunked(self):
        return self.headers.get("Transfer-Encoding") == "chunked"

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            assert self.rfile.readline() == b"\r\n"
        assert self.rfile.readline() == b"\r\n"
        return body

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
# Ends with its parent.
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
