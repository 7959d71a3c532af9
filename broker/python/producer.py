#!/usr/bin/env python3
"""Publishes made-up weather.

    producer.py --topic temperature --length 10 --queue_type JSONQueue
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import lb_broker
from lb_broker import MiddlewareType, Queue


def temperature() -> Iterator[float]:
    """Degrees Celsius that wander."""
    value = 18.0
    while True:
        value += random.uniform(-0.5, 0.5)
        yield round(value, 1)


def humidity() -> Iterator[int]:
    """Per cent."""
    while True:
        yield random.randint(30, 95)


def pressure() -> Iterator[float]:
    """Hectopascals that wander."""
    value = 1013.0
    while True:
        value += random.uniform(-1.0, 1.0)
        yield round(value, 1)


GENERATORS: dict[str, Callable[[], Iterator[Any]]] = {
    "temperature": temperature,
    "humidity": humidity,
    "pressure": pressure,
}


class Producer:
    """Publishes what a generator yields."""

    def __init__(
        self, topic: str, generator: Callable[[], Iterator[Any]], queue_type: type[Queue], **options: Any
    ) -> None:
        self.queue = queue_type(topic, MiddlewareType.PRODUCER, **options)
        self.generator = generator
        self.produced: list[Any] = []

    def run(self, length: Optional[int] = 10, pause: float = 0.0) -> None:
        """Publish so many values; without a length, until interrupted."""
        for value in self.generator():
            if length is not None and len(self.produced) >= length:
                return
            self.queue.push(value)
            self.produced.append(value)
            time.sleep(pause)


def main() -> None:
    parser = argparse.ArgumentParser(description="Publish made-up weather.")
    parser.add_argument("--topic", choices=[*GENERATORS, "weather"], default="temperature",
                        help="what to publish, below /weather; weather is all three in turn")
    parser.add_argument("--length", type=int, default=10, help="values to publish; 0 has no end")
    parser.add_argument("--queue_type", choices=["JSONQueue", "XMLQueue", "PickleQueue"],
                        default="JSONQueue", help="the serialization")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two values")
    parser.add_argument("--host", help="the broker [LB_BROKER, or 127.0.0.1]")
    parser.add_argument("--port", type=int, help="its port [LB_BROKER, or 5000]")
    arguments = parser.parse_args()
    queue_type: type[Queue] = getattr(lb_broker, arguments.queue_type)
    names = list(GENERATORS) if arguments.topic == "weather" else [arguments.topic]
    producers = [
        Producer(f"/weather/{name}", GENERATORS[name], queue_type,
                 host=arguments.host, port=arguments.port)
        for name in names
    ]
    sent = 0
    while arguments.length == 0 or sent < arguments.length:
        sent += 1
        for name, producer in zip(names, producers):
            producer.run(sent, arguments.pause)
            print(f"/weather/{name}", producer.produced[-1], flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except (OSError, lb_broker.BrokerError) as error:
        raise SystemExit(f"producer.py: {error}")
