"""Promises about streams, held against brokers that speak Kafka's protocol: librdkafka's own, on loopback, read by another client."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.core.translation.target import MPID
from knownas.outputs import kafka, stream
from knownas.outputs.kafka import UNNAMED, classified
from knownas.outputs.limits import STREAM_RECORD_BYTES_MAX
from knownas.outputs.stream import DESTINATION, MISSING, configuration
from tests.outputs.messages import EMAIL, erasure, events, membership, outgoing, surroundings
from tests.outputs.receiving import HANGING, receiving

QUIET = logging.getLogger("librdkafka")
READ_WITHIN_SECONDS = 30
AUDIENCES, EVENTS, ERASURES = "knownas.audiences", "knownas.events", "knownas.erasures"


@dataclass
class Cluster:
    """Brokers on loopback, which live as long as the producer that has them."""

    servers: str
    owners: list[Producer] = field(default_factory=list[Producer])

    def read(self, topic: str, count: int) -> list[Any]:
        """Return the records of a topic, when there are so many."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "tests"}, logger=QUIET)
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in partitions])
        found: list[Any] = []
        until = time.monotonic() + READ_WITHIN_SECONDS
        while len(found) < count and time.monotonic() < until:
            record = consumer.poll(0.1)
            if record is not None and record.error() is None:
                found.append(record)
        consumer.close()
        assert len(found) == count
        return found


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    owners = [Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "nowhere"}, logger=QUIET)]
    brokers = owners[0].list_topics(timeout=10).brokers.values()
    made = Cluster(",".join(f"{one.host}:{one.port}" for one in brokers), owners)
    yield made
    made.owners.clear()


async def _sent(servers: str, *batches: Sequence[Message], **settings: str) -> list[Outcome]:
    given = {"bootstrap_servers": servers, "security": "plaintext", **settings}
    assert list(DESTINATION.faults(given)) == []
    sender = DESTINATION.open(given, surroundings())
    outcomes = [await sender.send(batch) for batch in batches]
    await sender.close()
    return outcomes


async def test_records_arrive_with_key_and_headers(cluster: Cluster) -> None:
    """Each kind of message is in its topic, under its profile's MPID, with the id of its message."""
    outcomes = await _sent(cluster.servers, [membership()], [events()], [erasure()], erasure_topic="gdpr")
    assert outcomes == [Taken()] * 3
    for topic, message_id in ((AUDIENCES, "m-1"), (EVENTS, "e-1"), ("gdpr", "d-1")):
        [record] = cluster.read(topic, 1)
        assert record.key() == b"-4611686018427387904"
        assert dict(record.headers()) == {
            "message-id": message_id.encode(),
            "workspace-id": b"100",
            "environment": b"production",
        }
        assert json.loads(record.value())


async def test_records_of_a_profile_are_in_their_order(cluster: Cluster) -> None:
    """What is told of a profile one after the other is in one partition, in that order; each record once."""
    batches = [[membership(id=f"m-{step}-{mpid}", mpid=mpid) for mpid in range(1, 31)] for step in range(4)]
    assert await _sent(cluster.servers, *batches) == [Taken()] * 4
    records = cluster.read(AUDIENCES, 120)
    for mpid in range(1, 31):
        own = [record for record in records if record.key() == str(mpid).encode()]
        assert len({record.partition() for record in own}) == 1
        told = [dict(record.headers())["message-id"].decode() for record in sorted(own, key=lambda one: one.offset())]
        assert told == [f"m-{step}-{mpid}" for step in range(4)]
    assert len({record.partition() for record in records}) > 1


async def test_message_that_no_broker_takes_is_refused_alone(cluster: Cluster) -> None:
    """What is too large, or has nothing to tell there, is refused; the others of its batch arrive."""
    large = events(id="large", batch={"user_attributes": {"novel": "x" * STREAM_RECORD_BYTES_MAX}}, mpid=2)
    [outcome] = await _sent(cluster.servers, [events(id="a"), large, events(id="b", mpid=3)])
    assert outcome == Taken(refused={"large": "answered MSG_SIZE_TOO_LARGE"})
    assert {dict(one.headers())["message-id"] for one in cluster.read(EVENTS, 2)} == {b"a", b"b"}
    assert await _sent(cluster.servers, [membership(outgoing(MPID, "1"))]) == [NotThis(UNNAMED)]


async def test_cluster_that_is_gone_is_tried_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts as taken that no broker has confirmed; and it is not sent later behind our back."""
    monkeypatch.setattr(kafka, "STREAM_SECONDS", 10.0)
    sender = DESTINATION.open({"bootstrap_servers": cluster.servers, "security": "plaintext"}, surroundings())
    assert await sender.send([membership()]) == Taken()
    cluster.owners.clear()
    # Only now: while the cluster is there, a busy machine may take its time.
    monkeypatch.setattr(stream, "STREAM_SECONDS", 1.0)
    outcome = await sender.send([membership(id="m-2"), membership(id="m-3", mpid=5)])
    await sender.close()
    assert isinstance(outcome, NotNow)
    assert outcome.trouble in {Trouble.NOT_REACHED, Trouble.TIMEOUT}


async def test_broker_that_says_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes the connection and is silent is given up for now when the time is over."""
    monkeypatch.setattr(kafka, "STREAM_SECONDS", 1.0)
    monkeypatch.setattr(kafka, "STREAM_CHECK_SECONDS", 1.0)
    async with receiving(otherwise=HANGING) as server:
        servers = server.url.removeprefix("http://")
        [outcome] = await _sent(servers, [membership()])
        sender = DESTINATION.open({"bootstrap_servers": servers, "security": "plaintext"}, surroundings())
        checked = await sender.check()
        await sender.close()
    assert isinstance(outcome, NotNow)
    assert isinstance(checked, NotNow)


async def test_what_was_given_up_is_not_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as not taken has left the client's queue: it can't come after what is sent again."""
    monkeypatch.setattr(kafka, "STREAM_SECONDS", 0.5)
    async with receiving(otherwise=HANGING) as server:
        settings = {"bootstrap_servers": server.url.removeprefix("http://"), "security": "plaintext"}
        sender = kafka.KafkaSender(configuration(settings), {type(membership()): AUDIENCES})
        producer = sender._opened()
        assert isinstance(producer, Producer)
        outcome = await sender.send([membership()])
        assert isinstance(outcome, NotNow)
        assert len(producer) == 0
        await sender.close()


async def test_check_finds_missing_topics(cluster: Cluster) -> None:
    """The check says which topics are not there, and is content when they are; it writes nothing."""
    settings = {"bootstrap_servers": cluster.servers, "security": "plaintext"}
    sender = DESTINATION.open(settings, surroundings())
    missing = f"there is no topic {AUDIENCES} or {ERASURES} or {EVENTS}, or it may not be seen"
    assert await sender.check() == NotAtAll(missing)
    for message in (membership(), events(), erasure()):
        await sender.send([message])
    assert await sender.check() == Taken()
    await sender.close()


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({"security": "ssl", "ca_certificate": "nonsense"}, NotAtAll("its settings can't be used (_INVALID_ARG)")),
        (
            {"security": "sasl_plaintext", "sasl_mechanism": "PLAIN", "username": "u", "password": "p"},
            NotAtAll("answered _AUTHENTICATION"),
        ),
        ({"security": "ssl"}, NotNow(Trouble.NOT_REACHED, "was not reached (_TRANSPORT)")),
    ],
    ids=["certificate", "password", "tls"],
)
async def test_way_in_that_fails_has_its_outcome(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str], outcome: Outcome
) -> None:
    """Settings that no broker takes stop the output; brokers that don't answer as they should are tried again."""
    monkeypatch.setattr(kafka, "STREAM_SECONDS", 3.0)
    monkeypatch.setattr(stream, "STREAM_SECONDS", 2.0)
    monkeypatch.setattr(kafka, "STREAM_CHECK_SECONDS", 2.0)
    assert await _sent(cluster.servers, [membership()], **settings) == [outcome]
    sender = DESTINATION.open({"bootstrap_servers": cluster.servers, **settings}, surroundings())
    assert await sender.check() == outcome
    await sender.close()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, NotThis("answered MSG_SIZE_TOO_LARGE")),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotAtAll("answered TOPIC_AUTHORIZATION_FAILED")),
        (KafkaError.SASL_AUTHENTICATION_FAILED, NotAtAll("answered SASL_AUTHENTICATION_FAILED")),
        (KafkaError._AUTHENTICATION, NotAtAll("answered _AUTHENTICATION")),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, NotAtAll("answered UNKNOWN_TOPIC_OR_PART")),
        (KafkaError._MSG_TIMED_OUT, NotNow(Trouble.TIMEOUT, "did not confirm in time (_MSG_TIMED_OUT)")),
        (KafkaError._TRANSPORT, NotNow(Trouble.NOT_REACHED, "was not reached (_TRANSPORT)")),
        (KafkaError.NOT_ENOUGH_REPLICAS, NotNow(Trouble.FAILED, "answered NOT_ENOUGH_REPLICAS")),
    ],
)
def test_each_error_has_its_outcome(code: int, outcome: Outcome) -> None:
    """Errors because of a record refuse it, those that last stop the output, all others are tried again."""
    assert classified(KafkaError(code)) == outcome


def test_nothing_counts_before_all_replicas_have_it() -> None:
    """The producer waits for every replica in sync, and its own retries make no record twice."""
    made = configuration({"bootstrap_servers": "a:9092"})
    assert (made["acks"], made["enable.idempotence"], made["security.protocol"]) == ("all", True, "ssl")


async def test_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client of Kafka, whoever sets a stream up is told what to install, and nothing is lost."""
    monkeypatch.setattr(stream, "find_spec", lambda _: None)
    assert ("bootstrap_servers", MISSING) in DESTINATION.faults({"bootstrap_servers": "a:9092"})
    sender = DESTINATION.open({"bootstrap_servers": "a:9092"}, surroundings())
    assert await sender.send([membership(EMAIL)]) == await sender.check() == NotAtAll(MISSING)
    assert find_spec("confluent_kafka") is not None
    await sender.close()


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"bootstrap_servers": "a:9092"}, []),
        ({}, ["bootstrap_servers"]),
        ({"bootstrap_servers": "a:9092", "event_topic": "no spaces"}, ["event_topic"]),
        ({"bootstrap_servers": "a:9092", "event_topic": ".."}, ["event_topic"]),
        ({"bootstrap_servers": "a:9092", "security": "sasl_ssl"}, ["sasl_mechanism", "username", "password"]),
        ({"bootstrap_servers": "a:9092", "client_certificate": "x"}, ["client_key"]),
    ],
    ids=str,
)
def test_settings_are_checked(settings: Mapping[str, str], names: list[str]) -> None:
    """What is wrong with settings is said of each by its name."""
    assert [name for name, _ in DESTINATION.faults(settings)] == names


def test_settings_are_handed_to_the_client() -> None:
    """How brokers are spoken to, and who we are, reaches the client under its own names."""
    given = {
        "bootstrap_servers": "a:9092",
        "security": "sasl_ssl",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": "u",
        "password": "p",
        "ca_certificate": "-----BEGIN",
    }
    made = configuration(given)
    assert {name: made[name] for name in made if name.startswith(("sasl", "ssl", "security"))} == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.pem": "-----BEGIN",
    }
    hidden = {setting.name for setting in DESTINATION.settings if setting.confidential}
    assert hidden == {"password", "client_key"}
