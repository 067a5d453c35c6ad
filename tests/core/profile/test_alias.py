"""What an alias does: which requests are taken, which are carried out, and what they change (idsync §4.7)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy
from knownas.core.limits import ATTRIBUTIONS_MAX, STATUS_NOTES_MAX
from knownas.core.profile.alias import (
    ALIAS_ID_CHARACTERS_MAX,
    ALIASING_STRATEGIES,
    CLOCK_TOLERANCE_MS,
    REJECTION_SENTENCES,
    AliasAccepted,
    AliasClaim,
    AliasDone,
    AliasRefusal,
    AliasRefused,
    AliasRejected,
    AliasRejection,
    AliasRequest,
    AliasTerms,
    AliasWaits,
    Window,
    contradiction,
    destination_after,
    is_of_device,
    judge,
    settle,
    source_after,
)
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution
from knownas.core.profile.section import Section

NOW = 1_700_000_000_000
DAY = 86_400_000
OLDEST = NOW - 90 * DAY
TERMS = AliasTerms(Strategy.PROFILE_LINK, provisioned=True, window_ms=90 * DAY)
P1, P2, P3 = 11, 22, -33


def request(**members: Any) -> AliasRequest:
    """Return a request to alias P1 to P2."""
    whole = {
        "request_id": "r",
        "environment": Environment.PRODUCTION,
        "source_mpid": P1,
        "destination_mpid": P2,
        **members,
    }
    return AliasRequest(**whole)


def verdict(
    start_ms: int | None = None, end_ms: int | None = None, terms: AliasTerms = TERMS, **members: Any
) -> Window | AliasRefusal:
    """Return the window of a request that is taken, or the reason of its refusal."""
    judged = judge(request(start_ms=start_ms, end_ms=end_ms, **members), terms, {P1, P2}, NOW)
    if isinstance(judged, AliasRefused):
        assert judged.sentence
        return judged.reason
    return judged.window


def claim(
    source: int = P1, destination: int = P2, at: int = 0, *, request_id: str = "r", window: tuple[int, int] = (0, 10)
) -> AliasClaim:
    """Return a request that was taken at a time."""
    return AliasClaim(request_id, at, source, destination, Window(*window))


def rejection(one: AliasClaim, *done: AliasClaim) -> AliasRejection | None:
    """Return why a request is rejected after others that were done; None if it is carried out."""
    settled = settle(one, done, ())
    return settled.reason if isinstance(settled, AliasRejected) else None


def test_a_request_without_times_is_about_the_longest_window() -> None:
    """The window begins at the oldest time allowed and ends now where the request gives no times."""
    assert verdict() == Window(OLDEST, NOW)
    assert verdict(start_ms=NOW - DAY) == Window(NOW - DAY, NOW)
    assert verdict(end_ms=NOW - DAY) == Window(OLDEST, NOW - DAY)
    assert verdict(terms=replace(TERMS, window_ms=DAY)) == Window(NOW - DAY, NOW)


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "reason"),
    [
        (NOW, NOW - DAY, AliasRefusal.INVERTED_WINDOW),
        (NOW - DAY, NOW - DAY, AliasRefusal.INVERTED_WINDOW),
        (NOW, None, AliasRefusal.INVERTED_WINDOW),
        (NOW - DAY, NOW + DAY, AliasRefusal.END_IN_FUTURE),
        (NOW - DAY, NOW + CLOCK_TOLERANCE_MS + 1, AliasRefusal.END_IN_FUTURE),
        (NOW, NOW + 1, AliasRefusal.END_IN_FUTURE),
        (OLDEST - DAY, NOW, AliasRefusal.START_TOO_OLD),
        (OLDEST - CLOCK_TOLERANCE_MS - 1, NOW, AliasRefusal.START_TOO_OLD),
        (OLDEST - 2, OLDEST - 1, AliasRefusal.START_TOO_OLD),
        (None, OLDEST - DAY, AliasRefusal.START_TOO_OLD),
        (-(2**70), NOW, AliasRefusal.START_TOO_OLD),
        (NOW - 1, 2**70, AliasRefusal.END_IN_FUTURE),
    ],
)
def test_a_window_that_can_not_be_is_refused(start_ms: int | None, end_ms: int | None, reason: AliasRefusal) -> None:
    """A window that is empty, upside down, ends in the future or reaches back too far is refused at once."""
    assert verdict(start_ms, end_ms) is reason


def test_a_clock_that_is_a_little_wrong_does_no_harm() -> None:
    """A window that sticks out of what is allowed by no more than the tolerance is cut to it."""
    assert verdict(NOW - DAY, NOW + CLOCK_TOLERANCE_MS) == Window(NOW - DAY, NOW)
    assert verdict(OLDEST - CLOCK_TOLERANCE_MS, NOW - DAY) == Window(OLDEST, NOW - DAY)


@given(start_ms=st.none() | st.integers(), end_ms=st.none() | st.integers())
def test_an_accepted_window_lies_in_the_past_and_is_not_empty(start_ms: int | None, end_ms: int | None) -> None:
    """Whatever times are sent, a window that is taken is one between the oldest time allowed and now."""
    window = verdict(start_ms, end_ms)
    assert not isinstance(window, Window) or OLDEST <= window.start_ms < window.end_ms <= NOW


@given(start_ms=st.integers(OLDEST, NOW), end_ms=st.integers(OLDEST, NOW))
def test_every_window_of_the_allowed_time_is_taken_as_it_is(start_ms: int, end_ms: int) -> None:
    """Between the oldest time allowed and now, only a window without a length is refused."""
    wanted = Window(start_ms, end_ms) if start_ms < end_ms else AliasRefusal.INVERTED_WINDOW
    assert verdict(start_ms, end_ms) == wanted


def test_a_profile_can_not_be_aliased_to_itself() -> None:
    """Source and destination must differ."""
    assert verdict(destination_mpid=P1) is AliasRefusal.SAME_MPID


@pytest.mark.parametrize("known", [set[int](), {P1}, {P2}])
def test_both_profiles_must_exist(known: set[int]) -> None:
    """A source or destination that its scope and environment do not have is refused, and named."""
    judged = judge(request(), TERMS, known, NOW)
    assert isinstance(judged, AliasRefused)
    assert judged.reason is AliasRefusal.UNKNOWN_MPID
    assert str(P1 if P1 not in known else P2) in judged.sentence


@pytest.mark.parametrize("strategy", Strategy)
def test_only_three_strategies_have_an_alias(strategy: Strategy) -> None:
    """Default, conversion and link have an alias, isolation and best match forbid it."""
    wanted = {Strategy.DEFAULT, Strategy.PROFILE_CONVERSION, Strategy.PROFILE_LINK}
    assert wanted == ALIASING_STRATEGIES
    judged = verdict(terms=replace(TERMS, strategy=strategy))
    assert (judged == Window(OLDEST, NOW)) is (strategy in wanted)
    assert strategy in wanted or judged is AliasRefusal.STRATEGY_NOT_SUPPORTED


def test_a_workspace_must_be_provisioned() -> None:
    """Without it every request is forbidden, however wrong it is, so that nothing can be found out by asking."""
    terms = replace(TERMS, provisioned=False)
    assert verdict(terms=terms) is AliasRefusal.NOT_PROVISIONED
    assert judge(request(destination_mpid=P1), terms, set(), NOW) == judge(request(), terms, {P1, P2}, NOW)


def test_what_is_forbidden_is_told_from_what_is_wrong() -> None:
    """Two refusals say that no request can succeed here; the others that this one can't."""
    forbidden = {one for one in AliasRefusal if one.is_forbidden}
    assert forbidden == {AliasRefusal.NOT_PROVISIONED, AliasRefusal.STRATEGY_NOT_SUPPORTED}


@pytest.mark.parametrize(
    "members",
    [
        {"request_id": ""},
        {"request_id": "r" * (ALIAS_ID_CHARACTERS_MAX + 1)},
        {"request_id": "a/b"},
        {"request_id": "a b"},
        {"request_id": "ä"},
        {"request_id": "a\0"},
        {"source_mpid": 0},
        {"source_mpid": 2**63},
        {"destination_mpid": 0},
        {"destination_mpid": -(2**63) - 1},
        {"stamp": ""},
        {"stamp": "a\0"},
        {"stamp": "s" * 257},
    ],
)
def test_a_request_is_valid_from_birth(members: dict[str, Any]) -> None:
    """A request whose id, MPIDs or stamp can't be such is none."""
    with pytest.raises(ValueError, match=r".+"):
        request(**members)


def test_an_alias_is_carried_out_when_nothing_speaks_against_it() -> None:
    """Requests about other profiles, or other windows of the same source, are of no consequence."""
    one = claim(at=5, window=(0, 10))
    assert settle(one, (), ()) == AliasDone()
    assert settle(one, [claim(P3, 44), claim(P3, P2), claim(P1, P3, window=(11, 20))], ()) == AliasDone()


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (claim(P1, P3, window=(10, 20)), AliasRejection.OVERLAPPING_WINDOW),
        (claim(P1, P2, window=(2, 3)), AliasRejection.OVERLAPPING_WINDOW),
        (claim(P3, P1), AliasRejection.SOURCE_WAS_DESTINATION),
        (claim(P3, P1, window=(90, 99)), AliasRejection.SOURCE_WAS_DESTINATION),
        (claim(P2, P3), AliasRejection.DESTINATION_WAS_SOURCE),
        (claim(P2, P1, window=(90, 99)), AliasRejection.SOURCE_WAS_DESTINATION),
    ],
)
def test_the_silent_rules(before: AliasClaim, reason: AliasRejection) -> None:
    """A source twice with overlapping windows, a source that was a destination, and the reverse are rejected."""
    one = claim(at=5, window=(0, 10), request_id="later")
    assert rejection(one, before) is reason
    assert REJECTION_SENTENCES[reason]


def test_an_earlier_request_that_is_queued_is_waited_for() -> None:
    """Whether it forbids the later one shows when it is settled: a rejected one does not count."""
    earlier, later = claim(P1, P3, 1, request_id="earlier"), claim(P1, P2, 2, request_id="later")
    assert settle(later, (), [earlier]) == AliasWaits("earlier")
    assert settle(earlier, (), [later]) == AliasDone()
    assert settle(later, [earlier], ()) == AliasRejected(AliasRejection.OVERLAPPING_WINDOW)
    assert settle(later, (), ()) == AliasDone()


def test_of_two_requests_of_one_moment_the_smaller_id_is_the_earlier() -> None:
    """The time decides which request is the earlier one, then the id."""
    a, b = claim(P1, P3, 1, request_id="a"), claim(P1, P2, 1, request_id="b")
    assert settle(a, (), [b]) == AliasDone()
    assert settle(b, (), [a]) == AliasWaits("a")


def test_what_is_done_counts_whenever_it_was_asked_for() -> None:
    """An alias that was carried out can't be taken back, so that an earlier request which turns up late yields."""
    late = claim(P1, P3, 1, request_id="late")
    assert settle(late, [claim(P1, P2, 2)], ()) == AliasRejected(AliasRejection.OVERLAPPING_WINDOW)


MPIDS = st.integers(1, 4)
WINDOWS = st.tuples(st.integers(0, 20), st.integers(1, 10)).map(lambda one: (one[0], one[0] + one[1]))
CLAIMS = st.lists(st.tuples(MPIDS, MPIDS, WINDOWS).filter(lambda one: one[0] != one[1]), max_size=12).map(
    lambda drawn: [
        claim(source, destination, at, request_id=str(at), window=window)
        for at, (source, destination, window) in enumerate(drawn)
    ]
)


def carried_out(claims: Sequence[AliasClaim], order: Sequence[int]) -> set[str]:
    """Settle requests, looking at them again and again in an order, until all are; return those carried out."""
    done: list[AliasClaim] = []
    queued = list(claims)
    while queued:
        left: list[AliasClaim] = []
        for one in sorted(queued, key=lambda one: order[one.requested_ms]):
            others = [other for other in queued if other not in done and other is not one]
            match settle(one, done, others):
                case AliasDone():
                    done.append(one)
                case AliasWaits():
                    left.append(one)
                case AliasRejected():
                    pass
            if one not in left:
                queued = [other for other in queued if other is not one]
        assert len(left) == len(queued)
    return {one.request_id for one in done}


@given(claims=CLAIMS, data=st.data())
def test_the_order_of_settling_does_not_matter(claims: list[AliasClaim], data: st.DataObject) -> None:
    """Whoever looks at which request when, the same ones are carried out: in the order in which they were made."""
    order = data.draw(st.permutations(range(len(claims))))
    assert carried_out(claims, order) == carried_out(claims, range(len(claims)))


@given(claims=CLAIMS)
def test_no_two_aliases_contradict_each_other(claims: list[AliasClaim]) -> None:
    """Of all that are carried out no source was a destination, and no source has two windows with a common moment."""
    done = [one for one in claims if one.request_id in carried_out(claims, range(len(claims)))]
    assert {one.source_mpid for one in done}.isdisjoint(one.destination_mpid for one in done)
    for one in done:
        moments = set(range(one.window.start_ms, one.window.end_ms + 1))
        for other in done:
            if other is not one and other.source_mpid == one.source_mpid:
                assert moments.isdisjoint(range(other.window.start_ms, other.window.end_ms + 1))


@given(one=CLAIMS, other=CLAIMS)
def test_a_contradiction_is_mutual(one: list[AliasClaim], other: list[AliasClaim]) -> None:
    """If a request speaks against another, so does the other against it: only the order says which one yields."""
    for a in one:
        for b in other:
            assert (contradiction(a, b) is None) is (contradiction(b, a) is None)


@given(window=WINDOWS, other=WINDOWS)
def test_windows_overlap_when_they_share_a_moment(window: tuple[int, int], other: tuple[int, int]) -> None:
    """Both ends belong to a window: two that touch overlap."""
    shared = [at for at in range(40) if Window(*window).covers(at) and Window(*other).covers(at)]
    assert Window(*window).overlaps(Window(*other)) is bool(shared)


def test_a_stamp_chooses_the_events_of_one_device() -> None:
    """Without a stamp all events are meant; with one, those of its device."""
    assert all(is_of_device(None, stamp) for stamp in (None, "a", "b"))
    assert [is_of_device("a", stamp) for stamp in (None, "a", "b")] == [False, True, False]


def section(first_seen_ms: int, name: str, *attributions: Attribution) -> Section:
    """Return a section in which everything is filled in."""
    return Section(
        first_seen_ms,
        first_seen_ms + 5,
        {"name": Attribute(name, 1)},
        {Purpose(Regulation.GDPR, name): Consent(consented=True, at_ms=1)},
        (Device(name, "ios", {IdentityType.IOS_IDFV: name}, {}, 1, 2),),
        attributions,
        opted_out=True,
        inputs={name: 1},
        calculated={name: {"count": 3}},
        notes=(name,),
    )


def test_the_destination_takes_over_the_sources_past() -> None:
    """First seen is overwritten, attribution copied once, and a note names the source; nothing else changes."""
    shared, brought = Attribution("both", "c", 3), Attribution("ads", "c", 1)
    destination, source = section(50, "d", shared), section(70, "s", brought, shared)
    after = destination_after(destination, source, claim(P1, P2, request_id="the-request"))
    assert after.first_seen_ms == 70
    assert after.attributions == (brought, shared)
    assert after.notes[:-1] == ("d",)
    assert str(P1) in after.notes[-1]
    assert str(P2) not in after.notes[-1]
    assert "the-request" in after.notes[-1]
    changed = {name for name in Section._fields if getattr(after, name) != getattr(destination, name)}
    assert changed == {"first_seen_ms", "attributions", "notes"}


def test_the_source_stays_as_it_is_but_for_a_note() -> None:
    """Only a note that names the destination is added to the source."""
    source = section(70, "s")
    after = source_after(source, claim(P1, P2))
    assert after._replace(notes=source.notes) == source
    assert after.notes[:-1] == ("s",)
    assert str(P2) in after.notes[-1]
    assert str(P1) not in after.notes[-1]


def test_notes_and_attributions_have_a_limit() -> None:
    """The oldest go first."""
    held = [Attribution("p", str(at), at) for at in range(ATTRIBUTIONS_MAX)]
    full = section(1, "d", *held)._replace(notes=tuple(map(str, range(STATUS_NOTES_MAX))))
    newer = Attribution("new", "c", 1_000)
    after = destination_after(full, section(1, "s", newer), claim())
    assert after.attributions == (*held[1:], newer)
    assert len(after.notes) == STATUS_NOTES_MAX
    assert after.notes[0] == "1"
    assert len(source_after(full, claim()).notes) == STATUS_NOTES_MAX


def test_an_accepted_request_is_told_from_a_refused_one() -> None:
    """What is taken carries its window, what is refused a reason and a sentence."""
    assert judge(request(), TERMS, {P1, P2}, NOW) == AliasAccepted(Window(OLDEST, NOW))
    refused = judge(request(), replace(TERMS, provisioned=False), {P1, P2}, NOW)
    assert refused == AliasRefused(AliasRefusal.NOT_PROVISIONED, "Aliasing is not provisioned for this workspace.")
