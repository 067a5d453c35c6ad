"""Folds plain lines by a short cut: nobody known is asked for, or one profile that nothing stands in the way of.

Most lines of a log are of two kinds. Nobody holds any identity of an identify or login: a new profile gets them all, as that of a logout does. Or
the highest-ranked identity that is held sits on one profile alone, no guard keeps that profile back, no other profile
owns a login ID of the request, and nothing keeps the profile from what it lacks: it gets it. Then the records that
`decide` would make are clear without its receipt, in a sixth of its time. Whatever is not as plain is left to
`decide`: this module never forbids or refuses anything, and never chooses between profiles. A property test holds the two
against each other.
"""

from collections.abc import Callable, Mapping, Sequence
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


Pick = Callable[[tuple[Pair, ...]], tuple[Pair, ...]]
"""Takes some of a request's identities, always those at the same places."""


class Shape(NamedTuple):
    """What the types of a request say about it, whatever its values are.

    `ranked` takes its identities that are looked up by, in priority order; `others`, None if there are none, those that
    are carried, and `logins` the login IDs among the ranked.
    """

    ranked: Pick | None
    others: Pick | None
    logins: Pick | None


def _picking(places: Sequence[int]) -> Pick | None:
    """Return what takes the identities at some places; None if there are none."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1)) if places else None


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
        if shape.ranked is None:
            # Whether an empty record may be made is a rule.
            return None
        ranked = shape.ranked(identities)
        find = records.holding.get
        for pair in ranked:
            holder = find(pair)
            if holder is not None:
                if type(holder) is int and may_find and not records.crowded:
                    return self._returned(holder, request.at_ms, identities, ranked, shape, records)
                return None
        return _created(request.at_ms, identities, ranked, shape, records, fresh_mpid)

    def shape(self, kinds: tuple[IdentityType, ...]) -> Shape:
        """Return what the types of a request say about it."""
        found = self.shapes.get(kinds)
        if found is not None:
            return found
        places, logins = self.policy.places, self.policy.login_types
        ranked = sorted((one for one, kind in enumerate(kinds) if kind in places), key=lambda one: places[kinds[one]])
        others = sorted((one for one, kind in enumerate(kinds) if kind not in places), key=lambda one: kinds[one])
        shape = Shape(_picking(ranked), _picking(others), _picking([one for one in ranked if kinds[one] in logins]))
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
        shape = self.shape(tuple(map(_KIND, kept)))
        return None if shape.ranked is None else _created(at_ms, kept, shape.ranked(kept), shape, records, fresh_mpid)

    def _returned(
        self,
        mpid: int,
        at_ms: int,
        identities: tuple[Pair, ...],
        ranked: tuple[Pair, ...],
        shape: Shape,
        records: Records,
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
        if shape.logins is not None and not is_known:
            if self.policy.new_user_gets_a_profile or not holding.keys().isdisjoint(shape.logins(identities)):
                return None
            is_known = True
        gained = self._gained(held, ranked, holding)
        carries = carried if shape.others is None else self._carried(carried, shape.others(identities))
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

    def _gained(self, held: Values, ranked: tuple[Pair, ...], holding: Mapping[Pair, object]) -> list[Pair] | None:
        """Return what a profile that holds some values can be looked up by when it has learnt everything, and not yet.

        None if something may keep it from that.
        """
        hindered = self.hindered
        gained: list[Pair] = []
        for pair in ranked:
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

    def _carried(self, carried: Values, others: tuple[Pair, ...]) -> Values | None:
        """Return what a profile carries when it has learnt everything; None if something may keep it from that."""
        for kind, value in others:
            already = carried.get(kind, ())
            if value not in already:
                if already and kind in self.hindered:
                    return None
                carried = with_value(carried, Identity(kind, value))
        return carried


def _created(
    at_ms: int,
    identities: tuple[Pair, ...],
    ranked: tuple[Pair, ...],
    shape: Shape,
    records: Records,
    fresh_mpid: int | None,
) -> Record | None:
    """Make a profile of identities that nobody holds; None if that is not wanted."""
    if fresh_mpid is None:
        return None
    carried = _NOTHING if shape.others is None else {kind: (value,) for kind, value in shape.others(identities)}
    values = {kind: (value,) for kind, value in ranked}
    record = Record(fresh_mpid, values, carried, shape.logins is not None, at_ms, at_ms, None, NEW)
    records.extend(record, ranked)
    return record
