"""Says which values a server in the mode quarantine would have set aside by the end of a world.

Values are found as the server finds them: by their looks, or when they have met more than their limits allow, counted
over the calls so far that changed something. What a server finds late it takes out of the past as well, so the world is
played again with all of them set aside from its first day on; what comes of that is what the server has in the end.
"""

from collections.abc import Collection

from knownas.core.history.meetings import Meetings, naming_of
from knownas.core.identity.decision import Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import IdentityRequest, ModifyRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record
from knownas.core.identity.toxic import unlike_a_person


class Quarantine:
    """The values that are set aside, and whom the others have met so far."""

    def __init__(self, policy: Policy, aside: Collection[Identity] = ()) -> None:
        self._policy = policy
        self.aside = set(aside)
        self._meetings: dict[Identity, Meetings] = {}

    def without(self, observation: IdentityRequest | ModifyRequest) -> IdentityRequest | ModifyRequest:
        """Return an observation without what is set aside."""
        if isinstance(observation, IdentityRequest):
            left = tuple(one for one in observation.identities if not self._is_toxic(one))
            return observation._replace(identities=left)
        changes = tuple(
            one
            for one in observation.changes
            if one.new_value is None or not self._is_toxic(Identity(one.type, one.new_value))
        )
        return ModifyRequest(observation.at_ms, observation.environment, observation.input, observation.mpid, changes)

    def saw(self, observation: IdentityRequest | ModifyRequest, decision: Decision, record: Record | None) -> None:
        """Count what a call that changed something named together."""
        if not decision.writes:
            return
        held = {} if record is None else record.identities
        whose = [Identity(kind, value) for kind in self._policy.login_types for value in held.get(kind, ())]
        naming = naming_of(observation, whose)
        for one in naming.identities:
            if one.type in self._policy.ranked:
                meetings = self._meetings.setdefault(one, Meetings(one))
                meetings.add(naming)
                if meetings.excess(self._policy.settings.toxic.limit(one.type), self._policy) is not None:
                    self.aside.add(one)

    def _is_toxic(self, one: Identity) -> bool:
        return one in self.aside or unlike_a_person(one) is not None
