"""What a destination is told, so that it holds what it should."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing, Skipped, Translated
from knownas.core.translation.reason import Reason
from knownas.core.translation.rule import Keeps, OnIdentityChange, Rule
from knownas.core.translation.telling import (
    NOTHING_TOLD,
    Action,
    Cause,
    Change,
    Gone,
    Ledger,
    Reassigned,
    Standing,
    gained,
    recorded,
    tell,
)
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from tests.core.translation.profiles import rules, views

ADD_ONLY = OnIdentityChange.ADD_ONLY


def email(name: str, device: str | None = None) -> Outgoing:
    return Outgoing("email", IdentityType.EMAIL, Encoding.RAW, f"{name}@example.com", device)


def sends(mpid: int, *names: str) -> Translated:
    return Translated(mpid, tuple(map(email, names)))


def held(**members: str) -> Ledger:
    """Return a ledger, written as `_1="ab"`: of member 1 the destination holds a and b."""
    return {int(name[1:]): frozenset(map(email, names)) for name, names in members.items()}


def add(name: str, *mpids: int) -> Change:
    return Change(Action.ADD, email(name), mpids)


def remove(name: str, *mpids: int) -> Change:
    return Change(Action.REMOVE, email(name), mpids)


class Destination:
    """What a destination does with what it is told: it keeps identities of profiles, or values."""

    def __init__(self, keeps: Keeps) -> None:
        self.keeps = keeps
        self.held: set[tuple[int, Outgoing]] = set()

    def hear(self, change: Change) -> None:
        for mpid in change.mpids:
            key = (mpid if self.keeps is Keeps.PROFILES else 0, change.identity)
            assert (key in self.held) is (change.action is Action.REMOVE), "it is told nothing that it knows"
            if self.keeps is Keeps.VALUES:
                assert change.mpids
            (self.held.add if change.action is Action.ADD else self.held.discard)(key)
            if self.keeps is Keeps.VALUES:
                return

    def should(self, wanted: Mapping[int, Iterable[Outgoing]]) -> set[tuple[int, Outgoing]]:
        return {
            (mpid if self.keeps is Keeps.PROFILES else 0, one)
            for mpid, identities in wanted.items()
            for one in identities
        }


def identities_of(standing: Standing) -> tuple[Outgoing, ...]:
    return standing.identities if isinstance(standing, Translated) else ()


def test_a_changed_identity_is_removed_and_then_added() -> None:
    """The old value goes before the new one comes; what stays is not touched."""
    told = tell(held(_1="ab"), {1: sends(1, "b", "c")})
    assert told.changes == (remove("a", 1), add("c", 1))
    assert recorded(held(_1="ab"), told.changes) == held(_1="bc")


def test_nothing_is_told_where_nothing_changed() -> None:
    """Asked again, with another device that has the same value, there is nothing to tell."""
    assert tell(held(_1="a"), {1: Translated(1, (email("a", "another phone"),))}) == NOTHING_TOLD


@pytest.mark.parametrize("standing", [Gone.NO_MEMBER, Gone.ERASED, Skipped(1, Reason.CONSENT_REFUSED, "marketing")])
@pytest.mark.parametrize("on_change", OnIdentityChange)
def test_who_should_not_be_there_is_removed(standing: Standing, on_change: OnIdentityChange) -> None:
    """Who leaves, is erased, or may not be sent any more is taken out with every value ever left there."""
    told = tell(held(_1="ab"), {1: standing}, on_change=on_change)
    assert told.changes == (remove("a", 1), remove("b", 1))
    assert recorded(held(_1="ab"), told.changes) == {}


def test_an_erasure_is_told_after_the_profile_has_gone() -> None:
    """What to remove is known by the ledger alone: nothing of the profile is needed any more."""
    assert tell(held(_1="a"), {1: Gone.ERASED}).changes == (remove("a", 1),)
    assert tell({}, {1: Gone.ERASED}) == NOTHING_TOLD


def test_a_value_that_moves_leaves_before_it_comes() -> None:
    """After an undo or a re-resolution the value goes from its old profile before it comes to its new one."""
    told = tell(held(_1="ab", _2="c"), {1: sends(1, "b"), 2: sends(2, "a", "c")})
    assert told.changes == (remove("a", 1), add("a", 2))


def test_who_holds_what_others_gain_can_be_asked_for() -> None:
    """Before a value is told as somebody's, it is known whose ledger has to be looked at as well."""
    assert gained(held(_1="a"), {1: sends(1, "a", "b"), 2: sends(2, "c"), 3: Gone.NO_MEMBER}) == {
        email("b"),
        email("c"),
    }


def test_a_connection_that_only_adds_leaves_old_values() -> None:
    """Without removal on identity change the old value stays until its user leaves."""
    told = tell(held(_1="a"), {1: sends(1, "b")}, on_change=ADD_ONLY)
    assert told.changes == (add("b", 1),)
    ledger = recorded(held(_1="a"), told.changes)
    assert ledger == held(_1="ab")
    assert tell(ledger, {1: sends(1, "b")}, on_change=ADD_ONLY) == NOTHING_TOLD
    assert tell(ledger, {1: Gone.NO_MEMBER}, on_change=ADD_ONLY).changes == (remove("a", 1), remove("b", 1))


def test_only_adding_leaves_no_value_on_two_users() -> None:
    """An old value that somebody else has by now goes, also over a connection that only adds."""
    now = {1: sends(1, "b"), 2: sends(2, "a")}
    assert tell(held(_1="a"), now, on_change=ADD_ONLY).changes == (remove("a", 1), add("a", 2), add("b", 1))


def test_a_correction_leaves_no_old_value() -> None:
    """What an undo took back was never the user's, so it goes, also over a connection that only adds."""
    told = tell(held(_1="ab"), {1: sends(1, "a")}, on_change=ADD_ONLY, cause=Cause.CORRECTION)
    assert told.changes == (remove("b", 1),)


def test_a_shared_value_stays_in_a_bare_set_until_the_last_has_left() -> None:
    """Where a destination keeps values only, a household's address goes with the last of the household."""
    shared = held(_1="a", _2="a")
    told = tell(shared, {1: Gone.NO_MEMBER}, Keeps.VALUES)
    assert told.changes == ()
    assert told.reassigned == (Reassigned(email("a"), (1,), ()),)
    ledger = recorded(shared, told.reassigned)
    assert ledger == held(_2="a")
    assert tell(ledger, {2: Gone.NO_MEMBER}, Keeps.VALUES).changes == (remove("a", 2),)
    assert tell(shared, {1: Gone.NO_MEMBER, 2: Gone.ERASED}, Keeps.VALUES).changes == (remove("a", 1, 2),)
    assert tell(shared, {1: Gone.NO_MEMBER}).changes == (remove("a", 1),)


def test_a_value_that_moves_is_not_touched_in_a_bare_set() -> None:
    """Where nobody at the destination knows whose a value is, only the ledger learns that it moved."""
    told = tell(held(_1="a"), {1: sends(1, "b"), 2: sends(2, "a")}, Keeps.VALUES)
    assert told.changes == (add("b", 1),)
    assert told.reassigned == (Reassigned(email("a"), (1,), (2,)),)


MPIDS = (1, 2, 3)
standings = st.one_of(
    st.sampled_from([Gone.NO_MEMBER, Gone.ERASED, Skipped(0, Reason.NO_IDENTITY, "email")]),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True).map(lambda names: sends(0, *names)),
)
worlds = st.fixed_dictionaries({}, optional=dict.fromkeys(MPIDS, standings))


@given(st.sampled_from(Keeps), st.lists(worlds, max_size=6))
def test_any_history_ends_where_translating_anew_does(keeps: Keeps, history: list[dict[int, Standing]]) -> None:
    """After any history of changes a destination holds what the newest translations of everybody say, and so does the ledger."""
    destination = Destination(keeps)
    ledger: Ledger = {}
    newest: dict[int, Standing] = {}
    for now in history:
        told = tell(ledger, now, keeps)
        for change in told.changes:
            destination.hear(change)
        ledger = recorded(ledger, (*told.changes, *told.reassigned))
        newest |= now
        wanted = {mpid: frozenset(found) for mpid, standing in newest.items() if (found := identities_of(standing))}
        assert destination.held == destination.should(wanted)
        assert ledger == wanted


@given(st.data())
def test_any_history_of_profiles_ends_where_translating_anew_does(data: st.DataObject) -> None:
    """The same of whole profiles and rules: telling what changed comes to telling everything, whatever was known in between."""
    keeps = data.draw(st.sampled_from(Keeps))
    destination = Destination(keeps)
    ledger: Ledger = {}
    rule: Rule = data.draw(rules())
    newest: dict[int, ProfileView | None] = dict.fromkeys(MPIDS)
    for _ in range(data.draw(st.integers(1, 4))):
        mpid = data.draw(st.sampled_from(MPIDS))
        newest[mpid] = data.draw(st.none() | views([mpid]))
        if data.draw(st.booleans()):
            # Another rule is a correction for everybody.
            rule = data.draw(rules())
            asked = newest
        else:
            asked = {mpid: newest[mpid]}
        now = {one: Gone.ERASED if view is None else translate(view, rule) for one, view in asked.items()}
        told = tell(ledger, now, keeps)
        for change in told.changes:
            destination.hear(change)
        ledger = recorded(ledger, (*told.changes, *told.reassigned))
    anew = {mpid: identities_of(translate(view, rule)) for mpid, view in newest.items() if view is not None}
    assert destination.held == destination.should(anew)


@given(st.sampled_from(Keeps), st.sampled_from(OnIdentityChange), st.sampled_from(Cause), worlds, worlds)
def test_no_moment_shows_a_value_on_its_old_and_its_new_profile(
    keeps: Keeps, on_change: OnIdentityChange, cause: Cause, before: dict[int, Standing], now: dict[int, Standing]
) -> None:
    """At every moment who holds a value is among those who held it before, or among those who should hold it after."""
    ledger = recorded({}, tell({}, before, keeps).changes)
    told = tell(ledger, {**before, **now}, keeps, on_change, cause)
    after = recorded(ledger, (*told.changes, *told.reassigned))
    moment = ledger
    for change in told.changes:
        moment = recorded(moment, [change])
        holders = {mpid for mpid, identities in moment.items() if change.identity in identities}
        assert any(
            holders <= {mpid for mpid, identities in state.items() if change.identity in identities}
            for state in (ledger, after)
        )
    actions = [change.action for change in told.changes]
    assert actions == sorted(actions, key=lambda action: action is Action.ADD)


@given(st.sampled_from(Keeps), st.sampled_from(OnIdentityChange), worlds, worlds, st.data())
def test_telling_goes_on_after_a_crash(
    keeps: Keeps,
    on_change: OnIdentityChange,
    before: dict[int, Standing],
    now: dict[int, Standing],
    data: st.DataObject,
) -> None:
    """Whatever of it was acknowledged, telling again from the ledger tells the rest, and comes to the same."""
    ledger = recorded({}, tell({}, before, keeps).changes)
    told = tell(ledger, now, keeps, on_change)
    whole = recorded(ledger, (*told.changes, *told.reassigned))
    done = data.draw(st.integers(0, len(told.changes)))
    recorded_too = data.draw(st.sampled_from([told.reassigned, ()]))
    partly = recorded(ledger, (*told.changes[:done], *recorded_too))
    again = tell(partly, now, keeps, on_change)
    assert recorded(partly, (*again.changes, *again.reassigned)) == whole
    assert {*told.changes[:done], *again.changes} == {*told.changes}


@given(worlds, st.data())
def test_what_is_told_depends_on_no_order(now: dict[int, Standing], data: st.DataObject) -> None:
    """Members may be asked about in any order."""
    shuffled = dict(data.draw(st.permutations(list(now.items()))))
    for keeps in Keeps:
        assert tell(held(_1="ab", _2="b"), shuffled, keeps) == tell(held(_1="ab", _2="b"), now, keeps)


@given(worlds, worlds)
def test_only_adding_never_takes_from_who_stays(before: dict[int, Standing], now: dict[int, Standing]) -> None:
    """Over a connection that only adds, a value goes only with its user, or to somebody else who has it."""
    ledger = recorded({}, tell({}, before).changes)
    told = tell(ledger, now, on_change=ADD_ONLY)
    after = recorded(ledger, told.changes)
    for change in told.changes:
        if change.action is Action.REMOVE and isinstance(now[change.mpids[0]], Translated):
            assert any(change.identity in identities for mpid, identities in after.items() if mpid not in change.mpids)
