"""Decides what each column of a file means: an identity, an attribute, the MPID, the environment, or nothing.

A column is known by its name, whatever its capitals (platform §11.3): the names of user and device identities,
`mpid`, `environment`. A path with dots (platform §11.2) says where in a batch it belongs. Every other column is a
user attribute, under its own name. A mapping file overrules that, column by column.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from knownas.batch.import_limits import COLUMNS_MAX
from knownas.config.faults import Fault, FaultList, quoted
from knownas.config.located import locate
from knownas.config.nodes import Broken, Entry, Members, Node, Scalar
from knownas.config.reading import Place
from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType, Surface, types_named_on
from knownas.core.profile.attributes import fault_of


@dataclass(frozen=True, slots=True)
class ToIdentity:
    """The column holds identities of a type."""

    type: IdentityType

    def __str__(self) -> str:
        return f"identity {self.type.value}"


@dataclass(frozen=True, slots=True)
class ToAttribute:
    """The column holds a user attribute."""

    name: str

    def __str__(self) -> str:
        return f"attribute {self.name}"


class Special(Enum):
    """The column says which profile or environment a row is about, how it arrived, or nothing at all."""

    MPID = "mpid"
    ENVIRONMENT = "environment"
    TIME = "time"
    ENDPOINT = "endpoint"
    INPUT = "input"
    IGNORED = "ignored"

    def __str__(self) -> str:
        return self.value


Target = ToIdentity | ToAttribute | Special


@dataclass(frozen=True, slots=True)
class ColumnFault:
    """Why a column can't be imported, and what is allowed instead."""

    column: str
    message: str
    allowed: str


@dataclass(frozen=True, slots=True)
class InvalidColumns:
    """The columns of a file can't be imported; every fault at once."""

    faults: tuple[ColumnFault, ...]


@dataclass(frozen=True, slots=True)
class InvalidMapping:
    """A mapping file can't be used; every fault at once, in the order of its lines."""

    faults: tuple[Fault, ...]


NAMES: Final[Mapping[str, IdentityType]] = types_named_on(Surface.EVENTS)
"""The names by which a column is an identity without further ado."""

PATH_NAMES: Final[Mapping[str, IdentityType]] = {**types_named_on(Surface.IDSYNC), **NAMES}
"""The names that are understood where something says that an identity is meant."""

ATTRIBUTE_PREFIX: Final = "user_attributes."
_IDENTITY_PREFIXES: Final = {"user_identities.": "user", "device_info.": "device", "identities.": "any"}
_NOT_IMPORTED: Final = ("events.", "consent_state.", "attribution_info.", "application_info.")
_WAYS_OUT: Final = "a mapping file can make it an attribute or ignore it"
_MEMBERS: Final = ("identity", "attribute")
_IGNORE: Final = "ignore"
_FIRST_WORDS: Final = "{identity: TYPE}, {attribute: NAME}"

Words = Mapping[str, Special]
"""What a mapping file may say of a column by one word; all of them but `ignore` are names of columns too."""

IMPORT_WORDS: Final[Words] = {
    "mpid": Special.MPID,
    "environment": Special.ENVIRONMENT,
    _IGNORE: Special.IGNORED,
}
HISTORY_WORDS: Final[Words] = {
    "time": Special.TIME,
    "endpoint": Special.ENDPOINT,
    "input": Special.INPUT,
    "environment": Special.ENVIRONMENT,
    _IGNORE: Special.IGNORED,
}
"""Those of rows that are observations, each of its time."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What a mapping file says, by the column's name in small letters; nothing, without one."""

    given: Mapping[str, Target]
    words: Words = field(default_factory=lambda: IMPORT_WORDS)

    def target(self, column: str) -> Target | ColumnFault:
        """Say what a column means."""
        name = column.lower()
        given = self.given.get(name)
        if given is not None or not name:
            # Tables written with their row numbers have a column without a name.
            return given or Special.IGNORED
        if name in self.words and name != _IGNORE:
            return self.words[name]
        if name == Special.MPID.value:
            return ColumnFault(column, "nobody has an MPID yet where a history begins", _WAYS_OUT)
        if name in NAMES:
            return ToIdentity(NAMES[name])
        return _of_path(column, name)

    def targets(self, columns: Sequence[str], *, whole: bool = True) -> tuple[Target, ...] | InvalidColumns:
        """Say what all columns of a file mean.

        `whole` says that these are all there will ever be, so that what is missing among them is a fault too.
        """
        targets = [self.target(column) for column in columns]
        faults = [target for target in targets if isinstance(target, ColumnFault)]
        pairs = zip(columns, targets, strict=True)
        sound = [(column, target) for column, target in pairs if not isinstance(target, ColumnFault)]
        faults += _overlaps(sound)
        if len(columns) > COLUMNS_MAX:
            faults.append(ColumnFault("", f"the file has {len(columns)} columns", f"at most {COLUMNS_MAX}"))
        if whole:
            faults += self._missing(columns, [target for _, target in sound])
        if faults:
            return InvalidColumns(tuple(faults))
        return tuple(target for target in targets if not isinstance(target, ColumnFault))

    def unseen(self, columns: Iterable[str]) -> list[str]:
        """Return the columns that the mapping file names and the file does not have."""
        return sorted(self.given.keys() - {column.lower() for column in columns})

    def _missing(self, columns: Sequence[str], targets: Sequence[Target]) -> Iterator[ColumnFault]:
        allowed = ", ".join(column for column in columns if column)
        for name in self.unseen(columns):
            yield ColumnFault(name, "the mapping file names this column, and the file does not have it", allowed)
        if Special.TIME in self.words.values() and Special.TIME not in targets:
            yield ColumnFault("", "no column says when a row was observed", "time, or a mapping file that names one")
        if not any(isinstance(target, ToIdentity) or target is Special.MPID for target in targets):
            yield ColumnFault(
                "", "no column says whom a row is about", f"{', '.join(self._whom())}, or a mapping file that names one"
            )

    def _whom(self) -> Iterator[str]:
        if Special.MPID in self.words.values():
            yield Special.MPID.value
        yield from NAMES


def _of_path(column: str, name: str) -> Target | ColumnFault:
    if name.startswith(ATTRIBUTE_PREFIX):
        return _attribute(column, column[len(ATTRIBUTE_PREFIX) :])
    for prefix, what in _IDENTITY_PREFIXES.items():
        if name.startswith(prefix):
            kind = PATH_NAMES.get(name.removeprefix(prefix))
            if kind is not None and (what == "any" or (kind in DEVICE_TYPES) == (what == "device")):
                return ToIdentity(kind)
            return ColumnFault(column, f"no {what} identity has this name", f"{_names(what)}; {_WAYS_OUT}")
    if name.startswith(_NOT_IMPORTED):
        return ColumnFault(column, "only identities and attributes are imported", _WAYS_OUT)
    return _attribute(column, column)


def _names(what: str) -> str:
    return ", ".join(
        sorted(name for name, kind in NAMES.items() if what == "any" or (kind in DEVICE_TYPES) == (what == "device"))
    )


def _attribute(column: str, name: str) -> Target | ColumnFault:
    fault = fault_of(name, "")
    return ToAttribute(name) if fault is None else ColumnFault(column, fault, _WAYS_OUT)


def _overlaps(sound: Sequence[tuple[str, Target]]) -> Iterator[ColumnFault]:
    """Yield a fault for each column that means what another one means already; a type may have several columns."""
    first: dict[object, str] = {}
    names: set[str] = set()
    for column, target in sound:
        if column and column in names:
            yield ColumnFault(column, "two columns have this name", "each name once")
        elif target is not Special.IGNORED and not isinstance(target, ToIdentity):
            other = first.setdefault(target, column)
            if other != column:
                yield ColumnFault(column, f"it means {target}, as the column {quoted(other)} does", _WAYS_OUT)
        names.add(column)


BY_NAME: Final = ColumnMapping({})
"""Every column by its own name."""


def read_mapping(text: str, words: Words = IMPORT_WORDS) -> ColumnMapping | InvalidMapping:
    """Read a mapping file: YAML, `columns: {COLUMN: {identity: TYPE} | {attribute: NAME} | WORD}`."""
    faults = FaultList()
    root = locate(text, {}, faults)
    given: dict[str, Target] = {}
    for entry in _members(root, Place(1, ""), faults, "columns: with a mapping below it"):
        place = Place(entry.line, entry.name)
        if entry.name != "columns":
            faults.add(entry.line, entry.name, "there is no such member", "columns")
            continue
        for column in _members(entry.value, place, faults, f"COLUMN: {_allowed(words)}"):
            name = column.name.lower()
            if name in given:
                faults.add(column.line, place.member(column.name).path, "this column is named twice", "each once")
                continue
            target = _target(column, place.member(column.name, column.line), words, faults)
            if target is not None:
                given[name] = target
    if faults.faults:
        return InvalidMapping(faults.in_order())
    return ColumnMapping(given, words)


def _members(node: Node, place: Place, faults: FaultList, allowed: str) -> tuple[Entry, ...]:
    match node:
        case Members(entries=entries) if entries:
            return entries
        case Broken():
            return ()
        case _:
            faults.add(place.line, place.path, "a mapping belongs here", allowed)
            return ()


def _allowed(words: Words) -> str:
    *others, last = words
    return f"{', '.join([_FIRST_WORDS, *others])} or {last}"


def _target(entry: Entry, place: Place, words: Words, faults: FaultList) -> Target | None:
    """Read what one column is mapped to; None, with a fault, if that can't be read."""
    match entry.value:
        case Scalar(text=text) if text in words:
            return words[text]
        case Members(entries=(Entry(name="identity", value=Scalar(text=text)),)):
            kind = PATH_NAMES.get(text.lower())
            if kind is not None:
                return ToIdentity(kind)
            meant = faults.did_you_mean(text.lower(), PATH_NAMES)
            message = f"{quoted(text)} is no identity type{meant}"
            faults.add(place.line, place.member("identity").path, message, ", ".join(NAMES))
        case Members(entries=(Entry(name="attribute", value=Scalar(text=text)),)):
            fault = fault_of(text, "")
            if fault is None:
                return ToAttribute(text)
            faults.add(place.line, place.member("attribute").path, fault, "a name of 1 to 256 characters")
        case Broken():
            pass
        case Scalar(raw=raw):
            faults.add(place.line, place.path, f"{quoted(raw)} is nothing that a column can be", _allowed(words))
        case Members(entries=entries) if others := [one.name for one in entries if one.name not in _MEMBERS]:
            faults.add(place.line, place.path, f"{quoted(others[0])} is not known here", _allowed(words))
        case _:
            faults.add(place.line, place.path, "a column can't be this", _allowed(words))
    return None
