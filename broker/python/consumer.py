#!/usr/bin/env python3
"""Prints the weather that producers publish.

    consumer.py --topic temperature --length 10 --queue_type PickleQueue
"""

from __future__ import annotations

import argparse
from typing import Any, Optional

import lb_broker
from lb_broker import Queue


class Consumer:
    """Reads from a topic and keeps the values."""

    def __init__(self, topic: str, queue_type: type[Queue], **options: Any) -> None:
        self.queue = queue_type(topic, **options)
        self.received: list[Any] = []

    def run(self, length: Optional[int] = 10) -> None:
        """Read so many values; without a length, until interrupted."""
        while length is None or len(self.received) < length:
            topic, value = self.queue.pull()
            self.received.append(value)
            print(topic, value, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the weather that producers publish.")
    parser.add_argument("--topic", choices=["weather", "temperature", "humidity", "pressure"],
                        default="weather", help="what to read; weather is everything")
    parser.add_argument("--length", type=int, default=10, help="values to read; 0 has no end")
    parser.add_argument("--queue_type", choices=["JSONQueue", "XMLQueue", "PickleQueue"],
                        default="JSONQueue", help="the serialization")
    parser.add_argument("--host", help="the broker [LB_BROKER, or 127.0.0.1]")
    parser.add_argument("--port", type=int, help="its port [LB_BROKER, or 5000]")
    arguments = parser.parse_args()
    topic = "/weather" if arguments.topic == "weather" else f"/weather/{arguments.topic}"
    queue_type: type[Queue] = getattr(lb_broker, arguments.queue_type)
    consumer = Consumer(topic, queue_type, host=arguments.host, port=arguments.port)
    consumer.queue.list_topics(lambda topics: print("topics:", *topics, flush=True))
    consumer.run(arguments.length or None)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except (OSError, lb_broker.BrokerError) as error:
        raise SystemExit(f"consumer.py: {error}")
