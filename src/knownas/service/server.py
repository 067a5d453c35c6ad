"""Puts the service together over an open store, and takes it apart again."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from knownas.config.values import Configuration
from knownas.core.identity.observation import Environment
from knownas.core.privacy.request import RequestType
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.service.arrivals import Arrivals
from knownas.service.audience.activation import Activation, open_activation
from knownas.service.audience.assessing import Assessing
from knownas.service.audience.catalogue import Destinations
from knownas.service.audience.looking import Looks
from knownas.service.chance import Chance, SystemChance
from knownas.service.copy_mark import refuse_half_copied
from knownas.service.erasure.erasing import Erasing
from knownas.service.erasure.keeping_out import KeepingOut, open_keeping_out
from knownas.service.erasure.remembered import Remembered
from knownas.service.evidence.ledger import Ledger
from knownas.service.health.standing import Health, Standing
from knownas.service.health.tallying import Tallying
from knownas.service.history.correcting import Correcting
from knownas.service.history.folds import Folds
from knownas.service.history.rehearsing import works_of
from knownas.service.history.self_check import SelfCheck, check_work
from knownas.service.history.telling import Telling
from knownas.service.history.undoing import Undoing
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.aliasing import Aliasing
from knownas.service.identity.decisions import Decisions
from knownas.service.identity.neighbourhood import Neighbourhoods
from knownas.service.identity.people_finding import PeopleFinding
from knownas.service.identity.publishing import Publishing
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.jobs import JobKind, Jobs, Work
from knownas.service.live.feed import Feed, open_feed
from knownas.service.privacy.assembly import Privacy, open_privacy
from knownas.service.privacy.subject_finding import SubjectFinding
from knownas.service.privacy.subject_preview import SubjectPreviews
from knownas.service.profile.batch_receipts import BatchReceipts
from knownas.service.profile.calculations import calculations_of
from knownas.service.profile.event_pages import EventPages
from knownas.service.profile.ingest import Ingest
from knownas.service.profile.profiles import Profiles
from knownas.service.profile.sections import Sections
from knownas.service.profile.seeding import Seeding
from knownas.service.retention import Retention
from knownas.service.security.auditing import Auditing
from knownas.service.security.directory import Directory, open_directory
from knownas.service.security.key_watch import KeyWatch
from knownas.service.security.keys import KeyChain, read_changes
from knownas.service.security.sealing import SecretKeys
from knownas.service.security.sessions import Sessions, open_sessions
from knownas.service.security.tokens import Tokens, open_tokens
from knownas.service.toxic.deciding import TAKEN_UP_AFTER_MS, ToxicIdentities
from knownas.service.toxic.watch import ToxicWatch
from knownas.service.turns import Turns
from knownas.store.opening import is_shared
from knownas.store.port import Store

NO_DESTINATIONS: Final[Destinations] = MappingProxyType({})

Clock = Callable[[], int]
"""Returns the time in Unix milliseconds."""


def system_clock() -> int:
    """Return the system's time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the HTTP surfaces and the command line ask."""

    configuration: Configuration
    store: Store
    clock: Clock
    directory: Directory
    resolver: Resolver
    live: Feed
    profiles: Profiles
    decisions: Decisions
    correcting: Correcting
    jobs: Jobs
    self_check: SelfCheck
    ingest: Ingest
    health: Health
    key_watch: KeyWatch
    publishing: Publishing
    tokens: Tokens
    sessions: Sessions
    calculations: Mapping[int, WorkspaceCalculations]
    aliasing: Aliasing
    retention: Retention
    erasing: Erasing
    toxic: ToxicIdentities
    toxic_watch: ToxicWatch
    privacy: Privacy
    keeping_out: KeepingOut | None
    ledger: Ledger | None
    activation: Activation

    @property
    def undoing(self) -> Undoing:
        """What takes decisions back."""
        return Undoing(self.store, self.correcting, self.toxic.apart)

    @property
    def seeding(self) -> Seeding:
        """What brings profiles of another system over."""
        return Seeding(self.store, self.resolver, self.calculations, self.clock)

    @property
    def telling(self) -> Telling:
        """The stories of profiles."""
        return Telling(self.store, self.directory)

    @property
    def neighbourhoods(self) -> Neighbourhoods:
        """Who is around a person."""
        return Neighbourhoods(self.store, self.directory)

    @property
    def arrivals(self) -> Arrivals:
        """What came through which input."""
        return self.ingest.arrivals

    @property
    def tallying(self) -> Tallying:
        """What came of requests."""
        return self.health.tallying

    async def standing(self, scope: str, environment: Environment) -> Standing:
        """Return how things stand in an environment of a scope; raises what `Health.standing` raises."""
        rules = self.directory.scopes[scope]
        return await self.health.standing(rules.pool(environment), self.toxic, self.self_check, self.jobs)

    @property
    def shares_database(self) -> bool:
        """Whether other server processes may answer requests over the same database."""
        return is_shared(self.configuration.database)

    @property
    def sections(self) -> Sections:
        """What workspaces know of users."""
        return Sections(self.store.user_data)

    @property
    def event_pages(self) -> EventPages:
        """The events of users, the newest first."""
        return EventPages(self.store.user_data)

    @property
    def people(self) -> PeopleFinding:
        """Who is meant by an identity or an MPID."""
        return PeopleFinding(self.store, self.profiles)

    @property
    def batches(self) -> BatchReceipts:
        """What became of batches."""
        return BatchReceipts(self.store.user_data)

    @property
    def auditing(self) -> Auditing:
        """Who read or changed what."""
        return self.privacy.auditing

    @property
    def previews(self) -> SubjectPreviews:
        """What requests of data subjects would touch."""
        return self.privacy.previews

    def start(self) -> None:
        """Begin what a server does by itself: run aliases that are due, and forget what is too old."""
        self.privacy.work.take_up(RequestType.ERASURE, self.erasing.carry_out)
        self.aliasing.start()
        self.retention.start()
        self.jobs.start()
        self.arrivals.start()
        self.publishing.start()
        self.health.start()
        self.toxic_watch.start()
        self.self_check.start()
        self.privacy.start()
        self.activation.start()
        if self.keeping_out is not None:
            self.keeping_out.start()
        if self.ledger is not None:
            self.ledger.start()

    async def close(self) -> None:
        """Answer what waits, write down what is due, and close the store."""
        await self.key_watch.close()
        await self.publishing.close()
        await self.activation.close()
        await self.privacy.close()
        if self.keeping_out is not None:
            await self.keeping_out.close()
        if self.ledger is not None:
            await self.ledger.close()
        await self.health.stop_counting()
        await self.self_check.close()
        await self.jobs.close()
        await self.toxic_watch.close()
        await self.retention.close()
        await self.aliasing.close()
        await self.ingest.close()
        await self.arrivals.close()
        await self.health.close()
        await self.resolver.close()
        await self.auditing.close()
        await self.store.close()


async def open_service(  # noqa: PLR0913 - each is a choice of its own, most of them made by tests and by the command line
    configuration: Configuration,
    store: Store,
    *,
    clock: Clock = system_clock,
    chance: Chance | None = None,
    publish: bool = True,
    secret_keys: SecretKeys | None = None,
    folds: Folds | None = None,
    restores: bool = False,
    destinations: Destinations = NO_DESTINATIONS,
    assessing: Assessing | None = None,
    looks: Looks | None = None,
) -> Service:
    """Open the service of a configuration over a store, which it then owns.

    `destinations` are the kinds of outputs that there are. `assessing` gives who assesses users, and `looks` looks at everybody where an audience is new; without, this process does. `folds` is who folds histories; without, these jobs wait. `publish` False keeps nothing new: for those who only look. `restores` opens also what a restore has not finished. `secret_keys` open changes of keys.

    Raises:
        Unopenable: the secret of a key that is valid can't be opened with the secret keys.
        InvalidProcessor: the certificate and the key that sign for the server can't be used.
        StoreError: the store does not answer.
    """
    await refuse_half_copied(store, restores=restores)
    directory, key_watch = await _directory(configuration, store, clock, secret_keys, publish=publish)
    recent, activity, given_out = RecentDecisions(), ActivityMemory(), chance or SystemChance()
    calculations, turns = calculations_of(configuration), _turns(configuration, store, clock)
    health = Health(store, directory, clock, turns)
    resolver, live = Resolver(store, given_out, recent, activity), open_feed(clock)
    correcting = Correcting(store, directory, resolver, given_out, clock, calculations, placing := asyncio.Lock())
    toxic = await _toxic(store, directory, correcting, clock, turns)
    keeping_out = await open_keeping_out(store, directory.keep_outs, clock, secret_keys, publish=publish)
    finding = SubjectFinding(store, directory, resolver, clock)
    parts = (store, directory, calculations, finding, destinations, clock)
    activation = await open_activation(*parts, turns=turns, keys=secret_keys, assessing=assessing, looks=looks)
    ledger, memory = _recalled(configuration, store, recent, live, toxic, keeping_out, activation, restores=restores)
    erasing = Erasing(store, directory, finding, correcting, given_out, clock, memory, is_shared=turns is not None)
    return Service(
        *(configuration, store, clock, directory, resolver, live),
        profiles=Profiles(store, directory, resolver, activity),
        decisions=Decisions(store, recent, resolver),
        correcting=correcting,
        jobs=(jobs := Jobs(store, _works(configuration, directory, correcting, folds, toxic), clock, turns)),
        self_check=SelfCheck(jobs, configuration.self_check, clock, turns),
        ingest=Ingest(store, resolver, given_out, calculations, placing, activation.marking, health.tallying),
        health=health,
        key_watch=key_watch,
        publishing=Publishing(configuration, store, directory, clock),
        tokens=await open_tokens(configuration, store, clock, publish=publish, keys=secret_keys),
        sessions=await open_sessions(store, clock, publish=publish, keys=secret_keys),
        calculations=calculations,
        aliasing=Aliasing(store, clock, turns),
        retention=Retention(store, configuration.retention, clock, turns),
        erasing=erasing,
        toxic=toxic,
        toxic_watch=ToxicWatch(store, toxic, resolver, clock, turns),
        privacy=open_privacy(configuration, store, resolver, directory, clock, turns, secret_keys, publish=publish),
        keeping_out=keeping_out,
        ledger=ledger,
        activation=activation,
    )


async def _toxic(
    store: Store, directory: Directory, correcting: Correcting, clock: Clock, turns: Turns | None
) -> ToxicIdentities:
    """Return what looks after toxic values, and follow once which these are."""
    toxic = ToxicIdentities(store, directory.scopes, correcting, clock, 0 if turns is None else TAKEN_UP_AFTER_MS)
    await toxic.following.take_up()
    return toxic


def _turns(configuration: Configuration, store: Store, clock: Clock) -> Turns | None:
    return Turns(store, clock) if is_shared(configuration.database) else None


def _recalled(
    configuration: Configuration,
    store: Store,
    recent: RecentDecisions,
    live: Feed,
    toxic: ToxicIdentities,
    keeping_out: KeepingOut | None,
    activation: Activation,
    *,
    restores: bool,
) -> tuple[Ledger | None, Remembered]:
    """Return what keeps the ledger, if one is kept, and what an erasure has to forget and to note."""
    path, ledger = configuration.privacy.ledger, None
    if path is not None and not restores:
        ledger = Ledger(store.privacy, path, None if keeping_out is None else keeping_out.key_digest)
    noting = None if ledger is None else ledger.bring_up
    return ledger, Remembered(
        recent, toxic.following, keeping_out, noting, activation.forgetting, activation.erasures, live
    )


def _works(
    configuration: Configuration,
    directory: Directory,
    correcting: Correcting,
    folds: Folds | None,
    toxic: ToxicIdentities,
) -> Mapping[JobKind, Work]:
    """Return what does jobs, and checks the database against its history; nothing where nobody folds."""
    if folds is None:
        return {}
    scopes = [one.name for one in configuration.scopes]
    check = check_work(folds, scopes, configuration.self_check)
    return {**works_of(directory, correcting, folds, toxic.apart), JobKind.SELF_CHECK: check}


async def _directory(
    configuration: Configuration, store: Store, clock: Clock, secret_keys: SecretKeys | None, *, publish: bool
) -> tuple[Directory, KeyWatch]:
    """Return the doors that are open now, and what follows the changes of their keys."""
    keys = secret_keys or SecretKeys()
    chain = KeyChain() if secret_keys is None else await read_changes(store)
    directory = await open_directory(configuration, store, clock(), publish=publish, chain=chain, keys=keys)
    key_watch = KeyWatch(configuration, store, directory, keys, chain, clock)
    if secret_keys is not None:
        key_watch.start()
    return directory, key_watch
