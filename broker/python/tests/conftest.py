"""A broker on a free port for each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PACKAGE))


def binary() -> str:
    """The broker to test: ``LB_BROKER_BIN``, or what cargo built last."""
    configured = os.environ.get("LB_BROKER_BIN")
    if configured:
        return configured
    target = Path(os.environ.get("CARGO_TARGET_DIR", PACKAGE.parent.parent / "target"))
    built = [target / profile / "lb-broker" for profile in ("debug", "release")]
    found = [path for path in built if path.exists()]
    if not found:
        pytest.exit("no lb-broker: cargo build -p lb-broker, or set LB_BROKER_BIN", 2)
    return str(max(found, key=lambda path: path.stat().st_mtime))


class Broker:
    """A running broker."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith("lb-broker listens on "), line
        self.address = line.rsplit(" ", 1)[1]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker that queues find by themselves."""
    running = Broker()
    monkeypatch.setenv("LB_BROKER", running.address)
    yield running
    running.stop()
