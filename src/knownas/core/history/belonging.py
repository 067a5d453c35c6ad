"""Says whom a batch of user data belongs to in a world: the profile it would have come to, had it come in that world.

A batch names a profile by its MPID, or was resolved by its identities. That resolution is a line of the log, whose answer
here is looked up; or it changed nothing and was not logged, and then it is asked again, of the records as they are here at
that time. Nobody is made for it: what makes a profile is a line.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, assert_never

from knownas.core.history.conditions import Conditions
from knownas.core.history.world import Line, Listen, World
from knownas.core.identity.decide import decide
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Policy


class Named(NamedTuple):
    """A batch that named a profile, at a time in Unix milliseconds."""

    mpid: int
    at_ms: int


class Decided(NamedTuple):
    """A batch whose profile was told by a line of the log."""

    seq: int


class Visit(NamedTuple):
    """A batch that was resolved without changing anything, under a version of the policy."""

    identities: tuple[Identity, ...]
    environment: Environment
    at_ms: int
    policy_version: int


Question = Named | Decided | Visit
Answers = Sequence[int | None]
"""A profile for each question, None for nobody."""


@dataclass(slots=True)
class Belonging:
    """Asks a component's worlds whom batches belong to. `mpids` are its profiles: others are the same in all worlds.

    A batch came before a line if any line up to that one is of a later time.
    """

    lines: Sequence[Line]
    mpids: Collection[int]
    policies: Mapping[int, Policy]
    questions: Sequence[Question]

    def under(self, conditions: Conditions) -> tuple[Listen, list[int | None]]:
        """Return who listens while a world is folded under these conditions, and the answers, which are there afterwards."""
        answers: list[int | None] = [None] * len(self.questions)
        latest = list(accumulate((line.logged.observation.at_ms for line in self.lines), max))
        waiting: dict[int, list[int]] = {}
        for number, question in enumerate(self.questions):
            place = len(self.lines) if isinstance(question, Decided) else bisect_right(latest, question.at_ms)
            waiting.setdefault(place, []).append(number)

        def listen(place: int, world: World) -> None:
            for number in waiting.get(place, ()):
                answers[number] = self._answer(self.questions[number], place, world, conditions)

        return listen, answers

    def _answer(self, question: Question, place: int, world: World, conditions: Conditions) -> int | None:
        match question:
            case Named(mpid):
                return world.means(mpid) if mpid in self.mpids else mpid
            case Decided(seq):
                return world.answers.get(seq)
            case Visit(identities, environment, at_ms, version):
                seq = self.lines[place - 1].seq if place else 0
                policy = self.policies.get(conditions.version(seq, version))
                if policy is None:
                    return None
                apart = conditions.quarantine
                counted = tuple(one for one in identities if one not in apart or apart[one].counts)
                request = IdentityRequest(Endpoint.IDENTIFY, at_ms, environment, "", counted)
                return decide(request, policy, world.records, 0, may_create=False).answered
            case _:
                assert_never(question)
