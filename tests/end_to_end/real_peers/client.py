"""A client made of Python's own http.client: everything it can do, on one connection."""

import hashlib
import sys
from http.client import HTTPConnection

CONTENT = bytes(range(256)) * 400
BODY = b"0123456789" * 50_000
DIGEST = hashlib.sha256(BODY).hexdigest()

connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
connection.connect()
socket = connection.sock


def ask(method, target, *args, **kwargs):
    connection.request(method, target, *args, **kwargs)
    response = connection.getresponse()
    assert response.version == 11, response.version
    assert response.status in (200, 206), response.status
    body = response.read()
    assert connection.sock is socket, f"not connected any more after {method} {target}"
    return response, body


for _ in range(3):
    for target in ("/plain", "/chunked", "/until-close"):
        assert ask("GET", target)[1] == CONTENT, target

response, body = ask("HEAD", "/plain")
assert (int(response.headers["Content-Length"]), body) == (len(CONTENT), b"")

response, body = ask("GET", "/plain", headers={"Range": "bytes=1000-1999"})
assert (response.status, body) == (206, CONTENT[1000:2000])

for method in ("POST", "PUT"):
    said = f"{method} {len(BODY)} {DIGEST}\n".encode()
    assert ask(method, "/", BODY)[1] == said
    parts = (BODY[start : start + 3333] for start in range(0, len(BODY), 3333))
    assert ask(method, "/", parts, encode_chunked=True)[1] == said

print("all is well")
