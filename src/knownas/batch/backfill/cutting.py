"""Decides which values of a component that is too large are set aside, so that it falls into components that are not.

Theory of operation
===================

The observations of one person share that person's identities, so the component that they form is about as large as the
person's history is varied. A component of many thousand different observations is not a person. It is many people whom some
values join that are nobody's own: `guest@example.com`, `null`, an advertising ID of zeros, the tablet at the till.

Such a value shows itself by its **meetings**: the number of different observations, in all their identities, in which it
stands. A person's own e-mail meets the person's few devices and numbers, however often the person comes; a value that
everybody enters meets everybody. So of a component that is too large, every value is set aside that meets more than the
limit of its type: fewer for a login or unique type, which is said to name one user, than for a device or a phone, which
a family may share.

If no value is beyond its limit, the component holds together by many values that each are met moderately, in which case the
most met are the likeliest not to be anybody's own. Then all that are met at least half as often as the most met one are set
aside. What is left is linked anew, and looked at again. Each such round at least halves the number of meetings of the most
met value, down to 2, below which nothing joins anything; so the rounds end after the logarithm of that number, whatever
the data. Nothing outside of the component changes, and nothing depends on the order of rows.

A value that is set aside matches nothing: observations keep their other identities and form the profiles that those lead to.
One that has no other identity is refused, and told. So is every value that was set aside, by how many it met.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from knownas.batch.backfill.limits import KNOWN_MEETINGS_MAX, MEETINGS_MAX
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy


class Met(NamedTuple):
    """A value of a component that is too large, and in how many different observations it stands."""

    component: int
    pool: int
    type: IdentityType
    value: str
    meetings: int


def meetings_limit(kind: IdentityType, policy: Policy) -> int:
    """Return how many different observations a value of a type may stand in, if its component is too large."""
    return KNOWN_MEETINGS_MAX if kind in policy.login_ids or kind in policy.unique_ids else MEETINGS_MAX


def values_to_cut(met: Iterable[Met], policy: Policy) -> Sequence[Met]:
    """Choose the values to set aside of components that are too large, given the most met ones of each.

    Of each component at least one value is chosen, if any is met twice.
    """
    of_component: dict[int, list[Met]] = {}
    for one in met:
        if one.meetings > 1:
            of_component.setdefault(one.component, []).append(one)
    return [cut for values in of_component.values() for cut in _of_one(values, policy)]


def _of_one(values: Sequence[Met], policy: Policy) -> Sequence[Met]:
    beyond = [one for one in values if one.meetings > meetings_limit(one.type, policy)]
    if beyond:
        return beyond
    most = max(one.meetings for one in values)
    return [one for one in values if 2 * one.meetings >= most]


def told(cut: Iterable[Met]) -> Sequence[Mapping[str, object]]:
    """Tell of values that were set aside, the most met first, as the report shows them."""
    ordered = sorted(cut, key=lambda one: (-one.meetings, one.type, one.value))
    return [{"type": one.type.value, "value": one.value, "observations": one.meetings} for one in ordered]
