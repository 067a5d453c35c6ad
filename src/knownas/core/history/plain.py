"""Folds plain lines by a short cut: nobody known is asked for, or one profile that nothing stands in the way of.

Most lines of a log are of two kinds. Nobody holds any identity of an identify or login: a new profile gets them all, as that of a logout does. Or
the highest-ranked identity that is held sits on one profile alone, no guard keeps that profile back, no other profile
owns a login ID of the request, and nothing keeps the profile from what it lacks: it gets it. Then the records that
`decide` would make are clear without its receipt, in a sixth of its time. Whatever is not as plain is left to
`decide`: this module never forbids or refuses anything, and never chooses between profiles. A property test holds the two
against each other.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Final, NamedTuple

from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.learning import NEW
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.policy import LoginRequiresLoginId, LogoutLoginIds, Policy, Strategy
from knownas.core.identity.record import Record, Values, with_value
from knownas.core.identity.records import Records
from knownas.core.limits import RECORD_IDENTITIES_MAX

Pair = tuple[IdentityType, str]
"""An identity, or the plain tuple that is equal to it."""

_KIND: Final = itemgetter(0)
_NOTHING: Final[Values] = {}

SHAPES_MAX: Final = 10_000
"""Combinations of types that are remembered of one policy."""


class Shape(NamedTuple):
    """What the types of a request say about it, whatever its values are.

    `ranked` and `others` are the places of its identities that are looked up by, in priority order, and of those that
    are carried; `logins` are the places of login IDs among the ranked.
    """

    ranked: tuple[int, ...]
    others: tuple[int, ...]
    logins: tuple[int, ...]


class PlainRules:
    """What of a policy the short cut needs.

    `endpoints` are those whose requests can be plain, beside logouts where `logs_out` says so. `hindered` are types of which
    something can keep a value out; `guarded` and `login_types` are the policy's. `shapes` are those met so far.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy: Final = policy
        self.guarded: Final = policy.guarded
        self.login_types: Final = policy.login_types
        self.shapes: Final[dict[tuple[IdentityType, ...], Shape]] = {}
        is_best_match = policy.strategy is Strategy.BEST_MATCH
        isolates = policy.strategy is Strategy.PROFILE_ISOLATION
        setting = policy.settings.login_requires_login_id
        asks_for_login_id = setting is LoginRequiresLoginId.ALWAYS or (
            setting is LoginRequiresLoginId.ISOLATION_ONLY and isolates
        )
        plain = {Endpoint.IDENTIFY}
        if not is_best_match and not asks_for_login_id:
            plain.add(Endpoint.LOGIN)
        self.endpoints: Final = frozenset(plain)
        # Where login IDs of a logout are looked up by, it is no plain one.
        self.logs_out: Final = (
            policy.logout_makes_a_profile and policy.settings.logout_login_ids is not LogoutLoginIds.RESOLVE
        )
        self.hindered: Final = policy.unique_ids | policy.immutable_ids | frozenset(policy.settings.max_values)

    def take(
        self, request: IdentityRequest, records: Records, fresh_mpid: int | None, *, may_find: bool = True
    ) -> Record | None:
        """Decide and apply a plain line: return the one profile that it changes, as it is then.

        None: it is not plain, and nothing was done. `fresh_mpid` is what a new profile is called, None if the line must not
        make one; `may_find` says whether an existing one may be the answer.
        """
        identities = request.identities
        if request.endpoint not in self.endpoints:
            if request.endpoint is Endpoint.LOGOUT and self.logs_out:
                return self._logged_out(request.at_ms, identities, records, fresh_mpid)
            return None
        kinds = tuple(map(_KIND, identities))
        shape = self.shapes.get(kinds) or self.shape(kinds)
        holding = records.holding
        for place in shape.ranked:
            holder = holding.get(identities[place])
            if holder is not None:
                if type(holder) is int and may_find and not records.crowded:
                    return self._returned(holder, request.at_ms, identities, shape, records)
                return None
        return self._created(request.at_ms, identities, shape, records, fresh_mpid)

    def shape(self, kinds: tuple[IdentityType, ...]) -> Shape:
        """Return what the types of a request say about it."""
        found = self.shapes.get(kinds)
        if found is not None:
            return found
        places, logins = self.policy.places, self.policy.login_types
        ranked = sorted((one for one, kind in enumerate(kinds) if kind in places), key=lambda one: places[kinds[one]])
        others = sorted((one for one, kind in enumerate(kinds) if kind not in places), key=lambda one: kinds[one])
        shape = Shape(tuple(ranked), tuple(others), tuple(one for one in ranked if kinds[one] in logins))
        if len(self.shapes) < SHAPES_MAX:
            self.shapes[kinds] = shape
        return shape

    def _logged_out(
        self, at_ms: int, identities: tuple[Pair, ...], records: Records, fresh_mpid: int | None
    ) -> Record | None:
        """Make the anonymous profile of a logout, which gets what is neither a login ID nor somebody else's."""
        kept = tuple([one for one in identities if one[0] not in self.policy.login_ids])
        if any(one[0] in self.hindered and one in records.holding for one in kept):
            return None
        kinds = tuple(map(_KIND, kept))
        return self._created(at_ms, kept, self.shapes.get(kinds) or self.shape(kinds), records, fresh_mpid)

    def _created(
        self, at_ms: int, identities: tuple[Pair, ...], shape: Shape, records: Records, fresh_mpid: int | None
    ) -> Record | None:
        """Make a profile of identities that nobody holds."""
        ranked, others, logins = shape
        if not ranked or fresh_mpid is None:
            # Whether an empty record may be made is a rule.
            return None
        pairs = [identities[place] for place in ranked]
        values = {kind: (value,) for kind, value in pairs}
        carried = {kind: (value,) for kind, value in [identities[place] for place in others]} if others else _NOTHING
        record = Record(fresh_mpid, values, carried, bool(logins), at_ms, at_ms, None, NEW)
        records.extend(record, pairs)
        return record

    def _returned(
        self, mpid: int, at_ms: int, identities: tuple[Pair, ...], shape: Shape, records: Records
    ) -> Record | None:
        """Let the one profile that is found learn what it lacks, if nothing stands in the way."""
        before = records.record(mpid)
        if before is None:
            return None
        _, held, carried, _, created_ms, active_ms, source_mpid, version = before
        holding, room = records.holding, RECORD_IDENTITIES_MAX - len(identities)
        # Whatever it is found by is held: where no more is held by anybody, the record has room.
        if (carried or len(holding) > room) and before.size > room:
            return None
        if not self.guarded.isdisjoint(held) and guard_against(before, dict(identities), self.policy, searching=False):
            return None
        is_known = not self.login_types.isdisjoint(held)
        if shape.logins and not is_known:
            if self.policy.new_user_gets_a_profile or any(identities[place] in holding for place in shape.logins):
                return None
            is_known = True
        gained = self._gained(held, identities, shape.ranked, holding)
        carries = self._carried(carried, identities, shape.others) if shape.others else carried
        if gained is None or carries is None or not (gained or carries is not carried):
            return None
        if gained:
            values = dict(held)
            for kind, value in gained:
                values[kind] = (*values.get(kind, ()), value)
            held = values
        last_ms = max(active_ms, at_ms)
        after = Record(mpid, held, carries, is_known, created_ms, last_ms, source_mpid, version)
        records.extend(after, gained)
        return after

    def _gained(
        self, held: Values, identities: tuple[Pair, ...], ranked: tuple[int, ...], holding: Mapping[Pair, object]
    ) -> list[Pair] | None:
        """Return what a profile that holds some values can be looked up by when it has learnt everything, and not yet.

        None if something may keep it from that.
        """
        hindered = self.hindered
        gained: list[Pair] = []
        for place in ranked:
            pair = identities[place]
            kind, value = pair
            already = held.get(kind)
            if already is None:
                if kind in hindered and pair in holding:
                    return None
            elif value in already:
                continue
            elif kind in hindered:
                return None
            gained.append(pair)
        return gained

    def _carried(self, carried: Values, identities: tuple[Pair, ...], others: tuple[int, ...]) -> Values | None:
        """Return what a profile carries when it has learnt everything; None if something may keep it from that."""
        for place in others:
            kind, value = identities[place]
            already = carried.get(kind, ())
            if value not in already:
                if already and kind in self.hindered:
                    return None
                carried = with_value(carried, Identity(kind, value))
        return carried
