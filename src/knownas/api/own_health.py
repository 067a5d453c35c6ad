"""Serves the part of our own API that tells whether identity resolution is healthy in a scope, and since when not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from starlette.requests import Request

from knownas.api.own_operation import Operation, Refusal, path_rules, query_environment, rfc3339_ms
from knownas.core.health.intervals import Span
from knownas.core.health.tally import Came, RefusedFor
from knownas.core.health.traffic import Traffic
from knownas.core.identity.document import Document
from knownas.service.health.standing import GONE, InputName, Period, Standing
from knownas.service.identity.receipts import rfc3339
from knownas.service.server import Service
from knownas.service.toxic.list import ToxicState
from knownas.store.census import CROWD_SIZES

SHOWN_UNLESS_ASKED: Final[Mapping[Span, int]] = {Span.HOUR: 24, Span.DAY: 30}
"""Hours or days that are shown where nobody says from when on."""


async def show_health(service: Service, request: Request) -> tuple[int, Document]:
    """Return what came of the requests of a scope by hour or by day, and how its profiles stand now.

    Decisions, which type of identity decided them, new profiles and refusals are those of requests to all servers over the database; imports
    are not among them. Hours are kept for eight days, days for 400. What there is now is counted every few minutes: `as_of` says when.
    """
    rules, environment = path_rules(service, request), query_environment(request)
    span = _span(request)
    now_ms = service.clock()
    to_ms = _time(request, "to", now_ms + 1)
    from_ms = _time(request, "from", min(to_ms, now_ms) - (SHOWN_UNLESS_ASKED[span] - 1) * span.length_ms)
    period = await service.health.period(rules.scope, environment.value, span, from_ms, to_ms)
    standing = await service.standing(rules.scope, environment)
    names = service.health.input_names()
    return 200, {
        "scope": rules.scope,
        "environment": environment.value,
        "by": span.value,
        "intervals": [
            {"at": rfc3339(one.begin_ms), "traffic": None if one.traffic is None else _traffic(one.traffic, names)}
            for one in period.intervals
        ],
        "whole": _traffic(period.whole, names),
        "refused_before_scope": _unplaced(period),
        **_standing(standing),
    }


def _span(request: Request) -> Span:
    given = request.query_params.get("by", Span.HOUR.value)
    if given not in set(Span):
        raise Refusal(400, "invalid_by", "by is hour or day.")
    return Span(given)


def _time(request: Request, name: str, otherwise: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return otherwise
    # A plus sign that was not escaped in the query stands for a blank there.
    at_ms = rfc3339_ms(given.replace(" ", "+"))
    if at_ms is None:
        example = "2026-05-03T12:00:00Z"
        raise Refusal(400, "invalid_time", f"{name} is a time of RFC 3339 with an offset, such as {example}.")
    return at_ms


def _traffic(traffic: Traffic, names: Mapping[str, InputName]) -> Document:
    made = _by_input(traffic.made.items(), names)
    refusals: Counter[tuple[InputName, RefusedFor]] = Counter()
    for (key, why), count in traffic.refusals.items():
        refusals[names.get(key, GONE), why] += count
    return {
        "requests": traffic.requests,
        "decisions": {one.value: traffic.came.get(one, 0) for one in Came},
        "known_share": traffic.known_share,
        "matches": {kind.value: count for kind, count in sorted(traffic.matches.items())},
        "ties": traffic.ties,
        "new_profiles": [{**_named(name), "count": count} for name, count in made],
        "refusals": [
            {**_named(name), "surface": why.surface, "reason": why.reason, "count": count}
            for (name, why), count in sorted(refusals.items(), key=lambda one: (-one[1], repr(one[0])))
        ],
    }


def _by_input(counts: Iterable[tuple[str, int]], names: Mapping[str, InputName]) -> Iterable[tuple[InputName, int]]:
    """Return counts by the names of inputs, the largest first."""
    found: Counter[InputName] = Counter()
    for key, count in counts:
        found[names.get(key, GONE)] += count
    return sorted(found.items(), key=lambda one: (-one[1], repr(one[0])))


def _named(name: InputName) -> Document:
    return {"workspace": None if name.workspace is None else str(name.workspace), "input": name.name}


def _unplaced(period: Period) -> list[Document]:
    return [
        {"surface": why.surface, "reason": why.reason, "count": count}
        for why, count in sorted(period.unplaced.items(), key=lambda one: (-one[1], one[0]))
    ]


def _standing(standing: Standing) -> Document:
    counted, crowds, checked, failed = standing.counted, standing.counted_crowds, standing.checked, standing.failed
    return {
        "profiles": counted
        and {
            "as_of": rfc3339(counted.at_ms),
            "estimated": counted.parts > 1,
            **standing.profiles._asdict(),
        },
        "devices": crowds
        and {
            "as_of": rfc3339(crowds.at_ms),
            "count": standing.crowds.held,
            "anonymous_profiles": [
                {"at_least": least, "devices": count}
                for least, count in zip(CROWD_SIZES, standing.crowds.at_least, strict=False)
            ],
            "largest": [
                {"type": one.type.value, "anonymous_profiles": one.anonymous, "mpid": str(one.mpid)}
                for one in standing.largest
            ],
        },
        "toxic": {state.value: standing.toxic.get(state, 0) for state in ToxicState},
        "self_check": checked and {"at": rfc3339(round(checked.at_seconds * 1_000)), "differing": checked.differing},
        "self_check_failed": failed and {"asked_at": rfc3339(failed.asked_ms), "why": failed.why},
        "jobs_under_way": [
            {"id": one.id, "kind": one.kind.value, "state": one.state.value, "asked_at": rfc3339(one.asked_ms)}
            for one in standing.under_way
        ],
        "history_since": None if standing.log_since_ms is None else rfc3339(standing.log_since_ms),
    }


HEALTH_OPERATIONS: Final = (Operation("GET", "/api/scopes/{scope}/health", "showIdentityHealth", show_health),)
