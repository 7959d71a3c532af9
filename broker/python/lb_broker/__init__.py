"""Queues for the lb-broker message broker.

    from lb_broker import JSONQueue, MiddlewareType

    consumer = JSONQueue("/weather")
    producer = JSONQueue("/weather/temperature", MiddlewareType.PRODUCER)
    producer.push(21.5)
    topic, value = consumer.pull()      # ("/weather/temperature", 21.5)
"""

from .connection import BrokerClosed, BrokerError, MissedMessages
from .middleware import JSONQueue, MiddlewareType, PickleQueue, Queue, XMLQueue

__all__ = [
    "BrokerClosed",
    "BrokerError",
    "JSONQueue",
    "MiddlewareType",
    "MissedMessages",
    "PickleQueue",
    "Queue",
    "XMLQueue",
]
