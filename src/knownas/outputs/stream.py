"""Sends messages to topics of Apache Kafka, or whatever speaks its protocol, each under its profile's MPID as the key.

Records of one key are in one partition, in the order in which they were taken. The producer is idempotent and waits for all replicas in sync,
so a record is there once for each try of its message; the header `message-id` tells those apart that come from another try.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

from knownas.core.delivery.message import ErasureMessage, EventsMessage, MembershipMessage, Message, Settings
from knownas.core.delivery.outcome import NotAtAll, Outcome
from knownas.outputs.limits import (
    STREAM_CHECK_SECONDS,
    STREAM_MESSAGES_MAX,
    STREAM_RECORD_BYTES_MAX,
    STREAM_SECONDS,
    TOPIC_CHARACTERS_MAX,
)
from knownas.service.delivery.destination import Batching, Destination, Sender, Setting, SettingKind, Surroundings

MISSING: Final = "knownas is installed without a client of Kafka: pip install 'knownas[kafka]'"
TOPICS: Final[Mapping[type[Message], tuple[str, str]]] = {
    MembershipMessage: ("audience_topic", "knownas.audiences"),
    EventsMessage: ("event_topic", "knownas.events"),
    ErasureMessage: ("erasure_topic", "knownas.erasures"),
}
"""The setting that names the topic of each kind, and what it is if nobody says otherwise."""


class _Missing:
    """A sender of an installation that has no client of Kafka."""

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Say what is missing."""
        del messages
        return NotAtAll(MISSING)

    async def check(self) -> Outcome:
        """Say what is missing."""
        return NotAtAll(MISSING)

    async def close(self) -> None:
        """Do nothing."""


def is_installed() -> bool:
    """Whether there is a client of Kafka."""
    return find_spec("confluent_kafka") is not None


def open_stream(settings: Settings, surroundings: Surroundings) -> Sender:
    """Return who sends to a cluster."""
    del surroundings
    if not is_installed():
        return _Missing()
    # An extra, which need not be there.
    from knownas.outputs.kafka import KafkaSender  # noqa: PLC0415

    return KafkaSender(configuration(settings), {kind: topic_of(settings, kind) for kind in TOPICS})


def topic_of(settings: Settings, kind: type[Message]) -> str:
    """Return the topic of a kind of messages."""
    name, usual = TOPICS[kind]
    return str(settings.get(name) or usual)


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the configuration of the producer."""
    made: dict[str, Any] = {
        "bootstrap.servers": str(settings["bootstrap_servers"]),
        "client.id": "knownas",
        "security.protocol": str(settings.get("security") or "ssl"),
        "enable.idempotence": True,
        "acks": "all",
        # As Java's clients choose it, so that records of both are in the same partition.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "message.max.bytes": STREAM_RECORD_BYTES_MAX,
        "message.timeout.ms": int(STREAM_SECONDS * 1000),
        "topic.metadata.propagation.max.ms": int(STREAM_CHECK_SECONDS * 1000),
    }
    given = {
        "sasl.mechanism": "sasl_mechanism",
        "sasl.username": "username",
        "sasl.password": "password",
        "ssl.ca.pem": "ca_certificate",
        "ssl.certificate.pem": "client_certificate",
        "ssl.key.pem": "client_key",
    }
    return {**made, **{name: str(settings[setting]) for name, setting in given.items() if settings.get(setting)}}


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    if not is_installed():
        yield "bootstrap_servers", MISSING
    if not str(settings.get("bootstrap_servers") or "").strip():
        yield "bootstrap_servers", "name at least one broker, as host:port"
    for kind, (name, _) in TOPICS.items():
        topic = topic_of(settings, kind)
        if len(topic) > TOPIC_CHARACTERS_MAX or topic in {".", ".."} or not set(topic) <= _TOPIC_CHARACTERS:
            yield (
                name,
                f"it must have at most {TOPIC_CHARACTERS_MAX} letters, digits, full stops, hyphens and underscores",
            )
    is_sasl = str(settings.get("security") or "ssl").startswith("sasl")
    for name in ("sasl_mechanism", "username", "password"):
        if is_sasl and not settings.get(name):
            yield name, "it is needed to log in with SASL"
    if bool(settings.get("client_certificate")) is not bool(settings.get("client_key")):
        yield "client_key", "a certificate of ours and its key go together"


_TOPIC_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")

DESTINATION: Final = Destination(
    name="stream",
    title="Stream (Kafka)",
    takes=frozenset({MembershipMessage, EventsMessage, ErasureMessage}),
    settings=(
        Setting(
            "bootstrap_servers",
            SettingKind.TEXT,
            "Brokers to begin with, as host:port with commas between.",
            required=True,
        ),
        Setting(
            "audience_topic", SettingKind.TEXT, "The topic of changes of memberships.", default="knownas.audiences"
        ),
        Setting("event_topic", SettingKind.TEXT, "The topic of events.", default="knownas.events"),
        Setting("erasure_topic", SettingKind.TEXT, "The topic of erasures.", default="knownas.erasures"),
        Setting(
            "security",
            SettingKind.TEXT,
            "How brokers are spoken to; without TLS anybody on the way can read what is sent.",
            default="ssl",
            choices=("ssl", "sasl_ssl", "plaintext", "sasl_plaintext"),
        ),
        Setting(
            "sasl_mechanism",
            SettingKind.TEXT,
            "How the name and the password are shown to brokers.",
            choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        ),
        Setting("username", SettingKind.TEXT, "The name to log in with."),
        Setting("password", SettingKind.TEXT, "The password to log in with.", confidential=True),
        Setting(
            "ca_certificate",
            SettingKind.TEXT,
            "Whose certificates are trusted, as PEM; without it those of the machine.",
        ),
        Setting("client_certificate", SettingKind.TEXT, "The certificate to show to brokers, as PEM."),
        Setting("client_key", SettingKind.TEXT, "The key of that certificate, as PEM.", confidential=True),
    ),
    open=open_stream,
    batching=Batching(messages_max=STREAM_MESSAGES_MAX),
    faults=lambda settings: tuple(_faults(settings)),
)
