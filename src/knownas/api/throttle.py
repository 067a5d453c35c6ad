"""Decides whether somebody asks too much: an input in all and for one identity, a client or workspace in all.

The headers that tell so are those of idsync §4.5 and platform §1.7. Each limit is a bucket of tokens that fills at the allowed rate and holds a burst's worth; a request takes one.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import Final, Generic, TypeVar

from knownas.api.exchange import Header, RequestRefused
from knownas.api.limits import HELD_BUCKETS_MAX
from knownas.config.values import Input, RateLimits
from knownas.core.identity.kinds import Identity
from knownas.service.bucket import Bucket
from knownas.service.security.directory import Door

Who = TypeVar("Who")


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The request is over a limit. `source` is the vendor's word for it; waiting so long will help."""

    source: str
    retry_after_seconds: int

    def refusal(self, sentence: str = "") -> RequestRefused:
        """Return the answer that tells so; idsync §4.5."""
        limit = (b"x-mp-rate-limit-exceeded", self.source.encode())
        wait = (b"retry-after", b"%d" % self.retry_after_seconds)
        return RequestRefused(429, "rate_limited", sentence, (limit, wait))


@dataclass(frozen=True, slots=True)
class Within:
    """The request is within its limits, of which the fullest is used to this percentage; None without limits."""

    percentage_used: int | None


class Throttle:
    """The buckets of all inputs and of the identities they ask about."""

    def __init__(self) -> None:
        self._inputs: dict[str, Bucket] = {}
        self._identities: OrderedDict[tuple[str, Identity], Bucket] = OrderedDict()

    def admit(self, source: Input, now: float, key: str | None = None) -> Within | Exceeded:
        """Count one request of an input. `key` is what it is counted under, where that is not the key it came with."""
        rate = source.limits.requests_per_second
        if rate is None:
            return _UNLIMITED
        held = source.key if key is None else key
        bucket = self._inputs.get(held)
        if bucket is None:
            bucket = self._inputs[held] = Bucket(rate, source.limits.burst_seconds, now)
        wait = bucket.take(now)
        if wait:
            return Exceeded("feed" if source.is_feed else "app", ceil(wait))
        return Within(bucket.percentage_used)

    def admit_identities(
        self, source: Input, identities: Sequence[Identity], now: float, key: str | None = None
    ) -> Exceeded | None:
        """Count one request for each identity: one that is asked for too often is a "hot key" to the vendor.

        The limit of an identity is not shown in the percentage header.
        """
        rate = source.limits.per_identity_per_second
        if rate is None:
            return None
        for identity in identities:
            held = (source.key if key is None else key, identity)
            bucket = self._identities.get(held)
            if bucket is None:
                bucket = self._identities[held] = Bucket(rate, source.limits.burst_seconds, now)
                if len(self._identities) > HELD_BUCKETS_MAX:
                    self._identities.popitem(last=False)
            else:
                self._identities.move_to_end(held)
            wait = bucket.take(now)
            if wait:
                return Exceeded("system", ceil(wait))
        return None


class Allowances(Generic[Who]):
    """The buckets of those who are limited in all, by what names each of them: as many as the configuration has.

    `source` is the vendor's word for whom a limit is of (platform §1.7), `sentence` what they are told.
    """

    def __init__(self, source: str, sentence: str) -> None:
        self._buckets: dict[Who, Bucket] = {}
        self._source = source
        self._sentence = sentence

    def admit(self, who: Who, limits: RateLimits, headers: list[Header]) -> None:
        """Count a request, and tell in its headers how much of the limit is used up.

        Raises:
            RequestRefused: it is over the limit.
        """
        rate = limits.requests_per_second
        if rate is None:
            return
        now = perf_counter()
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = Bucket(rate, limits.burst_seconds, now)
        wait = bucket.take(now)
        if wait:
            raise Exceeded(self._source, ceil(wait)).refusal(self._sentence)
        headers.append(used_up(bucket.percentage_used))


def client_allowances() -> Allowances[str]:
    """Return the buckets of OAuth clients, by their ids. Clients belong to the organization."""
    return Allowances("org", "The client asks too much; wait and try again.")


def admit(throttle: Throttle, door: Door, now: float, headers: list[Header], sentence: str = "") -> None:
    """Count a request against its input's limit, and tell in its headers how much of that is used up.

    Raises:
        RequestRefused: it is over the limit. Without a sentence, the answer has no body.
    """
    admitted = throttle.admit(door.input, now, door.lasting_key)
    if isinstance(admitted, Exceeded):
        raise admitted.refusal(sentence)
    if admitted.percentage_used is not None:
        headers.append(used_up(admitted.percentage_used))


def used_up(percentage: int) -> Header:
    """Return the header that tells how much of a limit is used up; idsync §4.5."""
    return (b"x-mp-rate-limit-percentage-used", b"%d" % percentage)


_UNLIMITED: Final = Within(None)
