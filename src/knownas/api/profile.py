"""Serves the Profile API: what a workspace knows of a user, by MPID or by an immutable identity (platform §4).

Apps read it to personalise, so everything here is on a hot path, and plain ASGI. Every read goes to the store: it
sees each write that was acknowledged before it, by whichever process.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final, NamedTuple

import msgspec

from knownas.api.answering import HttpSurface
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.ids import id_number
from knownas.api.profile_wire import (
    Asked,
    Memberships,
    ProfileField,
    asked_of,
    environment_of,
    profile_document,
    subject_of,
)
from knownas.api.refusals import BAD_REQUEST, FORBIDDEN, UNAUTHORIZED, VALIDATION_ERROR
from knownas.api.routes import Route, Routes
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import client_allowances
from knownas.api.token import bearer_credential, challenge
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.config.values import Credential, Role
from knownas.core.audience.dates import NEVER
from knownas.core.identity.decision import Returned
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.record import parse_mpid
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.moments import DAY_MS
from knownas.core.profile.section import Section
from knownas.service.audience.subjects import with_grouped
from knownas.service.group.values import NO_VALUES, Values
from knownas.service.history.successors import gone_among
from knownas.service.identity.resolver import Overloaded
from knownas.service.lately import Lately
from knownas.service.profile.calculations import calculated_values
from knownas.service.profile.sections import read
from knownas.service.security.directory import Place
from knownas.service.security.tokens import TokenRefused, Tokens
from knownas.service.server import Service
from knownas.store.errors import StoreError
from knownas.store.port import SeenProfile, StoredProfile
from knownas.store.user_data import SectionKey, StoredSection

PREFIX: Final = "/userprofile/v1/"
PROFILE_API: Final = "profile_api"
"""The input name under which a resolve stands in its receipt."""

UNKNOWN_PROFILE: Final = "UNKNOWN_PROFILE"
NOT_IMMUTABLE: Final = "IDENTITY_TYPE_NOT_IMMUTABLE"
"""Codes of our own: the vendor answers an unknown MPID with 400 like any other fault; platform §4.3, §17-20."""

ANSWERS_REMEMBERED_MAX: Final = 8_192
ANSWER_BYTES_REMEMBERED_MAX: Final = 8_192
"""Answers that are remembered, and the bytes of one with the section that it was made of."""

_ENCODER: Final = msgspec.json.Encoder()
FOR_EVER_MS: Final = 2**62
"""Longer than anything: a dry run lets nothing get too old."""

_OPERATIONS: Final = ("readProfile", "resolveProfile")
"""As what it is noted who read a profile: by its MPID, or by an immutable identity."""

_TOO_OLD: Final = "The user has not been seen for longer than profiles are kept; identities lead to the profile again."
_ERASED: Final = "The profile was erased, at the wish of whom it was about."
_NO_PROFILE: Final = "No profile of this workspace's identity scope and environment is meant."


class ProfileTarget(NamedTuple):
    """What a path asks for: a workspace by its ids, and a profile by its MPID; None for a resolve."""

    organization: str
    account: str
    workspace: str
    mpid: str | None


_AskedFor = tuple[
    int, Environment, int, frozenset[ProfileField], int, Memberships, tuple[tuple[str, AttributeValue], ...]
]
"""A workspace, the environment and MPID of a profile, fields of it, the time as far as values depend on it, the audiences it is in, what its groups
have come to."""


class _Answered(NamedTuple):
    """An answer, and all that it was made of."""

    seen: SeenProfile
    body: bytes


_PLACE: Final = "{organization}/{account}/{workspace}"
ROUTES: Final = Routes(
    Route(f"{PREFIX}resolve/{_PLACE}", ("POST",), partial(ProfileTarget, mpid=None)),
    Route(f"{PREFIX}{_PLACE}/{{mpid}}", ("GET", "POST"), ProfileTarget),
)


class ProfileApi(HttpSurface[ProfileTarget]):
    """The Profile API of a service."""

    name = "profile"
    changes = False

    def __init__(self, service: Service, tokens: Tokens, telemetry: Telemetry) -> None:
        super().__init__(telemetry)
        self._store = service.store
        self._profiles = service.profiles
        self._audited = service.auditing.note
        self._directory = service.directory
        self._resolver = service.resolver
        self._clock = service.clock
        self._tokens = tokens
        self._answers: Lately[_AskedFor, _Answered] = Lately(ANSWERS_REMEMBERED_MAX)
        self._calculations = service.calculations
        self._audiences = service.activation.audiences
        self._groups = service.activation.groups
        self._allowances = client_allowances()
        retention = service.configuration.retention
        self._kept_ms: Final = FOR_EVER_MS if retention.dry_run else retention.sections_days * DAY_MS
        sharing: dict[str, set[int]] = {}
        for place in service.directory.places:
            sharing.setdefault(place.rules.scope, set()).add(place.workspace.id)
        self._sharing: Final[Mapping[str, AbstractSet[int]]] = sharing

    async def answer(
        self, target: ProfileTarget, scope: Scope, receive: Receive, headers: list[Header]
    ) -> tuple[int, bytes]:
        """Return what a workspace knows of the user who is meant."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        credential = bearer_credential(scope["headers"], given, self._tokens, self._clock())
        if isinstance(credential, TokenRefused):
            asking = (challenge(credential),)
            raise RequestRefused(401, credential.fault.value, credential.sentence, asking, UNAUTHORIZED)
        self._allowances.admit(credential.client_id, credential.limits, headers)
        place = self._place(target, credential)
        try:
            asked = asked_of(scope["query_string"])
            if target.mpid is not None:
                environment, seen = await self._named(target.mpid, place, asked.environment)
            else:
                environment, seen = await self._resolved(body, asked, place, headers)
        except Malformed as malformed:
            raise _malformed(malformed) from malformed
        except (Overloaded, StoreError) as error:
            raise unavailable(error, "The store can't be read.") from error
        if self._is_too_old(place, environment, seen):
            raise RequestRefused(400, "unknown_profile", _TOO_OLD, code=UNKNOWN_PROFILE)
        try:
            memberships = await self._memberships(place, environment, seen, asked.fields)
            grouped = await self._grouped(place, environment, seen, asked.fields)
        except StoreError as error:
            raise unavailable(error, "The store can't be read.") from error
        self._audited(seen.stored.record.mpid, credential.client_id, _OPERATIONS[target.mpid is None], 200)
        return 200, self._shown(place, environment, seen, asked.fields, memberships, grouped)

    def _is_too_old(self, place: Place, environment: Environment, seen: SeenProfile) -> bool:
        """Whether the user was last seen longer ago than profiles are kept; platform §4.3, §13.

        Its identity record is still there, and who comes back is found again.
        """
        oldest_ms = self._clock() - self._kept_ms
        record = seen.stored.record
        if record.active_ms >= oldest_ms or self._profiles.last_active_ms(record) >= oldest_ms:
            return False
        sections = self._sections_of(place, environment, seen).values()
        return all(read(one).last_seen_ms < oldest_ms for one in sections)

    def _sections_of(
        self, place: Place, environment: Environment, seen: SeenProfile
    ) -> Mapping[SectionKey, StoredSection]:
        """Return what the workspaces of a scope know of a profile in one environment."""
        sharing = self._sharing[place.rules.scope]
        return {
            key: stored
            for key, stored in seen.sections.items()
            if key.environment == environment and key.workspace in sharing
        }

    async def _memberships(
        self, place: Place, environment: Environment, seen: SeenProfile, fields: frozenset[ProfileField]
    ) -> Memberships:
        """Return the audiences of the workspace that a profile is in, if they are asked for."""
        if ProfileField.AUDIENCE_MEMBERSHIPS not in fields:
            return ()
        key = SectionKey(place.workspace.id, environment.value, seen.stored.record.mpid)
        return tuple(
            (one.audience.id, one.audience.document.name, None if one.until_ms == NEVER else one.until_ms)
            for one in await self._audiences.memberships(key)
        )

    async def _grouped(
        self, place: Place, environment: Environment, seen: SeenProfile, fields: frozenset[ProfileField]
    ) -> Values:
        """Return what the profile's groups have come to, if attributes are asked for; platform §9."""
        key = SectionKey(place.workspace.id, environment.value, seen.stored.record.mpid)
        stored = seen.sections.get(key)
        if stored is None or ProfileField.USER_ATTRIBUTES not in fields or not self._groups.has_groups(key.workspace):
            return NO_VALUES
        return await self._groups.values(key, read(stored))

    def _shown(
        self,
        place: Place,
        environment: Environment,
        seen: SeenProfile,
        fields: frozenset[ProfileField],
        memberships: Memberships,
        grouped: Values,
    ) -> bytes:
        """Write the answer, or take the last one, if it was written of just the same.

        Apps ask for a user again and again. What is compared is all that an answer is made of, as it was just read.
        """
        now_ms = self._clock()
        calculations = self._calculations.get(place.workspace.id)
        tick = 0 if calculations is None else calculations.tick(now_ms)
        asked = (
            place.workspace.id,
            environment,
            seen.stored.record.mpid,
            fields,
            tick,
            memberships,
            tuple(sorted(grouped.items())),
        )
        known = self._answers.find(asked)
        if known is not None and known.seen == seen:
            return known.body
        own: Section | None = None
        others: list[Section] = []
        for key, stored in self._sections_of(place, environment, seen).items():
            if key.workspace == place.workspace.id:
                own = with_grouped(read(stored), grouped, now_ms)
            else:
                others.append(read(stored))
        calculated = calculated_values(self._calculations, place.workspace.id, own, now_ms)
        body = _ENCODER.encode(profile_document(seen.stored.record, own, fields, calculated, others, memberships))
        size = len(body) + sum(len(one.document) for one in seen.sections.values())
        if size <= ANSWER_BYTES_REMEMBERED_MAX:
            self._answers.note(asked, _Answered(seen, body))
        return body

    def _place(self, target: ProfileTarget, credential: Credential) -> Place:
        """Return the workspace that a path names. One that may not be reached is refused like one that is not there."""
        if credential.role is not Role.READ_ONLY:
            sentence = f"A credential of the role {credential.role.value} does not read profiles; use a read_only one."
            raise RequestRefused(403, "role_not_allowed", sentence, code=FORBIDDEN)
        # 0 is what nothing has.
        ids = (id_number(target.organization) or 0, id_number(target.account) or 0, id_number(target.workspace) or 0)
        place = self._directory.place(*ids) if ids[2] in credential.workspaces else None
        if place is None:
            sentence = (
                "The credential does not reach a workspace with these ids of organization, account and workspace."
            )
            raise RequestRefused(403, "workspace_not_allowed", sentence, code=FORBIDDEN)
        return place

    async def _named(self, mpid: str, place: Place, environment: Environment | None) -> tuple[Environment, SeenProfile]:
        """Find a profile by its MPID, in the environment that is asked for; otherwise in its own.

        Identities belong to the scope: a profile that another of its workspaces has made is found here too, with
        nothing of what only that workspace knows.
        """
        number = parse_mpid(mpid)
        if number is None:
            raise RequestRefused(400, "malformed_mpid", "An MPID is a signed 64-bit integer that is not 0.")
        seen = await self._store.seen_profile(number)
        if seen is not None and not seen.stored.record.size:
            # A correction may have made it go; then whoever answers for it is meant.
            if await self._store.privacy.tombstones([number]):
                raise RequestRefused(400, "erased", _ERASED, code=UNKNOWN_PROFILE)
            successor = (await gone_among(self._store, [seen.stored.record])).get(number)
            seen = seen if successor is None else await self._store.seen_profile(successor)
        if seen is not None:
            # An MPID names one profile in all environments, so it says which one is meant.
            for one in Environment if environment is None else (environment,):
                if seen.stored.pool == place.rules.pool(one):
                    return one, seen
        raise RequestRefused(400, "unknown_profile", _NO_PROFILE, code=UNKNOWN_PROFILE)

    async def _resolved(
        self, body: bytes, asked: Asked, place: Place, headers: list[Header]
    ) -> tuple[Environment, SeenProfile]:
        """Find a profile by an immutable identity, as a search would that keeps nothing; idsync §5.3."""
        subject = subject_of(body)
        environment = environment_of(asked, subject.environment)
        policy = place.rules.policy
        if subject.identity.type not in policy.immutable_ranking:
            named = ", ".join(kind.value for kind in policy.immutable_ranking) or "none"
            sentence = f"Only immutable identity types of the scope are resolved; by their IDSync names: {named}."
            raise RequestRefused(400, "identity_type_not_immutable", sentence, code=NOT_IMMUTABLE)
        request = IdentityRequest(Endpoint.SEARCH, self._clock(), environment, PROFILE_API, (subject.identity,))
        answer = await self._resolver.submit(place.rules.ask(request, may_create=False, writes=False))
        headers.append((b"x-decision-id", answer.decision_id.encode()))
        record = answer.decision.record
        if record is None or not isinstance(answer.decision.outcome, Returned):
            raise RequestRefused(400, "unknown_profile", _NO_PROFILE, code=UNKNOWN_PROFILE)
        sections = await self._store.user_data.sections_of(record.mpid)
        return environment, SeenProfile(StoredProfile(place.rules.pool(environment), record), sections)


def _malformed(malformed: Malformed) -> RequestRefused:
    code = BAD_REQUEST if malformed.reason in ("malformed_json", "too_deep", "malformed_query") else VALIDATION_ERROR
    status = 414 if malformed.reason == "query_too_long" else 400
    return RequestRefused(status, malformed.reason, malformed.sentence, code=code)
