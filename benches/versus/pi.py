"""The servers of `choice.py`: Pi backends, each working on one request at a time.

Owns their processes, ports and names. A term is waited out, not computed, so that what a server
can do is what its flag says, however busy this machine is.
"""

import contextlib

import network
import processes


@contextlib.contextmanager
def servers(program, term_us):
    """Runs a server for each time a term takes, in microseconds, by name. Gives their ports."""
    with contextlib.ExitStack() as running:
        ports = network.ports(len(term_us))
        for port, (name, cost) in zip(ports, term_us.items(), strict=True):
            options = ["--port", port, "--name", name, "--term-us", cost]
            child = running.enter_context(processes.Child([program, *options]))
            network.await_answer(port, child)
        yield ports
