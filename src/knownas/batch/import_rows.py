"""Decides what a row says: whom it is about and which attributes it brings, or why it is refused.

A row is taken whole or not at all: one value that can't be kept refuses it, with the column's name and never the
value. An empty cell says nothing. A row becomes the same observation as a batch without events (platform §11.3):
an identify of its identities, or an update of the profile that its `mpid` names (platform §2.6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never, cast

from knownas.batch.import_mapping import ColumnMapping, InvalidColumns, Special, Target, ToAttribute, ToIdentity
from knownas.batch.import_reading import Row, RowRefusal
from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType, value_fault
from knownas.core.identity.learning import unguarded
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import parse_mpid, valid_mpid
from knownas.core.profile.attributes import AttributeValue, fault_of
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, EventBatch
from knownas.core.profile.section import attribute_value

_STAMP: Final = IdentityType.DEVICE_APPLICATION_STAMP
_ENVIRONMENTS: Final[Mapping[str, Environment]] = {one.value: one for one in Environment}
_NO_ATTRIBUTES: Final[Mapping[str, AttributeValue]] = {}
NO_IDENTITIES: Final = RowRefusal("no_identities", "The row names nobody: no identity, no mpid.")


class Content(NamedTuple):
    """What a row says. `identities` are in canonical order; of each type there is one, unless profiles come over."""

    environment: Environment
    mpid: int | None
    identities: tuple[Identity, ...]
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Reading:
    """What holds for all rows of an import.

    `brings_over` says that profiles of another system come over, which may have several values of a type.
    """

    mapping: ColumnMapping
    environment: Environment
    channel: Channel
    brings_over: bool = False


class RowPlan:
    """How rows with certain columns are read."""

    def __init__(self, reading: Reading, targets: Sequence[Target]) -> None:
        self._reading = reading
        self._identities: list[tuple[int, IdentityType]] = []
        self._attributes: list[tuple[int, str]] = []
        self._mpid: int | None = None
        self._environment: int | None = None
        for place, target in enumerate(targets):
            match target:
                case ToIdentity(kind):
                    # Some partners send one constant for all users (idsync §5.3).
                    if kind is not _STAMP or reading.channel is not Channel.PARTNER:
                        self._identities.append((place, kind))
                case ToAttribute(name):
                    self._attributes.append((place, name))
                case Special.MPID:
                    self._mpid = place
                case Special.ENVIRONMENT:
                    self._environment = place
                case Special.TIME | Special.ENDPOINT | Special.INPUT | Special.IGNORED:
                    # The first three are read where rows are observations: `backfill.reading`.
                    pass
                case _:
                    assert_never(target)
        self._identities.sort(key=lambda one: one[1])
        types = [kind for _, kind in self._identities]
        self._repeats = len(set(types)) < len(types)

    def content(self, values: Sequence[object]) -> Content | RowRefusal:
        """Return what a row says, or why it is refused."""
        environment = self._reading.environment if self._environment is None else self._environment_of(values)
        mpid = None if self._mpid is None else self._mpid_of(values)
        identities = self._identities_of(values)
        attributes = self._attributes_of(values) if self._attributes else _NO_ATTRIBUTES
        # The first fault is told; the others show when it is mended.
        if isinstance(environment, RowRefusal) or isinstance(mpid, RowRefusal):
            return environment if isinstance(environment, RowRefusal) else cast("RowRefusal", mpid)
        if isinstance(identities, RowRefusal) or isinstance(attributes, RowRefusal):
            return identities if isinstance(identities, RowRefusal) else cast("RowRefusal", attributes)
        if not identities and (mpid is None or self._reading.brings_over):
            return NO_IDENTITIES
        return Content(environment, mpid, identities, attributes)

    def _attributes_of(self, values: Sequence[object]) -> Mapping[str, AttributeValue] | RowRefusal:
        attributes: dict[str, AttributeValue] = {}
        for place, name in self._attributes:
            value = values[place]
            if value is None or value == "":
                continue
            read = attribute_value(value)
            fault = "a scalar or a list of scalars is wanted" if read is None else fault_of(name, read)
            if read is None or fault is not None:
                return RowRefusal("invalid_attribute", f"{name}: {fault}.")
            attributes[name] = read
        return attributes

    def _environment_of(self, values: Sequence[object]) -> Environment | RowRefusal:
        value = None if self._environment is None else values[self._environment]
        if value is None or value == "":
            return self._reading.environment
        environment = _ENVIRONMENTS.get(value) if isinstance(value, str) else None
        if environment is None:
            return RowRefusal("invalid_environment", f"The environment is {' or '.join(_ENVIRONMENTS)}.")
        return environment

    def _mpid_of(self, values: Sequence[object]) -> int | RowRefusal | None:
        value = None if self._mpid is None else values[self._mpid]
        if value is None or value in ("", "0") or (value == 0 and type(value) is int):
            return None
        mpid = None
        if isinstance(value, str):
            mpid = parse_mpid(value)
        elif type(value) is int:
            mpid = valid_mpid(value)
        if mpid is None:
            return RowRefusal("invalid_mpid", "The mpid is a signed 64-bit whole number, and not 0.")
        return mpid

    def _identities_of(self, values: Sequence[object]) -> tuple[Identity, ...] | RowRefusal:
        found: list[Identity] = []
        for place, kind in self._identities:
            value = values[place]
            if value is None or value == "":
                continue
            if type(value) is str:
                fault = value_fault(value)
                if fault is not None:
                    return RowRefusal("invalid_identity", f"{kind.value}: {fault}.")
                found.append(Identity(kind, value))
                continue
            several: list[object] = [value]
            if isinstance(value, list) and self._reading.brings_over:
                several = cast("list[object]", value)
            for one in several:
                text = str(one) if type(one) is int or type(one) is str else None
                fault = "text is wanted" if text is None else value_fault(text)
                if text is None or fault is not None:
                    return RowRefusal("invalid_identity", f"{kind.value}: {fault}.")
                found.append(Identity(kind, text))
        return self._once(found) if self._repeats else tuple(found)

    def _once(self, found: Sequence[Identity]) -> tuple[Identity, ...] | RowRefusal:
        """Return the identities without repeats; of two columns for one type only one may say something."""
        distinct = tuple(dict.fromkeys(found))
        if not self._reading.brings_over:
            types = [one.type for one in distinct]
            for kind in types:
                if types.count(kind) > 1:
                    return RowRefusal("identity_type_twice", f"Two columns give {kind.value} different values.")
        return distinct


class RowInterpreter:
    """Reads the rows of one import."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._columns: tuple[str, ...] = ()
        self._plan: RowPlan | RowRefusal = RowPlan(reading, ())

    def content(self, row: Row) -> Content | RowRefusal:
        """Return what a row says, or why it is refused."""
        if row.refusal is not None:
            return row.refusal
        if row.columns is not self._columns:
            # Rows of one kind come one after the other, so that the last plan is nearly always the one.
            self._columns = row.columns
            targets = self._reading.mapping.targets(row.columns, whole=False)
            if isinstance(targets, InvalidColumns):
                first = targets.faults[0]
                self._plan = RowRefusal("invalid_column", f"{first.column}: {first.message}.")
            else:
                self._plan = RowPlan(self._reading, targets)
        return self._plan if isinstance(self._plan, RowRefusal) else self._plan.content(row.values)


def observation(content: Content, reading: Reading, policy: Policy, source: str, at_ms: int) -> Observation:
    """Return what a row asks: to bring a profile over, to update the one it names, or to find whom it is about.

    An update learns what says nothing about who the user is: no login, unique or immutable ID (platform §2.6).
    """
    environment, mpid, identities, _ = content
    if reading.brings_over:
        return SeedRequest(at_ms, environment, source, mpid, identities)
    if mpid is None:
        return IdentityRequest(Endpoint.IDENTIFY, at_ms, environment, source, identities)
    learnt = [IdentityChange(kind, None, value) for kind, value in unguarded(identities, policy)]
    return ModifyRequest(at_ms, environment, source, mpid, tuple(learnt), may_move_unique=False)


def event_batch(content: Content, reading: Reading, source: str, at_ms: int) -> EventBatch:
    """Return the batch without events that the row is, for what the workspace knows of the user."""
    device = None
    if reading.channel is not Channel.PARTNER:
        ids = {kind: value for kind, value in content.identities if kind in DEVICE_TYPES}
        if ids:
            stamp = ids.pop(_STAMP, None)
            device = Device(stamp, None, ids, {}, at_ms, at_ms)
    return EventBatch(content.environment, at_ms, source, reading.channel, attributes=content.attributes, device=device)
