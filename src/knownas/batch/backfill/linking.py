"""Links the observations of a history into components, on whichever engine holds them.

Two observations can influence each other only if they share an identity that is looked for under the policy, directly or
through others. Components are found by Splink's clustering, in rounds: each takes the smallest of its neighbours. In
a chain whose numbers rise along it, as those of a person's observations do who changes one identity at a time, that would
take as many rounds as the chain is long. The nodes are therefore hashes, among which about every third is
smaller than its neighbours, so that the rounds are as the logarithm of the chain.

Components that are too large are cut (`cutting`) and their rest is linked anew, until none is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from knownas.batch.backfill.cutting import Met, values_to_cut
from knownas.batch.backfill.kinds import TYPES
from knownas.batch.backfill.limits import (
    COMPONENTS_SHOWN_MAX,
    CUT_CANDIDATES_MAX,
    CUT_ROUNDS_MAX,
    QUARANTINED_COUNTED_MAX,
)
from knownas.batch.backfill.screening import Quarantined, counted_aside
from knownas.batch.backfill.statements import filled
from knownas.core.identity.kinds import KIND_OF, TYPE_OF_CODE, IdentityType
from knownas.core.identity.policy import EnvironmentPools, Policy

EDGES: Final = ("node_l", "node_r")
_CODES: Final = {kind: KIND_OF[kind].code for kind in TYPES}


class Frames(Protocol):
    """The tables of an engine, by their names."""

    hash_function: str
    """The engine's hash of 64 bits over any number of arguments."""

    def make(self, name: str, query: str) -> None:
        """Make a table of what a query returns, or make it anew."""
        ...

    def view(self, name: str, query: str) -> None:
        """Give a query a name."""
        ...

    def put(self, name: str, rows: Sequence[tuple[int, int, str]]) -> None:
        """Make a table of pools, types and values."""
        ...

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        """Return the few rows of a query."""
        ...

    def cluster(self, nodes: str, edges: str, clusters: str) -> None:
        """Make a table of each node and its `cluster_id`."""
        ...


@dataclass(frozen=True, slots=True)
class Linked:
    """What linking came to: the values that were set aside, and the rows of the largest components.

    `largest` are the number of rows of each and the first of them. `quarantined` was set aside when rows were read.
    """

    cut: Sequence[Met]
    largest: Sequence[tuple[int, int]]
    quarantined: Sequence[Quarantined] = ()


class Linker:
    """Links the table `observed`, whose columns are those of observations with `pool` and `node`, and the table `ranked`.

    `types` are the identity types that it has columns of. In the end, `linked_left` are its rows by component and number, and
    `only_set_aside` those that were left with no identity.
    """

    def __init__(self, frames: Frames, policy: Policy, types: Sequence[IdentityType], largest: int) -> None:
        """`largest` is how many different observations a component may have."""
        self._frames = frames
        self._policy = policy
        self._types = types
        self._linking = [kind for kind in types if kind in policy.ranked or kind in policy.unique_ids]
        self._largest = largest

    def link(self, watch: Callable[[str], None] = lambda _: None) -> Linked:
        """Find components, and cut those that are too large."""
        frames = self._frames
        cut: list[Met] = []
        settled: list[str] = []
        self._make_union("mentioned", "mentioned")
        for number in range(CUT_ROUNDS_MAX):
            watch("finding components")
            for name in ("hubs", "edges", "nodes"):
                self._make(name, name)
            frames.cluster("nodes", "edges", "linked")
            self._make("large", "large", limit=str(self._largest))
            is_last = not frames.ask(self._sql("any_large"))
            settled.append(f"settled_{number}")
            if is_last:
                self._make(settled[-1], "all_settled")
                break
            self._make(settled[-1], "settled")
            watch("cutting components that are too large")
            cut += self._cut()
            frames.put("cut", [(one.pool, _CODES[one.type], one.value) for one in cut])
            self._make("aside", "aside")
            self._make_union("mentioned", "mentioned_of_large")
        frames.make("components", " UNION ALL ".join(self._sql("of_settled", settled=name) for name in settled))
        self._make_rows(is_cut=bool(cut))
        largest = frames.ask(self._sql("largest", limit=str(COMPONENTS_SHOWN_MAX)))
        aside = frames.ask(self._sql("quarantined", limit=str(QUARANTINED_COUNTED_MAX)))
        return Linked(cut, [(_number(rows), _number(first)) for rows, first in largest], counted_aside(aside))

    def _cut(self) -> Sequence[Met]:
        self._make("large_nodes", "large_nodes")
        self._make_union("met", "met")
        found = self._frames.ask(self._sql("most_met", limit=str(CUT_CANDIDATES_MAX)))
        met = [
            Met(_number(component), _number(pool), TYPE_OF_CODE[_number(code)], str(value), _number(meetings))
            for component, pool, code, value, meetings in found
        ]
        return values_to_cut(met, self._policy)

    def _make_rows(self, *, is_cut: bool) -> None:
        """Make the tables of what is left of the observations, each with its component."""
        names = [kind.value for kind in self._types]
        types, asides = ", ".join(f"o.{name}" for name in names), ""
        if is_cut:
            types = ", ".join(self._sql_of(kind, "type_left") for kind in self._types)
            asides = "\n".join(self._sql_of(kind, "aside_of_type") for kind in self._types)
        none = " AND ".join(f"{name} IS NULL" for name in names)
        nobody = " AND ".join(f"o.{name} IS NULL" for name in names)
        self._make("linked_rows", "linked_rows", types=types, asides=asides, nobody=nobody)
        for name in ("only_set_aside", "linked_left"):
            self._frames.view(name, self._sql(name, none=none))

    def _make(self, name: str, statement: str, **marked: str) -> None:
        self._frames.make(name, self._sql(statement, **marked))

    def _make_union(self, name: str, statement: str) -> None:
        of_types = [self._sql_of(kind, statement) for kind in self._linking]
        self._frames.make(name, "\nUNION ALL\n".join(of_types) or self._sql("mentioned_by_nothing"))

    def _sql(self, statement: str, **marked: str) -> str:
        return filled(statement, {"hash": self._frames.hash_function, **marked})

    def _sql_of(self, kind: IdentityType, statement: str) -> str:
        return self._sql(statement, type=kind.value, code=f"CAST({_CODES[kind]} AS BIGINT)")


def observed_columns(types: Sequence[IdentityType], policy: Policy, hash_function: str) -> str:
    """Return what the table `observed` has beside an observation's own columns: its pool, and its node."""
    is_shared = policy.settings.environment_pools is EnvironmentPools.SHARED
    pool = f"CAST({'0' if is_shared else 'environment'} AS BIGINT)"
    values = "".join(f", coalesce({kind.value}, '')" for kind in types)
    return f"{pool} AS pool, {hash_function}({pool}{values}) AS node"


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a number is wanted")
    return value
