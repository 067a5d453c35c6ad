"""Decides what a valid policy is: strategy, priority, the three ID flags, and the settings beside them.

A policy belongs to an identity scope and is versioned; every receipt names the version it was made under.
The lists that a scope leaves out are its strategy's preset (idsync §2, §3.1); one that it gives replaces it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.toxic_limits import ToxicSettings

_T = IdentityType


class Strategy(StrEnum):
    """How anonymous and known users meet; idsync §3.1."""

    DEFAULT = "default"
    PROFILE_CONVERSION = "profile_conversion"
    PROFILE_LINK = "profile_link"
    PROFILE_ISOLATION = "profile_isolation"
    BEST_MATCH = "best_match"


class SearchImmutablePolicy(StrEnum):
    """What search needs where immutable types are configured; idsync §7-6."""

    REQUIRE_MATCH = "require_match"
    GUARDS_ONLY = "guards_only"


class LogoutLoginIds(StrEnum):
    """What happens to login IDs sent with a logout; idsync §7-14."""

    IGNORE = "ignore"
    RESOLVE = "resolve"


class BestMatchLoginLogout(StrEnum):
    """How Best Match, which knows no login and logout, answers them; idsync §7-13."""

    AS_IDENTIFY = "as_identify"
    REJECT = "reject"


class LoginRequiresLoginId(StrEnum):
    """Where a login without a login ID is refused; idsync §7-12."""

    ISOLATION_ONLY = "isolation_only"
    ALWAYS = "always"
    NEVER = "never"


class EnvironmentPools(StrEnum):
    """Whether development and production have profiles of their own; idsync §7-36."""

    SEPARATE = "separate"
    SHARED = "shared"


class EphemeralPolicy(StrEnum):
    """When a client is told that it may forget an identity; idsync §4.2."""

    ANONYMOUS = "anonymous"
    NEVER = "never"


class TieBreak(StrEnum):
    """A rule that picks one of several profiles left after the last lookup; idsync §7-9."""

    PREVIOUS_MPID = "previous_mpid"
    MOST_RECENT = "most_recent"
    SMALLEST_MPID = "smallest_mpid"


class EmptyRecord(StrEnum):
    """What to do with a request none of whose identities a new profile could hold; idsync §7-40."""

    CREATE = "create"
    REFUSE = "refuse"


class Capture(StrEnum):
    """Which observations the log keeps: those that changed something, or all."""

    CHANGES = "changes"
    ALL = "all"


class ErrorBody(StrEnum):
    """Which spellings of the error members an IDSync refusal carries; idsync §7-21."""

    BOTH_SPELLINGS = "both_spellings"
    DOCUMENTED_ONLY = "documented_only"


DEFAULT_PRIORITY: Final = (
    _T.CUSTOMER_ID,
    _T.MOBILE_NUMBER,
    _T.EMAIL,
    _T.OTHER,
    _T.FACEBOOK,
    _T.GOOGLE,
    _T.TWITTER,
    _T.MICROSOFT,
    _T.YAHOO,
    _T.IOS_IDFA,
    _T.IOS_IDFV,
    _T.ANDROID_AAID,
    _T.ANDROID_UUID,
    _T.ROKU_AID,
    _T.ROKU_PUBLISHER_ID,
    _T.MICROSOFT_PUBLISHER_ID,
    _T.MICROSOFT_AID,
    _T.AMP_ID,
    _T.DEVICE_APPLICATION_STAMP,
)
"""The documented list, with `amp_id` of its later edition (idsync §2.1, §7-5)."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What a strategy means where the scope says nothing else; idsync §3.1."""

    login_ids: frozenset[IdentityType]
    unique_ids: frozenset[IdentityType]
    immutable_ids: frozenset[IdentityType] = frozenset()
    priority: tuple[IdentityType, ...] = DEFAULT_PRIORITY


_CUSTOMER: Final = frozenset({_T.CUSTOMER_ID})
_CUSTOMER_AND_EMAIL: Final = frozenset({_T.CUSTOMER_ID, _T.EMAIL})
_NONE: Final[frozenset[IdentityType]] = frozenset()

PRESETS: Final[Mapping[Strategy, Preset]] = MappingProxyType(
    {
        Strategy.DEFAULT: Preset(_CUSTOMER, _CUSTOMER, _CUSTOMER),
        Strategy.PROFILE_CONVERSION: Preset(_CUSTOMER, _CUSTOMER),
        Strategy.PROFILE_LINK: Preset(_CUSTOMER_AND_EMAIL, _CUSTOMER_AND_EMAIL),
        Strategy.PROFILE_ISOLATION: Preset(_CUSTOMER_AND_EMAIL, _CUSTOMER_AND_EMAIL),
        Strategy.BEST_MATCH: Preset(_NONE, _NONE),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of idsync §8, with their defaults.

    `max_values` limits the values of a type on one record; a type it leaves out has no limit of its own.
    `max_age_seconds` is how long a client may reuse an answer of identify or login (0 to 31,536,000).
    """

    implicit_das: bool = True
    search_immutable_policy: SearchImmutablePolicy = SearchImmutablePolicy.REQUIRE_MATCH
    logout_login_ids: LogoutLoginIds = LogoutLoginIds.IGNORE
    best_match_login_logout: BestMatchLoginLogout = BestMatchLoginLogout.AS_IDENTIFY
    login_requires_login_id: LoginRequiresLoginId = LoginRequiresLoginId.ISOLATION_ONLY
    max_values: Mapping[IdentityType, int] = field(default_factory=lambda: MappingProxyType({}))
    environment_pools: EnvironmentPools = EnvironmentPools.SEPARATE
    tie_break: tuple[TieBreak, ...] = (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID)
    is_ephemeral_policy: EphemeralPolicy = EphemeralPolicy.ANONYMOUS
    empty_record: EmptyRecord = EmptyRecord.CREATE
    modify_device_application_stamp: bool = False
    max_age_seconds: int = 86_400
    capture: Capture = Capture.CHANGES
    error_body: ErrorBody = ErrorBody.BOTH_SPELLINGS
    toxic: ToxicSettings = field(default_factory=ToxicSettings)


MAX_AGE_SECONDS_MAX: Final = 31_536_000
"""The longest that a scope may let clients reuse an answer: a year."""

MAX_VALUES_MAX: Final = 1_000
"""The largest number of values of one type that a scope may let a profile keep."""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One thing wrong with a policy: the member it concerns and a sentence."""

    member: str
    sentence: str


class InvalidPolicy(ValueError):
    """The policy contradicts itself; `faults` says in how many ways."""

    def __init__(self, faults: tuple[PolicyFault, ...]) -> None:
        super().__init__("; ".join(f"{fault.member}: {fault.sentence}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True)
class Policy:
    """The rules of one identity scope, valid from birth.

    Raises:
        InvalidPolicy: with every fault at once.
    """

    strategy: Strategy
    priority: tuple[IdentityType, ...]
    login_ids: frozenset[IdentityType]
    unique_ids: frozenset[IdentityType]
    immutable_ids: frozenset[IdentityType]
    settings: Settings = Settings()
    version: int = 1

    def __post_init__(self) -> None:
        faults = tuple(_faults(self))
        if faults:
            raise InvalidPolicy(faults)

    @cached_property
    def ranking(self) -> tuple[IdentityType, ...]:
        """The priority with the implicit device application stamp at its end; idsync §2.1."""
        das = _T.DEVICE_APPLICATION_STAMP
        if self.settings.implicit_das and das not in self.priority:
            return (*self.priority, das)
        return self.priority

    @cached_property
    def places(self) -> Mapping[IdentityType, int]:
        """The place of each type in the ranking, from 0."""
        return {kind: place for place, kind in enumerate(self.ranking)}

    @cached_property
    def ranked(self) -> frozenset[IdentityType]:
        """The types that can be on an identity record."""
        return frozenset(self.ranking)

    @cached_property
    def login_types(self) -> frozenset[IdentityType]:
        """The login types that can be on a record."""
        return self.login_ids & self.ranked

    @cached_property
    def login_ranking(self) -> tuple[IdentityType, ...]:
        """The login types that can be on a record, in priority order."""
        return tuple(kind for kind in self.ranking if kind in self.login_ids)

    @cached_property
    def immutable_ranking(self) -> tuple[IdentityType, ...]:
        """The immutable types that can be on a record, in priority order."""
        return tuple(kind for kind in self.ranking if kind in self.immutable_ids)

    @cached_property
    def guarded(self) -> frozenset[IdentityType]:
        """The types of which a record that has a value is kept from some requests."""
        return self.ranked & (self.login_ids | self.immutable_ids)

    @cached_property
    def logout_makes_a_profile(self) -> bool:
        """Whether each logout starts a new anonymous profile; idsync §3.4."""
        return self.strategy in (Strategy.DEFAULT, Strategy.PROFILE_CONVERSION, Strategy.PROFILE_LINK)

    @cached_property
    def new_user_gets_a_profile(self) -> bool:
        """Whether a login ID on an anonymous match starts a new known profile; idsync §3.2 step 6."""
        return self.strategy in (Strategy.PROFILE_LINK, Strategy.PROFILE_ISOLATION)

    def rules_equal(self, other: "Policy") -> bool:
        """Whether two versions decide alike: equal in all but the version's number."""
        return self == _at_version(other, self.version)


def _at_version(policy: Policy, version: int) -> Policy:
    return Policy(
        policy.strategy,
        policy.priority,
        policy.login_ids,
        policy.unique_ids,
        policy.immutable_ids,
        policy.settings,
        version,
    )


def policy(
    strategy: Strategy,
    *,
    priority: Iterable[IdentityType] | None = None,
    login_ids: Iterable[IdentityType] | None = None,
    unique_ids: Iterable[IdentityType] | None = None,
    immutable_ids: Iterable[IdentityType] | None = None,
    settings: Settings | None = None,
    version: int = 1,
) -> Policy:
    """Build a policy from a strategy and whatever replaces its preset.

    Giving login or unique IDs without giving immutable ones drops from the preset's immutable IDs those that
    could no longer be immutable, since nobody asked for them by name.

    Raises:
        InvalidPolicy: with every fault at once.
    """
    preset = PRESETS[strategy]
    login = preset.login_ids if login_ids is None else frozenset(login_ids)
    unique = preset.unique_ids if unique_ids is None else frozenset(unique_ids)
    immutable = preset.immutable_ids & login & unique if immutable_ids is None else frozenset(immutable_ids)
    return Policy(
        strategy=strategy,
        priority=preset.priority if priority is None else tuple(priority),
        login_ids=login,
        unique_ids=unique,
        immutable_ids=immutable,
        settings=Settings() if settings is None else settings,
        version=version,
    )


def with_version(base: Policy, version: int) -> Policy:
    """Return the same rules under another version number (1 or more)."""
    return base if base.version == version else _at_version(base, version)


def _names(types: Iterable[IdentityType]) -> str:
    return ", ".join(sorted(kind.value for kind in types))


def _faults(candidate: Policy) -> Iterable[PolicyFault]:
    if candidate.version < 1:
        yield PolicyFault("version", "versions start at 1")
    if not candidate.ranking:
        yield PolicyFault("priority", "at least one identity type is needed, or nothing can ever match")
    twice = {kind for kind in candidate.priority if candidate.priority.count(kind) > 1}
    if twice:
        yield PolicyFault("priority", f"each type may stand in it once; twice: {_names(twice)}")
    not_login = candidate.immutable_ids - candidate.login_ids
    if not_login:
        yield PolicyFault("immutable_ids", f"an immutable type must also be a login ID: {_names(not_login)}")
    not_unique = candidate.immutable_ids - candidate.unique_ids
    if not_unique:
        yield PolicyFault("immutable_ids", f"an immutable type must also be unique: {_names(not_unique)}")
    if candidate.strategy is Strategy.BEST_MATCH:
        for member in ("login_ids", "unique_ids", "immutable_ids"):
            if getattr(candidate, member):
                yield PolicyFault(member, "best_match has none: everything accumulates on the best match")
    yield from _setting_faults(candidate.settings)


def _setting_faults(settings: Settings) -> Iterable[PolicyFault]:
    if not 0 <= settings.max_age_seconds <= MAX_AGE_SECONDS_MAX:
        yield PolicyFault("settings.max_age_seconds", f"0 to {MAX_AGE_SECONDS_MAX} seconds")
    for kind, most in settings.max_values.items():
        if not 1 <= most <= MAX_VALUES_MAX:
            yield PolicyFault(f"settings.max_values.{kind.value}", f"1 to {MAX_VALUES_MAX} values")
    if len(set(settings.tie_break)) != len(settings.tie_break):
        yield PolicyFault("settings.tie_break", "each rule may stand in it once")
    if not settings.tie_break or settings.tie_break[-1] is not TieBreak.SMALLEST_MPID:
        yield PolicyFault("settings.tie_break", "the last rule must be smallest_mpid, the only one that always decides")


def unreachable_flags(candidate: Policy) -> Mapping[str, frozenset[IdentityType]]:
    """Return the flagged types that stand outside the priority: legal, without effect, and probably a slip."""
    flags = {
        "login_ids": candidate.login_ids,
        "unique_ids": candidate.unique_ids,
        "immutable_ids": candidate.immutable_ids,
    }
    return {member: outside for member, types in flags.items() if (outside := types - candidate.ranked)}
