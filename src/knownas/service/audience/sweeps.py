"""Applies documents that are new, changed or gone to those whom they concern, a page of profiles after the other.

A kind of groups concerns everybody whom its workspace knows: all get their places first, and then what is aggregated. An audience concerns its members and
then everybody (`sweeping`); one that is gone, its members; a connection, the members of its audience and whomever its output
has something of; one that is gone, the latter alone. A connection is gone with its audience and with its output, too.

How far a sweep is stands in a small document that the store keeps, under the version that is swept. A page that is done twice, after a kill, changes
nothing. A document that changes again is swept again from the beginning. What connects an output is told it before all members, and what
disconnects it after them: these messages have ids that follow from the version, so each is written once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

import msgspec

from knownas.core.audience.mentions import Mentions
from knownas.core.delivery.message import Origin, Subscription, SubscriptionMessage
from knownas.core.identity.observation import Environment
from knownas.service.audience.catalogue import Catalogue, KnownAudience, KnownConnection, KnownGroup, is_gone
from knownas.service.audience.judging import Asked
from knownas.service.audience.limits import SWEPT_A_PAGE
from knownas.service.delivery.form import message_document
from knownas.service.kept_document import put
from knownas.store.audiences import AudienceStore, DocumentKind, StoredMark, Stretch
from knownas.store.deliveries import NewDelivery
from knownas.store.errors import StoreBusy
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

_KEPT_AS: Final = "sweep/"
_NAMESPACE: Final = UUID("6b0d7a7e-2f0e-5a53-9d7c-0b6f2f1c7a10")
"""Of the ids of messages about subscriptions."""

Swept = KnownAudience | KnownConnection | KnownGroup

_KINDS: Final[Mapping[type[Swept], DocumentKind]] = {
    KnownAudience: DocumentKind.AUDIENCE,
    KnownConnection: DocumentKind.CONNECTION,
    KnownGroup: DocumentKind.GROUP,
}
_ENVIRONMENTS: Final = tuple(one.value for one in Environment)


class Phase(StrEnum):
    """Whom a sweep is going over."""

    PLACING = "placing"
    """Everybody, who get their places in groups of a kind."""
    PLACED = "placed"
    """Everybody again, by what members of groups get now that all have their places."""
    EVERYBODY = "everybody"
    MEMBERS = "members"
    HOLDERS = "holders"
    OVER = "over"


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far a sweep is: of which version, in which phase, after which profile of which environment.

    Where it goes over everybody, it is after a place of the store's, up to which comes a share of all.
    """

    version: str
    phase: Phase
    environment: str = ""
    mpid: int | None = None
    place: str | None = None
    share: float = 0.0


_DECODER: Final = msgspec.json.Decoder(Progress)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A document that has to be applied, and how far that is. `is_gone`: it applies to nobody any more."""

    what: Swept
    is_gone: bool
    progress: Progress
    kept: bytes | None
    beside: tuple["Sweep", ...] = ()
    """Others that go over everybody of the same workspace, and are as far."""
    asking: frozenset[str] = frozenset()
    """The audiences that ask for what the members of groups get, or got."""

    @property
    def name(self) -> str:
        """The name under which its progress is kept."""
        return sweep_name(self.what)

    @property
    def wish(self) -> Asked:
        """What is to be looked at of each profile."""
        if isinstance(self.what, KnownGroup):
            is_first = self.progress.phase is Phase.PLACING and not self.is_gone
            return Asked() if is_first else Asked(self.asking)
        if isinstance(self.what, KnownConnection):
            return Asked(connections=frozenset({self.what.id}), corrects=True)
        return Asked() if self.is_gone else Asked(frozenset({str(self.what.id)}))


def sweep_name(what: Swept) -> str:
    """Return the name under which the progress of a document's sweep is kept."""
    return f"{_KEPT_AS}{_KINDS[type(what)].value}/{what.id}"


def swept_version(what: Swept) -> int:
    """Return what is another number whenever a document has to be swept again."""
    return what.document.generation if isinstance(what, KnownGroup) else what.version


def progress_from(kept: bytes | None) -> Progress | None:
    """Read how far a sweep is; None of one that has not begun."""
    return None if kept is None else _DECODER.decode(kept)


class Sweeps:
    """Finds what has to be swept, and goes on with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audiences: AudienceStore = store.audiences
        self._over: dict[str, str] = {}
        """Versions whose sweeps are known to be over, by name."""

    async def next(self, catalogue: Catalogue) -> Sweep | None:
        """Return a sweep that is not over, None if all are. Groups come before audiences, and these before connections."""
        everybody: list[Sweep] = []
        for what, gone in _all(catalogue):
            if everybody and isinstance(what, KnownConnection):
                break
            name, over = sweep_name(what), _over(what, is_gone=gone)
            if self._over.get(name) == over:
                continue
            kept = await self._store.kept(name)
            progress = progress_from(kept)
            if progress is not None and (progress.version, progress.phase) == (over, Phase.OVER):
                self._over[name] = over
                continue
            if progress is None or progress.version != _under_way(what, is_gone=gone):
                progress = _beginning(what, is_gone=gone)
            asking = _asking(catalogue, what) if isinstance(what, KnownGroup) else frozenset[str]()
            sweep = Sweep(what, gone, progress, kept, asking=asking)
            if progress.phase is not Phase.EVERYBODY:
                return sweep
            everybody.append(sweep)
        return _together(everybody) if everybody else None

    async def page(self, sweep: Sweep) -> Sequence[SectionKey]:
        """Return the profiles that come next, at most `SWEPT_A_PAGE`."""
        what, progress = sweep.what, sweep.progress
        match progress.phase:
            case Phase.PLACING | Phase.PLACED:
                after = (
                    None if progress.mpid is None else SectionKey(what.workspace, progress.environment, progress.mpid)
                )
                return await self._audiences.section_keys(what.workspace, after, SWEPT_A_PAGE)
            case Phase.MEMBERS:
                audience = what.audience if isinstance(what, KnownConnection) else what.id
                place = (what.workspace, progress.environment, audience, progress.mpid)
                members = await self._audiences.members(*place, SWEPT_A_PAGE)
                return [SectionKey(what.workspace, progress.environment, one.mpid) for one in members]
            case Phase.HOLDERS:
                return await self._holders(what, progress.mpid)
            case Phase.EVERYBODY | Phase.OVER:
                return ()

    async def _holders(self, what: Swept, after_mpid: int | None) -> Sequence[SectionKey]:
        """Return the profiles of which an output has something, each in the environment in which its workspace knows it."""
        keys: list[SectionKey] = []
        for mpid in await self._audiences.holders_of(what.id, after_mpid, SWEPT_A_PAGE):
            there = [key for key in await self._store.user_data.sections_of(mpid) if key.workspace == what.workspace]
            keys += there or [SectionKey(what.workspace, _ENVIRONMENTS[0], mpid)]
        return keys

    def has_placed_everybody(self, sweep: Sweep, keys: Sequence[SectionKey]) -> bool:
        """Whether everybody has a place in a kind of groups with this page."""
        is_group = isinstance(sweep.what, KnownGroup) and not sweep.is_gone
        return is_group and sweep.progress.phase is Phase.PLACING and len(keys) < SWEPT_A_PAGE

    def announcement(
        self, sweep: Sweep, catalogue: Catalogue, keys: Sequence[SectionKey], now_ms: int
    ) -> Sequence[NewDelivery]:
        """Return what tells an output, with this page, that an audience is connected with it, or no longer is."""
        what = sweep.what
        if not isinstance(what, KnownConnection):
            return ()
        if not sweep.is_gone and sweep.progress.phase is Phase.MEMBERS and sweep.progress.mpid is None:
            if sweep.progress.environment != _ENVIRONMENTS[0]:
                return ()
            is_first = progress_from(sweep.kept) is None
            return [self._subscription(what, catalogue, Subscription.ADD if is_first else Subscription.UPDATE, now_ms)]
        if sweep.is_gone and sweep.progress.phase is Phase.HOLDERS and len(keys) < SWEPT_A_PAGE:
            return [self._subscription(what, catalogue, Subscription.REMOVE, now_ms)]
        return ()

    def _subscription(
        self, what: KnownConnection, catalogue: Catalogue, subscription: Subscription, now_ms: int
    ) -> NewDelivery:
        message_id = str(uuid5(_NAMESPACE, f"{what.id} {what.version} {subscription}"))
        environment = max(one.value for one in what.asked.environments)
        origin = Origin(what.workspace, environment)
        name = catalogue.audiences[what.audience].name
        message = SubscriptionMessage(message_id, origin, now_ms, name, subscription, what.asked.settings)
        text = message_document(message)
        return NewDelivery(message_id, what.output, what.id, what.workspace, environment, 0, now_ms, text)

    async def move(self, sweep: Sweep, keys: Sequence[SectionKey]) -> None:
        """Keep that a page is done."""
        await self._keep(sweep, _after(sweep, keys))

    async def move_on(self, sweep: Sweep, reached: Stretch | None) -> Sweep:
        """Keep that everybody is done up to the end of a stretch, or altogether, in all sweeps that are done together; return them as they are then."""
        first, *beside = [await self._moved_on(one, reached) for one in (sweep, *sweep.beside)]
        return replace(first, beside=tuple(beside))

    async def _moved_on(self, sweep: Sweep, reached: Stretch | None) -> Sweep:
        if reached is None:
            return await self._keep(sweep, Progress(_over(sweep.what, is_gone=sweep.is_gone), Phase.OVER))
        version = sweep.progress.version
        return await self._keep(sweep, Progress(version, Phase.EVERYBODY, place=reached.until, share=reached.share))

    async def _keep(self, sweep: Sweep, after: Progress) -> Sweep:
        kept = msgspec.json.encode(after)
        if not await put(self._store, sweep.name, sweep.kept, kept):
            raise StoreBusy("somebody else goes over the same profiles")
        return replace(sweep, progress=after, kept=kept)

    async def begin_again(self, catalogue: Catalogue, mark: StoredMark) -> None:
        """Have everybody of a workspace, or of all, looked at again."""
        for what, gone in _all(catalogue):
            if not isinstance(what, KnownConnection) and mark.workspace in (0, what.workspace) and not gone:
                name = sweep_name(what)
                kept = await self._store.kept(name)
                text = msgspec.json.encode(_beginning(what, is_gone=False))
                if kept is not None:
                    await self._store.replace_kept(name, kept, text)
                self._over.pop(name, None)


def _asking(catalogue: Catalogue, group: KnownGroup) -> frozenset[str]:
    """Return the audiences that ask for anything that is, or was, aggregated by groups."""
    names = frozenset(one.name for one in group.kind.attributes) | frozenset(group.document.dropped)
    return catalogue.of(group.workspace).audiences.concerned_by(Mentions(attributes=names))


def _all(catalogue: Catalogue) -> Iterator[tuple[Swept, bool]]:
    for group in catalogue.groups.values():
        yield group, group.document.is_deleted
    for audience in catalogue.audiences.values():
        yield audience, audience.document.is_deleted
    for connection in catalogue.connections.values():
        yield connection, is_gone(catalogue, connection)


def _together(everybody: Sequence[Sweep]) -> Sweep:
    """Return the first of several sweeps that go over everybody, with those beside it that are as far."""
    first, *others = everybody
    beside = (one for one in others if one.what.workspace == first.what.workspace)
    return replace(first, beside=tuple(one for one in beside if one.progress.place == first.progress.place))


def _over(what: Swept, *, is_gone: bool) -> str:
    """Return the version of a sweep that is over."""
    return f"{swept_version(what)}{'-' if is_gone else '+'}"


def _under_way(what: Swept, *, is_gone: bool) -> str:
    """Return the version of a sweep that is under way. An earlier release knows nothing of the places of one over everybody, and begins anew."""
    return f"{what.version}*" if isinstance(what, KnownAudience) and not is_gone else _over(what, is_gone=is_gone)


def _beginning(what: Swept, *, is_gone: bool) -> Progress:
    phase = Phase.HOLDERS if isinstance(what, KnownConnection) and is_gone else Phase.MEMBERS
    if isinstance(what, KnownGroup):
        phase = Phase.PLACING
    return Progress(_under_way(what, is_gone=is_gone), phase, _ENVIRONMENTS[0])


def _after(sweep: Sweep, keys: Sequence[SectionKey]) -> Progress:
    """Return the progress after a page: further on, in the next environment, in the next phase, or over."""
    progress = sweep.progress
    leaves = isinstance(sweep.what, KnownAudience) and sweep.is_gone
    if len(keys) >= SWEPT_A_PAGE:
        last = keys[-1]
        # Members of an audience that is gone have left it by now: the next page begins where this did.
        return progress if leaves else Progress(progress.version, progress.phase, last.environment, last.mpid)
    if isinstance(sweep.what, KnownGroup) and not sweep.is_gone and progress.phase is Phase.PLACING and sweep.asking:
        return Progress(progress.version, Phase.PLACED, _ENVIRONMENTS[0])
    if progress.phase is Phase.MEMBERS:
        following = _ENVIRONMENTS[_ENVIRONMENTS.index(progress.environment) + 1 :]
        if following:
            return Progress(progress.version, Phase.MEMBERS, following[0])
        if isinstance(sweep.what, KnownAudience) and not leaves:
            return Progress(progress.version, Phase.EVERYBODY)
        if not leaves:
            return Progress(progress.version, Phase.HOLDERS)
    return Progress(progress.version, Phase.OVER)
