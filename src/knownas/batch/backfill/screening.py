"""Sets aside what of a history's rows is quarantined, as a server does with each request, before rows are linked.

What is toxic is decided by the same screen that requests go through (`service.identity.screening`): by looks, by the policy, and by
the list as it was when the backfill began. What is set aside links nobody, and stays beside its row, so that the log keeps
it and a release can make it count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from knownas.batch.backfill.kinds import ENVIRONMENTS, SET_ASIDE, TYPES, arrow
from knownas.batch.backfill.limits import QUARANTINED_LISTED_MAX
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.identity.policies import decode_policy
from knownas.service.identity.question import Rules, screened_rules
from knownas.service.toxic.list import NOTHING_LISTED, ToxicState, ToxicValue, append, read_list, toxic
from knownas.store.port import Store, StoredPolicy

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(list[tuple[IdentityType, str]]).decode

Screened = Callable[[Any], Any]
"""Takes a table of observations, and returns it with what is quarantined set aside."""


class Quarantined(NamedTuple):
    """A value that was set aside, in the environment at a place, and in how many rows."""

    environment: int
    type: IdentityType
    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class Screening:
    """What is set aside, in a form that goes to other machines: a policy, and what was listed when the backfill began."""

    policy: StoredPolicy
    listed: tuple[ToxicValue, ...] = ()

    def screened(self) -> Screened | None:
        """Return what sets aside; None where nothing is to be."""
        rules = screened_rules(self.policy.scope, decode_policy(self.policy))
        screen = rules.screen
        if screen is None:
            return None
        listed = NOTHING_LISTED.after(self.listed, 0)
        screen.take_up(listed.quarantined(), listed.released())
        if not screen.is_busy:
            return None
        pools = [rules.pool(one) for one in ENVIRONMENTS]
        return _Columns(lambda place, one: screen.sets_aside(pools[place], one)).screened


async def listed_now(store: Store, rules: Rules) -> tuple[ToxicValue, ...]:
    """Return the list of a scope's toxic values.

    Raises:
        StoreError: the store does not answer, or keeps something that is no list.
    """
    if rules.screen is None:
        return ()
    listed = await read_list(store)
    return tuple(one for pool in rules.pools for one in listed.of(pool))


async def list_quarantined(store: Store, rules: Rules, found: Sequence[Quarantined], now_ms: int) -> None:
    """List the values that were set aside by their looks, as a server lists those that it hears; again without harm.

    Raises:
        StoreError: the store could not keep it.
    """
    if rules.screen is None:
        return
    listed = await read_list(store)
    changes: dict[tuple[object, Identity], ToxicValue] = {}
    for place, kind, value, _ in found[:QUARANTINED_LISTED_MAX]:
        pool, one = rules.pool(ENVIRONMENTS[place]), Identity(kind, value)
        before = listed.find(pool, one)
        if before is None or before.state is ToxicState.WATCHED:
            changes[pool, one] = toxic(pool, one, ToxicState.QUARANTINED, ToxicReason.PATTERN, now_ms)
    if changes:
        await append(store, listed, list(changes.values()))


def written_aside(identities: Sequence[Identity]) -> str:
    """Write identities down as a row's column of what was set aside has them."""
    return _ENCODE(identities).decode()


def read_aside(written: str | None) -> tuple[Identity, ...]:
    """Read what was set aside of a row, in canonical order; None is nothing."""
    return tuple([Identity(kind, value) for kind, value in _DECODE(written)]) if written else ()


def counted_aside(rows: Sequence[tuple[object, ...]]) -> Sequence[Quarantined]:
    """Count the values that were set aside, given an environment's place, what a row has, and in how many rows; the most first."""
    found: dict[tuple[int, Identity], int] = {}
    for environment, written, count in rows:
        for one in read_aside(str(written)):
            key = int(str(environment)), one
            found[key] = found.get(key, 0) + int(str(count))
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Quarantined(place, one.type, one.value, count) for (place, one), count in ordered]


def told_aside(found: Sequence[Quarantined]) -> Sequence[Mapping[str, object]]:
    """Tell of values that were set aside by their looks or the list, as the report shows them."""
    return [
        {
            "type": one.type.value,
            "value": one.value,
            "environment": ENVIRONMENTS[one.environment].value,
            "rows": one.rows,
        }
        for one in found
    ]


class _Columns:
    """Looks at each value of a column once."""

    def __init__(self, is_toxic: Callable[[int, Identity], bool]) -> None:
        self._is_toxic = is_toxic

    def screened(self, table: Any) -> Any:
        """Return observations with what is toxic moved from the columns of types to that of what was set aside."""
        places: list[int] = table.column("environment").to_pylist() if table.num_rows else []
        aside: dict[int, list[Identity]] = {}
        for kind in TYPES:
            column = table.column(kind.value)
            if column.null_count == len(column):
                continue
            rows = self._toxic_rows(kind, column, places)
            if rows:
                for row, one in rows.items():
                    aside.setdefault(row, []).append(one)
                table = table.set_column(table.schema.get_field_index(kind.value), kind.value, _without(column, rows))
        if not aside:
            return table
        pa = arrow()
        written = [written_aside(aside[row]) if row in aside else None for row in range(table.num_rows)]
        place = table.schema.get_field_index(SET_ASIDE)
        return table.set_column(place, SET_ASIDE, pa.array(written, pa.string()))

    def _toxic_rows(self, kind: IdentityType, column: Any, places: Sequence[int]) -> Mapping[int, Identity]:
        """Return the rows whose value of a type is toxic, with the value."""
        there = sorted(set(places))
        pa, pc = arrow(), arrow("pyarrow.compute")
        found: dict[int, Identity] = {}
        values: list[str | None] = pc.unique(column).to_pylist()
        for place in there:
            toxic_ones = [one for one in values if one is not None and self._is_toxic(place, Identity(kind, one))]
            if toxic_ones:
                is_one = pc.is_in(column, value_set=pa.array(toxic_ones, pa.string()))
                rows: list[int] = pc.indices_nonzero(is_one).to_pylist()
                found |= {row: Identity(kind, column[row].as_py()) for row in rows if places[row] == place}
        return found


def _without(column: Any, rows: Mapping[int, Identity]) -> Any:
    """Return a column with nothing in some rows."""
    pa, pc = arrow(), arrow("pyarrow.compute")
    left = pa.array([row not in rows for row in range(len(column))], pa.bool_())
    return pc.if_else(left, column, pa.scalar(None, pa.string()))
