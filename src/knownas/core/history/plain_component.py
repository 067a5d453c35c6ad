"""Folds a whole component whose lines are all plain, without a record or a write for each line.

What a plain line does is said in `plain`: it makes a profile of identities that nobody holds, or lets the one that is found
learn what nothing forbids. Where all lines of a component are plain, only the records that come out are wanted, and each is made
once, at the end: a third of the time. At the first line that is not plain, or does not do what was logged of it, this
gives up, and the component is for `fold`. A property test holds the two against each other.
"""

from operator import itemgetter
from typing import Final

from knownas.core.history.plain import Pair, PlainRules, Shape
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.learning import NEW
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.record import Record
from knownas.core.limits import RECORD_IDENTITIES_MAX

_KIND: Final = itemgetter(0)

_Values = dict[IdentityType, tuple[str, ...]]


class _Growing:
    """A profile of which more is becoming known. Times are Unix milliseconds; `size` is the number of its values."""

    __slots__ = ("active_ms", "carried", "created_ms", "known", "size", "values")

    def __init__(self, at_ms: int, values: _Values, carried: _Values, size: int, *, known: bool) -> None:
        self.values = values
        self.carried = carried
        self.size = size
        self.known = known
        self.created_ms = at_ms
        self.active_ms = at_ms

    def record(self, mpid: int) -> Record:
        """Return the record as it is now. It shares its values with this one."""
        return Record(mpid, self.values, self.carried, self.known, self.created_ms, self.active_ms, None, NEW)


class PlainComponent:
    """The profiles of a component as long as all its lines are plain. Of no use after a line that was not."""

    __slots__ = ("_holding", "_profiles")

    def __init__(self) -> None:
        self._profiles: dict[int, _Growing] = {}
        self._holding: dict[Pair, int | set[int]] = {}

    def records(self) -> dict[int, Record]:
        """Return the records that the lines come to, by MPID."""
        return {mpid: profile.record(mpid) for mpid, profile in self._profiles.items()}

    def take(self, request: IdentityRequest, rules: PlainRules, made: int | None, changed: int) -> bool:
        """Fold the next line; False if it is not plain or does not do what was logged: `made` a profile, `changed` one."""
        identities = request.identities
        if request.endpoint not in rules.endpoints:
            is_plain_logout = request.endpoint is Endpoint.LOGOUT and rules.logs_out and made == changed
            return is_plain_logout and self._logs_out(request, rules, changed)
        kinds = tuple(map(_KIND, identities))
        shape = rules.shapes.get(kinds) or rules.shape(kinds)
        holding = self._holding
        for place in shape.ranked:
            holder = holding.get(identities[place])
            if holder is not None:
                return made is None and holder == changed and self._learns(request, rules, shape, changed)
        return made == changed and self._made(request.at_ms, identities, shape, changed)

    def _logs_out(self, request: IdentityRequest, rules: PlainRules, mpid: int) -> bool:
        """Make the anonymous profile of a logout, which gets what is neither a login ID nor somebody else's."""
        kept = tuple([one for one in request.identities if one[0] not in rules.policy.login_ids])
        if any(one[0] in rules.hindered and one in self._holding for one in kept):
            return False
        return self._made(request.at_ms, kept, rules.shape(tuple(map(_KIND, kept))), mpid)

    def _made(self, at_ms: int, identities: tuple[Pair, ...], shape: Shape, mpid: int) -> bool:
        """Make a profile of all identities."""
        ranked, others, logins = shape
        if not ranked or mpid in self._profiles:
            return False
        values: _Values = {}
        hold = self._holding.setdefault
        for place in ranked:
            pair = identities[place]
            values[pair[0]] = (pair[1],)
            if hold(pair, mpid) != mpid:
                self._shared(pair, mpid)
        carried = {identities[place][0]: (identities[place][1],) for place in others} if others else {}
        self._profiles[mpid] = _Growing(at_ms, values, carried, len(identities), known=bool(logins))
        return True

    def _shared(self, pair: Pair, mpid: int) -> None:
        """Let an identity that others hold lead to one more profile."""
        holder = self._holding[pair]
        if isinstance(holder, int):
            self._holding[pair] = {holder, mpid}
        else:
            holder.add(mpid)

    def _learns(self, request: IdentityRequest, rules: PlainRules, shape: Shape, mpid: int) -> bool:
        """Let a profile learn what it lacks; False if something may keep it from that, or it lacks nothing."""
        profile, identities = self._profiles[mpid], request.identities
        values, logins = profile.values, shape.logins
        if profile.size > RECORD_IDENTITIES_MAX - len(identities):
            return False
        is_known = not rules.login_types.isdisjoint(values)
        if logins and not is_known:
            if rules.policy.new_user_gets_a_profile or any(identities[place] in self._holding for place in logins):
                return False
        elif not rules.guarded.isdisjoint(values) and guard_against(
            profile.record(mpid), dict(identities), rules.policy, searching=False
        ):
            return False
        gained = self._gained(identities, rules, shape, mpid)
        if not gained:
            return False
        profile.size += gained
        profile.known = is_known or bool(logins)
        profile.active_ms = max(request.at_ms, profile.active_ms)
        return True

    def _gained(self, identities: tuple[Pair, ...], rules: PlainRules, shape: Shape, mpid: int) -> int:
        """Add what a profile lacks; return how much that is, 0 also if something may keep the profile from it."""
        profile, hindered, gained = self._profiles[mpid], rules.hindered, 0
        values, hold = profile.values, self._holding.setdefault
        for place in shape.ranked:
            pair = identities[place]
            kind, value = pair
            already = values.get(kind)
            if already is None:
                if kind in hindered and pair in self._holding:
                    return 0
                values[kind] = (value,)
            elif value in already:
                continue
            elif kind in hindered:
                return 0
            else:
                values[kind] = (*already, value)
            gained += 1
            if hold(pair, mpid) != mpid:
                self._shared(pair, mpid)
        for place in shape.others:
            kind, value = identities[place]
            already = profile.carried.get(kind, ())
            if value not in already:
                if already and kind in hindered:
                    return 0
                profile.carried[kind] = (*already, value)
                gained += 1
        return gained
