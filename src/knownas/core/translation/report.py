"""Counts what came of translating many profiles: how many identities of each type go out, and who is skipped for which reason."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, assert_never

from knownas.core.translation.outcome import Skipped, Translated, Translation
from knownas.core.translation.reason import Reason, sentence
from knownas.core.translation.target import Target


class Why(NamedTuple):
    """A reason, and what it is about: identity types or a purpose."""

    reason: Reason
    about: str

    @property
    def sentence(self) -> str:
        """What to say of each of them."""
        return sentence(self.reason, self.about)


class Report(NamedTuple):
    """What went out, and why the rest did not. A profile is sent or skipped; a value may be left out of either's."""

    members: int
    sent: int
    identities: Counter[tuple[str, Target]]
    skipped: Counter[Why]
    left_out: Counter[Why]


def report_of(translations: Iterable[Translation]) -> Report:
    """Count translations. `identities` are by slot and type; nothing in it names a user."""
    members = sent = 0
    identities: Counter[tuple[str, Target]] = Counter()
    skipped: Counter[Why] = Counter()
    left_out: Counter[Why] = Counter()
    for one in translations:
        members += 1
        match one:
            case Translated():
                sent += 1
                identities.update((each.slot, each.target) for each in one.identities)
                left_out.update(Why(each.reason, each.target.value) for each in one.left_out)
            case Skipped():
                skipped[Why(one.reason, one.about)] += 1
            case _:
                assert_never(one)
    return Report(members, sent, identities, skipped, left_out)
