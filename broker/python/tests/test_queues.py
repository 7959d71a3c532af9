"""Queues against a real broker."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import pytest
from conftest import PACKAGE, Broker

from lb_broker import BrokerClosed, BrokerError, JSONQueue, MiddlewareType, PickleQueue, Queue, XMLQueue

QUEUES: list[type[Queue]] = [JSONQueue, XMLQueue, PickleQueue]
PRODUCER = MiddlewareType.PRODUCER
PATIENCE = 30.0


def seen(value: Any, queue_type: type[Queue]) -> Any:
    """A number or a text, as this queue has it: XML carries text."""
    return str(value) if queue_type is XMLQueue else value


@pytest.mark.parametrize("consumers", QUEUES)
@pytest.mark.parametrize("producers", QUEUES)
def test_the_sequence(broker: Broker, producers: type[Queue], consumers: type[Queue]) -> None:
    topic = "/weather/temperature"
    producer = producers(topic, PRODUCER)
    producer.push(20, wait=True)
    consumer = consumers(topic)
    assert consumer.pull() == (topic, seen(20, consumers)), "the last value"
    topics: list[list[str]] = []
    consumer.list_topics(topics.append)
    assert topics == [[topic]]
    above = consumers("/weather")
    for value in (21, "x <&> \"'\r\n\t{[\u20ac", -(2**70)):
        producer.push(value)
        assert consumer.pull() == (topic, seen(value, consumers))
        assert above.pull() == (topic, seen(value, consumers))
    consumer.cancel()
    producer.push(22, wait=True)
    assert above.pull() == (topic, seen(22, consumers))
    # Whatever had been sent to it would have come before this reply.
    consumer.list_topics(topics.append)
    assert not consumer._messages, "nothing more comes after the cancellation"


@pytest.mark.parametrize("queue_type", QUEUES)
def test_the_topic_is_spelled_as_published(broker: Broker, queue_type: type[Queue]) -> None:
    consumer = queue_type("weather")
    queue_type("/weather/wind", PRODUCER).push("NW")
    queue_type("weather", PRODUCER).push("all")
    assert consumer.pull() == ("/weather/wind", "NW")
    assert consumer.pull() == ("weather", "all")


def test_values_of_pickles_keep_their_types(broker: Broker) -> None:
    consumer, producer = PickleQueue("/t"), PickleQueue("/t", PRODUCER)
    shared = [1]
    values: list[Any] = [
        None, True, 2**70, -(2**63), 1.5, "text", b"\x00\xff", (1, (2,), ()), [shared, shared],
        {"a": {1: None, (1, 2): b"x"}}, "\u20ac" * 300, list(range(2000)),
    ]
    for value in values:
        producer.push(value)
        assert consumer.pull() == ("/t", value)


def test_values_of_json_keep_their_types(broker: Broker) -> None:
    consumer, producer = JSONQueue("/t"), JSONQueue("/t", PRODUCER)
    values: list[Any] = [None, True, 2**70, 0.1, -1e300, "\u20ac\U0001f600\x00", {"a": [1, {}]}, []]
    for value in values:
        producer.push(value)
        assert consumer.pull() == ("/t", value)


def test_every_protocol_of_pickle_is_read(broker: Broker) -> None:
    value: dict[str, Any] = {"a": [1, 2.5, "x\u20ac", None, True, (1, 2)], "b": 2**70}
    consumer, producer = JSONQueue("/t"), PickleQueue("/t", PRODUCER)
    for protocol in range(6):
        dumps = pickle.dumps
        with patch("pickle.dumps", lambda message: dumps(message, protocol)):
            producer.push(value)
        assert consumer.pull() == ("/t", {"a": [1, 2.5, "x\u20ac", None, True, [1, 2]], "b": 2**70})


def test_encoders_are_looked_up_when_called(broker: Broker) -> None:
    for queue_type, used in [(JSONQueue, "json"), (PickleQueue, "pickle"), (XMLQueue, None)]:
        producer = queue_type("/t", PRODUCER)
        with patch("json.dumps", MagicMock(side_effect=json.dumps)) as json_dumps, patch(
            "pickle.dumps", MagicMock(side_effect=pickle.dumps)
        ) as pickle_dumps:
            for value in range(10):
                producer.push(value)
        assert json_dumps.call_count == (10 if used == "json" else 0)
        assert pickle_dumps.call_count == (10 if used == "pickle" else 0)


@pytest.mark.parametrize("length", range(0, 140))
def test_a_message_is_one_send_with_balanced_brackets(broker: Broker, length: int) -> None:
    # All lengths, as the prefix could be a bracket by chance.
    for queue_type, opening, closing in [(JSONQueue, b"{", b"}"), (XMLQueue, b"<", b">")]:
        producer = queue_type("/topic", PRODUCER)
        with patch("socket.socket.send", MagicMock()) as send:
            producer.push("x" * length)
        assert send.call_count == 1
        sent = send.call_args[0][0]
        assert sent.count(opening) == sent.count(closing) > 0
        assert b"/topic" in sent


@pytest.mark.parametrize("value", ["}", {"a{": ['\\"{', "\\\\"]}, '\\{"}"}}'])
def test_braces_inside_of_values_are_balanced_too(broker: Broker, value: Any) -> None:
    consumer = JSONQueue("/topic")
    producer = JSONQueue("/topic", PRODUCER)
    with patch("socket.socket.send", MagicMock()) as send:
        producer.push(value)
    sent = send.call_args[0][0]
    assert sent.count(b"{") == sent.count(b"}") > 0
    assert json.loads(sent)["value"] == value
    JSONQueue("/topic", PRODUCER).push(value)
    assert consumer.pull() == ("/topic", value)



def test_a_refused_value_is_told_and_the_queue_goes_on(broker: Broker) -> None:
    producer, consumer = PickleQueue("/t", PRODUCER), JSONQueue("/t")
    with pytest.raises(BrokerError) as caught:
        producer.push({1, 2}, wait=True)
    assert caught.value.code == "unsupported"
    producer.push(1, wait=True)
    assert consumer.pull() == ("/t", 1)
    # Without waiting, this call or a later one tells.
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(BrokerError):
        producer.push(1j)
        while time.monotonic() < deadline:
            producer.push(2)


def test_a_refused_topic_is_told_by_the_constructor(broker: Broker) -> None:
    with pytest.raises(BrokerError) as caught:
        JSONQueue("/a//b")
    assert caught.value.code == "topic"


def test_topics_can_be_listed_while_another_thread_pulls(broker: Broker) -> None:
    consumer, producer = JSONQueue("/t"), XMLQueue("/t", PRODUCER)
    pulled: list[Any] = []
    thread = threading.Thread(target=lambda: pulled.extend(consumer.pull() for _ in range(3)))
    thread.start()
    for value in ("a", "b", "c"):
        topics: list[list[str]] = []
        consumer.list_topics(topics.append)
        assert len(topics) == 1
        producer.push(value)
    thread.join(PATIENCE)
    assert pulled == [("/t", "a"), ("/t", "b"), ("/t", "c")]


def test_clear_get_and_subscribers(broker: Broker) -> None:
    producer, consumer = JSONQueue("/t", PRODUCER), PickleQueue("/t", name="reader")
    producer.push([1], wait=True)
    assert consumer.pull() == ("/t", [1])
    assert producer.get() == [1]
    assert producer.list_subscribers() == [{"client": "reader", "format": "pickle", "topic": "/t"}]
    producer.clear()
    assert consumer.pull() == ("/t", None)
    with pytest.raises(BrokerError) as caught:
        producer.get()
    assert caught.value.code == "no-value"


def test_a_busy_consumer_stays_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Broker("--ping-interval", "1")
    monkeypatch.setenv("LB_BROKER", running.address)
    consumers = [queue_type("/t") for queue_type in QUEUES]
    # It is disconnected after two intervals of silence.
    time.sleep(2.5)
    JSONQueue("/t", PRODUCER).push("later", wait=True)
    assert [consumer.pull() for consumer in consumers] == [("/t", "later")] * 3
    running.stop()
    with pytest.raises((BrokerClosed, BrokerError)):
        consumers[0].pull()


def test_no_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LB_BROKER", "127.0.0.1:1")
    with pytest.raises(ConnectionRefusedError, match="127.0.0.1:1: "):
        JSONQueue("/t")
    monkeypatch.setenv("LB_BROKER", "nonsense")
    with pytest.raises(ValueError):
        JSONQueue("/t")


def test_one_connection_too_many_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Broker("--max-connections", "1")
    monkeypatch.setenv("LB_BROKER", running.address)
    first = PickleQueue("/t")
    with pytest.raises((BrokerError, BrokerClosed, ConnectionError)):
        PickleQueue("/t")
    first.close()
    running.stop()


def test_tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rules = tmp_path / "tokens.toml"
    rules.write_text('[[token]]\nsecret = "s"\npublish = ["/a"]\nsubscribe = ["/a"]\n')
    running = Broker("--tokens", str(rules))
    monkeypatch.setenv("LB_BROKER", running.address)
    with pytest.raises(BrokerError) as caught:
        XMLQueue("/a")
    assert caught.value.code == "unauthorized"
    JSONQueue("/a", PRODUCER, token="s").push(1, wait=True)
    assert XMLQueue("/a", token="s").pull() == ("/a", "1")
    with pytest.raises(BrokerError) as caught:
        JSONQueue("/b", token="s")
    assert caught.value.code == "forbidden"
    running.stop()


@pytest.mark.parametrize("queue_type", ["JSONQueue", "XMLQueue", "PickleQueue"])
def test_the_examples(broker: Broker, queue_type: str) -> None:
    def start(script: str, topic: str, length: int) -> "subprocess.Popen[str]":
        arguments = [f"--topic={topic}", f"--length={length}", f"--queue_type={queue_type}"]
        return subprocess.Popen(
            [sys.executable, str(PACKAGE / script), *arguments], stdout=subprocess.PIPE, text=True
        )

    consumer = start("consumer.py", "weather", 4)
    assert consumer.stdout is not None
    assert consumer.stdout.readline() == "topics:\n"
    for topic in ("temperature", "humidity"):
        producer = start("producer.py", topic, 2)
        assert producer.wait(PATIENCE) == 0
        if producer.stdout:
            producer.stdout.close()
    text, _ = consumer.communicate(timeout=PATIENCE)
    topics = [line.split()[0] for line in text.splitlines()]
    assert topics == ["/weather/temperature"] * 2 + ["/weather/humidity"] * 2
