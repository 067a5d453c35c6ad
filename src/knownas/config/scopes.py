"""Reads identity scopes: the tables of a scope and of its settings, and the policy that they make."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from knownas.config.identity_types import TypeLimits, TypeName
from knownas.config.limits import NAME_CHARACTERS_MAX, TYPES_MAX
from knownas.config.listing import Listing, Naming
from knownas.config.reading import Unreadable
from knownas.config.sections import NEEDED, Given, Member, Section
from knownas.config.shapes import Choice, Flag, Text, Whole
from knownas.config.toxic import TOXIC
from knownas.config.values import Scope
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import (
    MAX_AGE_SECONDS_MAX,
    BestMatchLoginLogout,
    Capture,
    EmptyRecord,
    EnvironmentPools,
    EphemeralPolicy,
    ErrorBody,
    InvalidPolicy,
    LoginRequiresLoginId,
    LogoutLoginIds,
    Policy,
    PolicyFault,
    SearchImmutablePolicy,
    Settings,
    Strategy,
    TieBreak,
    policy,
)

SCOPE_NAME: Final = "scope"
"""The kind of name that a workspace refers to."""

SCOPE_NAME_TEXT: Final = Text(
    NAME_CHARACTERS_MAX,
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"),
    "letters, digits, '.', '_' and '-', the first a letter or digit",
)

_TYPES: Final = Listing(TypeName(), TYPES_MAX)
_PRESET: Final = "the strategy's preset"
_DEFAULTS: Final = Settings()

IMPLICIT_DAS: Final = Member(
    "implicit_das",
    Flag(),
    _DEFAULTS.implicit_das,
    "Append device_application_stamp to the priority if it is not in it.",
    "idsync §2.1",
)
SEARCH_IMMUTABLE_POLICY: Final = Member(
    "search_immutable_policy",
    Choice(SearchImmutablePolicy),
    _DEFAULTS.search_immutable_policy,
    "What search needs where there are immutable types: a matching one, or no more than the lookup guards ask.",
    "idsync §7-6",
)
LOGOUT_LOGIN_IDS: Final = Member(
    "logout_login_ids",
    Choice(LogoutLoginIds),
    _DEFAULTS.logout_login_ids,
    "Whether the login IDs sent with a logout are ignored, or looked up and kept.",
    "idsync §7-14",
)
BEST_MATCH_LOGIN_LOGOUT: Final = Member(
    "best_match_login_logout",
    Choice(BestMatchLoginLogout),
    _DEFAULTS.best_match_login_logout,
    "How best_match, which knows no login and logout, answers them.",
    "idsync §7-13",
)
LOGIN_REQUIRES_LOGIN_ID: Final = Member(
    "login_requires_login_id",
    Choice(LoginRequiresLoginId),
    _DEFAULTS.login_requires_login_id,
    "Where a login without a login ID is refused; isolation_only means under profile_isolation.",
    "idsync §7-12",
)
MAX_VALUES: Final = Member(
    "max_values",
    TypeLimits(),
    _DEFAULTS.max_values,
    "The most values of a type that one record holds, for example {email: 3}. A type left out has no limit.",
    "idsync §2.3",
)
ENVIRONMENT_POOLS: Final = Member(
    "environment_pools",
    Choice(EnvironmentPools),
    _DEFAULTS.environment_pools,
    "Whether development and production have profiles of their own.",
    "idsync §7-36",
)
TIE_BREAK: Final = Member(
    "tie_break",
    Listing(Choice(TieBreak), TYPES_MAX),
    _DEFAULTS.tie_break,
    "Which of several profiles is taken that are left after the last lookup: the first rule that picks one. "
    "smallest_mpid comes last, and is appended if it is missing.",
    "idsync §7-9",
)
IS_EPHEMERAL_POLICY: Final = Member(
    "is_ephemeral_policy",
    Choice(EphemeralPolicy),
    _DEFAULTS.is_ephemeral_policy,
    "When a client is told that it may forget an identity: for anonymous profiles, if the strategy makes a new one "
    "on logout, or never.",
    "idsync §4.2",
)
EMPTY_RECORD: Final = Member(
    "empty_record",
    Choice(EmptyRecord),
    _DEFAULTS.empty_record,
    "What to do with a request none of whose identities a new profile could hold.",
    "idsync §7-40",
)
MODIFY_DEVICE_APPLICATION_STAMP: Final = Member(
    "modify_device_application_stamp",
    Flag(),
    _DEFAULTS.modify_device_application_stamp,
    "Let modify change the device_application_stamp.",
    "idsync §7-27",
)
MAX_AGE_SECONDS: Final = Member(
    "max_age_seconds",
    Whole(0, MAX_AGE_SECONDS_MAX),
    _DEFAULTS.max_age_seconds,
    "How many seconds a client may reuse an answer of identify or login.",
    "idsync §4.2",
)
CAPTURE: Final = Member(
    "capture",
    Choice(Capture),
    _DEFAULTS.capture,
    "Which observations the log keeps: those that changed something, or all.",
)
ERROR_BODY: Final = Member(
    "error_body",
    Choice(ErrorBody),
    _DEFAULTS.error_body,
    "Which spellings of the error members a refusal of IDSync carries.",
    "idsync §7-21",
)


def _settings(given: Given) -> Settings:
    """Build the settings, with the defaults of what is unreadable, so that the policy's other faults are found."""
    tie_break = given.or_else(TIE_BREAK, _DEFAULTS.tie_break)
    if TieBreak.SMALLEST_MPID not in tie_break:
        tie_break = (*tie_break, TieBreak.SMALLEST_MPID)
    return Settings(
        implicit_das=given.or_else(IMPLICIT_DAS, _DEFAULTS.implicit_das),
        search_immutable_policy=given.or_else(SEARCH_IMMUTABLE_POLICY, _DEFAULTS.search_immutable_policy),
        logout_login_ids=given.or_else(LOGOUT_LOGIN_IDS, _DEFAULTS.logout_login_ids),
        best_match_login_logout=given.or_else(BEST_MATCH_LOGIN_LOGOUT, _DEFAULTS.best_match_login_logout),
        login_requires_login_id=given.or_else(LOGIN_REQUIRES_LOGIN_ID, _DEFAULTS.login_requires_login_id),
        max_values=given.or_else(MAX_VALUES, _DEFAULTS.max_values),
        environment_pools=given.or_else(ENVIRONMENT_POOLS, _DEFAULTS.environment_pools),
        tie_break=tie_break,
        is_ephemeral_policy=given.or_else(IS_EPHEMERAL_POLICY, _DEFAULTS.is_ephemeral_policy),
        empty_record=given.or_else(EMPTY_RECORD, _DEFAULTS.empty_record),
        modify_device_application_stamp=given.or_else(
            MODIFY_DEVICE_APPLICATION_STAMP, _DEFAULTS.modify_device_application_stamp
        ),
        max_age_seconds=given.or_else(MAX_AGE_SECONDS, _DEFAULTS.max_age_seconds),
        capture=given.or_else(CAPTURE, _DEFAULTS.capture),
        error_body=given.or_else(ERROR_BODY, _DEFAULTS.error_body),
        toxic=given.or_else(TOXIC, _DEFAULTS.toxic),
    )


SETTINGS_SECTION: Final = Section(
    "Settings of a scope",
    (
        IMPLICIT_DAS,
        SEARCH_IMMUTABLE_POLICY,
        LOGOUT_LOGIN_IDS,
        BEST_MATCH_LOGIN_LOGOUT,
        LOGIN_REQUIRES_LOGIN_ID,
        MAX_VALUES,
        ENVIRONMENT_POOLS,
        TIE_BREAK,
        IS_EPHEMERAL_POLICY,
        EMPTY_RECORD,
        MODIFY_DEVICE_APPLICATION_STAMP,
        MAX_AGE_SECONDS,
        CAPTURE,
        ERROR_BODY,
        TOXIC,
    ),
    _settings,
)

NAME: Final = Member(
    "name",
    Naming(SCOPE_NAME_TEXT, SCOPE_NAME),
    NEEDED,
    "The name by which workspaces and the API call the scope. A scope named workspace-ID rules the workspace of "
    "that id if the workspace names none.",
    "idsync §1.2",
)
STRATEGY: Final = Member(
    "strategy",
    Choice(Strategy),
    Strategy.DEFAULT,
    "How anonymous and known users meet.",
    "idsync §3.1",
)
PRIORITY: Final = Member[tuple[IdentityType, ...] | None](
    "priority",
    _TYPES,
    None,
    "The types by which profiles are looked up, in this order; a type outside it never matches.",
    "idsync §2.1",
    _PRESET,
)
LOGIN_IDS: Final = Member[tuple[IdentityType, ...] | None](
    "login_ids",
    _TYPES,
    None,
    "The types that make a profile known; a known profile is returned only to a request with one that matches.",
    "idsync §2.2",
    _PRESET,
)
UNIQUE_IDS: Final = Member[tuple[IdentityType, ...] | None](
    "unique_ids",
    _TYPES,
    None,
    "The types whose values are on one profile at most.",
    "idsync §2.3",
    _PRESET,
)
IMMUTABLE_IDS: Final = Member[tuple[IdentityType, ...] | None](
    "immutable_ids",
    _TYPES,
    None,
    "The types that can't change once set; each must be among login_ids and unique_ids as well.",
    "idsync §2.4",
    "the strategy's preset, without what is no login and unique ID",
)
SETTINGS: Final = Member("settings", SETTINGS_SECTION, _DEFAULTS, "How the finer points are decided.", "idsync §8")

_FAULT_RESTS_ON: Final[Mapping[str, tuple[Member[object], ...]]] = MappingProxyType(
    {
        "priority": (PRIORITY, SETTINGS),
        "login_ids": (LOGIN_IDS,),
        "unique_ids": (UNIQUE_IDS,),
        "immutable_ids": (LOGIN_IDS, UNIQUE_IDS, IMMUTABLE_IDS),
    }
)
"""The members that must be readable for a policy's fault to be worth telling: others would only follow from them."""


def _scope(given: Given) -> Scope:
    ruled_by = _policy(given)
    return Scope(given[NAME], ruled_by)


def _policy(given: Given) -> Policy:
    strategy = given[STRATEGY]
    settings = given.or_else(SETTINGS, _DEFAULTS)
    try:
        made = policy(
            strategy,
            priority=given.or_else(PRIORITY, None),
            login_ids=given.or_else(LOGIN_IDS, None),
            unique_ids=given.or_else(UNIQUE_IDS, None),
            immutable_ids=given.or_else(IMMUTABLE_IDS, None),
            settings=settings,
        )
    except InvalidPolicy as invalid:
        for fault in invalid.faults:
            if given.readable(*_FAULT_RESTS_ON.get(fault.member, ())):
                _note(fault, given)
        raise Unreadable from None
    if not given.readable(PRIORITY, LOGIN_IDS, UNIQUE_IDS, IMMUTABLE_IDS, SETTINGS):
        raise Unreadable
    return made


def _note(fault: PolicyFault, given: Given) -> None:
    """Note a policy's fault at the list that it is about, or at the strategy if the file leaves the list out."""
    lines = given.reading.lines
    here = given.place
    for name in fault.member.split("."):
        here = here.member(name)
    line = lines.get(here.path, lines.get(given.place.member(STRATEGY.name).path, given.place.line))
    given.reading.faults.add(line, here.path, fault.sentence)


SCOPE_SECTION: Final = Section(
    "A scope",
    (NAME, STRATEGY, PRIORITY, LOGIN_IDS, UNIQUE_IDS, IMMUTABLE_IDS, SETTINGS),
    _scope,
)

POLICY_SECTION: Final = Section(
    "A policy", (STRATEGY, PRIORITY, LOGIN_IDS, UNIQUE_IDS, IMMUTABLE_IDS, SETTINGS), _policy
)
"""The rules of a scope by themselves, as they are rehearsed or published."""
