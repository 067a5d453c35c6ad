"""Tells people what a rehearsal came to."""

from collections.abc import Iterator
from typing import Final

from knownas.batch.rehearsing import PoolRehearsed, Rehearsed
from knownas.core.history.rehearsal import Cluster, Example, Kind

EXAMPLES_TOLD: Final = 3
"""Examples of each kind that are told; the report for programs has more."""

CLUSTERS_TOLD: Final = 5
"""The largest profiles that are told of each world."""

VALUE_CHARACTERS_TOLD: Final = 40
"""Characters of an identity that are told."""

_HEADINGS: Final = {
    Kind.JOINED: "would be one",
    Kind.PARTED: "would part",
    Kind.APPEARED: "would appear",
    Kind.VANISHED: "would vanish",
    Kind.MOVED: "would be known by another MPID",
}


def told(rehearsed: Rehearsed) -> Iterator[str]:
    """Yield the lines of a report."""
    if not rehearsed.pools:
        yield f"{rehearsed.rehearsal.scope}: nothing has been observed"
    for one in rehearsed.pools:
        yield from _pool(one)


def _pool(one: PoolRehearsed) -> Iterator[str]:
    found = one.found
    yield (
        f"{one.pool.scope} ({one.pool.environment or 'shared'}): {found.observations:,} observations in "
        f"{one.components:,} components; {found.answered_otherwise:,} would be answered with another profile"
    )
    if found.unreadable:
        yield f"  {found.unreadable:,} lines could not be read and are left out"
    yield (
        f"  profiles: {found.before:,} before, {found.after:,} after; {found.joined:,} would be joined into "
        f"{found.joined_into:,}, {found.parted:,} would part into {found.parted_into:,}"
    )
    yield (
        f"            {found.appeared:,} would appear, {found.vanished:,} would vanish, "
        f"{found.changed:,} would stay with other identities"
    )
    yield (
        f"  known users: {found.known_before:,} before, {found.known_after:,} after; "
        f"{found.moved:,} would be known by another MPID"
    )
    yield (
        f"  with user data: {found.with_user_data:,} of the profiles that are joined, part or vanish; "
        f"that of {found.user_data_moves:,} would move"
    )
    for name, clusters in (("before", found.largest_before), ("after", found.largest_after)):
        yield f"  largest profiles {name}:"
        yield from (f"    {_cluster(cluster)}" for cluster in clusters[:CLUSTERS_TOLD])
    for kind in Kind:
        for example in found.examples.get(kind, ())[:EXAMPLES_TOLD]:
            yield from _example(kind, example)


def _example(kind: Kind, example: Example) -> Iterator[str]:
    yield f"  {_HEADINGS[kind]}:"
    yield from (f"    - {_cluster(one)}" for one in example.before)
    yield from (f"    + {_cluster(one)}" for one in example.after)


def _cluster(cluster: Cluster) -> str:
    values = ", ".join(f"{one.type.value} {_short(one.value)}" for one in cluster.identities)
    more = f" and {cluster.size - len(cluster.identities)} more" if cluster.size > len(cluster.identities) else ""
    kind = "known" if cluster.known else "anonymous"
    return f"{cluster.mpid} ({kind}, {cluster.observations:,} observations): {values or 'nothing'}{more}"


def _short(value: str) -> str:
    return value if len(value) <= VALUE_CHARACTERS_TOLD else f"{value[:VALUE_CHARACTERS_TOLD]}..."
