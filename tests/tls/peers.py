#!/usr/bin/env python3
"""TLS of a real lb with clients that know nothing of it: OpenSSL, curl, Python, Node, GnuTLS.

    tests/tls/peers.py --lb target/release/lb

Makes a certificate with openssl, starts lb over a server of Python's library, and has each client
that is installed fetch a page. Exits with 1 if any fails; one that is not installed is named.
"""

import argparse
import http.server
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

PATIENCE = 30
BODY = b"pi is about three\n" * 2000
REQUEST = b"GET /page HTTP/1.1\r\nHost: lb.test\r\nConnection: close\r\n\r\n"


class Page(http.server.BaseHTTPRequestHandler):
    """A backend that says by which protocol its client came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("Proto", self.headers.get("X-Forwarded-Proto", "none"))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


def certificate(folder):
    chain, key = folder / "lb.pem", folder / "lb.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", key, "-out", chain, "-days", "7", "-subj", "/CN=lb.test"]
    command += ["-addext", "subjectAltName=DNS:lb.test,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return chain, key


def run(command, data=b""):
    done = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


def curl(port, chain, *flags):
    command = ["curl", "--silent", "--show-error", "--include", "--cacert", chain, *flags]
    command += ["--resolve", f"lb.test:{port}:127.0.0.1", f"https://lb.test:{port}/page"]
    return run(command)


def s_client(port, chain, *flags, data=REQUEST):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "lb.test"]
    command += ["-CAfile", chain, "-verify_return_error", *flags]
    if data == REQUEST:
        # Else the end of the request would end it, and letters be commands.
        command.append("-ign_eof")
    return run(command, data)


def resumed(port, chain, version, folder):
    """OpenSSL keeps a session in a file and offers it again."""
    session = folder / f"session{version}"
    s_client(port, chain, version, "-sess_out", session)
    return s_client(port, chain, version, "-sess_in", session)


def gnutls(port, chain, priority):
    command = ["gnutls-cli", "--x509cafile", chain, "--sni-hostname", "lb.test"]
    command += ["--verify-hostname", "lb.test", "--priority", priority, "--port", str(port)]
    return run([*command, "127.0.0.1"], REQUEST)


def python(port, chain, version):
    context = ssl.create_default_context(cafile=str(chain))
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname="lb.test") as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"
            secure.sendall(REQUEST)
            parts = []
            # An end without close_notify would raise.
            while part := secure.recv(65536):
                parts.append(part)
            return b"".join(parts)


def byte_by_byte(port, chain):
    """A hello that comes in segments of a byte."""
    context = ssl.create_default_context(cafile=str(chain))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="lb.test")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(work):
            while True:
                try:
                    return work()
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        plain.sendall(bytes([byte]))
                    incoming.write(plain.recv(65536))

        step(session.do_handshake)
        session.write(REQUEST)
        for byte in outgoing.read():
            plain.sendall(bytes([byte]))
        parts = []
        while sum(map(len, parts)) < len(BODY):
            parts.append(step(lambda: session.read(65536)))
        return b"".join(parts)


NODE = """
const https = require('https'), fs = require('fs');
const [port, ca] = process.argv.slice(1);
const agent = new https.Agent({ keepAlive: true, maxSockets: 2, ca: fs.readFileSync(ca) });
let left = 20;
for (let n = 0; n < 20; n++) {
  const options = { agent, port, host: '127.0.0.1', servername: 'lb.test', path: '/page' };
  https.get(options, (response) => {
    let body = '';
    response.on('data', (part) => { body += part; });
    response.on('end', () => {
      if (n == 0) process.stdout.write('Proto: ' + response.headers.proto + '\\n' + body);
      if (--left == 0) agent.destroy();
    });
  }).on('error', (error) => { console.error(String(error)); process.exit(1); });
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lb", default="target/release/lb")
    lb_path = parser.parse_args().lb
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        chain, key = certificate(folder)
        command = [lb_path, "--listen", "127.0.0.1:0", "--tls-cert", chain, "--tls-key", key]
        command += ["--backends", f"127.0.0.1:{server.server_port}", "--health", "none"]
        lb = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            port = int(lb.stderr.readline().split("127.0.0.1:", 1)[1].split()[0])
            return check(port, chain, folder)
        finally:
            lb.kill()
            lb.wait()
            lb.stderr.close()


def check(port, chain, folder):
    fetch = {
        "curl, TLS 1.2": ("curl", lambda: curl(port, chain, "--tls-max", "1.2")),
        "curl, TLS 1.3": ("curl", lambda: curl(port, chain, "--tlsv1.3")),
        "openssl, TLS 1.2": ("openssl", lambda: s_client(port, chain, "-tls1_2")),
        "openssl, TLS 1.3": ("openssl", lambda: s_client(port, chain, "-tls1_3")),
        "openssl, small records": (
            "openssl",
            lambda: s_client(port, chain, "-max_send_frag", "512", "-split_send_frag", "512"),
        ),
        "python, TLS 1.2": ("python3", lambda: python(port, chain, ssl.TLSVersion.TLSv1_2)),
        "python, TLS 1.3": ("python3", lambda: python(port, chain, ssl.TLSVersion.TLSv1_3)),
        "python, byte by byte": ("python3", lambda: byte_by_byte(port, chain)),
        "node": ("node", lambda: run(["node", "-e", NODE, str(port), str(chain)])),
        "gnutls, TLS 1.2": ("gnutls-cli", lambda: gnutls(port, chain, "NORMAL:-VERS-ALL:+VERS-TLS1.2")),
        "gnutls, TLS 1.3": ("gnutls-cli", lambda: gnutls(port, chain, "NORMAL:-VERS-ALL:+VERS-TLS1.3")),
    }
    told = {
        "openssl resumes TLS 1.2": (lambda: resumed(port, chain, "-tls1_2", folder), b"Reused, TLSv1.2"),
        "openssl resumes TLS 1.3": (lambda: resumed(port, chain, "-tls1_3", folder), b"Reused, TLSv1.3"),
        "TLS 1.1 is refused": (
            lambda: s_client(port, chain, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
            b"SSL alert number",
        ),
        "renegotiation is refused": (
            lambda: s_client(port, chain, "-tls1_2", data=b"R\n"),
            b"no renegotiation",
        ),
    }
    failures, skipped = 0, 0
    for name, (tool, work) in fetch.items():
        if not shutil.which(tool):
            print(f"{name}: not tried, {tool} is not installed")
            skipped += 1
            continue
        got = work()
        good = BODY in got and b"roto: https" in got
        failures += not good
        print(f"{name}: {'ok' if good else 'FAILED'}")
        if not good:
            print(got[-2000:].decode(errors="replace"))
    for name, (work, expected) in told.items():
        got = work()
        good = expected in got
        failures += not good
        print(f"{name}: {'ok' if good else 'FAILED'}")
        if not good:
            print(got[-2000:].decode(errors="replace"))
    passed = len(fetch) + len(told) - failures - skipped
    print(f"{passed} passed, {failures} failed, {skipped} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
