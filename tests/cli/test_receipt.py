"""The promises of the drawing: it shows the decision, fits the terminal, and lets no value drive it."""

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.cli.receipt import LINES_DRAWN_MAX, WIDTH, render_receipt
from knownas.core.identity.decision import Decision
from knownas.core.identity.document import decision_document, observation_document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Observation
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.core.identity.record import MPID_MAX
from knownas.core.identity.story import story
from tests.core.identity.test_story import TOLD, World

T = IdentityType
ANSI = re.compile(r"\x1b\[\d+m")


def answer(observation: Observation, decision: Decision, rules: Policy) -> dict[str, Any]:
    """Build what `GET /api/decisions/{id}` answers."""
    told = story(observation, decision, rules)
    return {
        "decision_id": "0123456789abcdef" * 2,
        "at": "2026-01-02T03:04:05.678Z",
        "scope": "shop",
        "environment": observation.environment.value,
        "input": observation.input,
        "endpoint": observation.endpoint.value,
        "policy_version": decision.receipt.policy_version,
        "changed": bool(decision.writes),
        "observation": observation_document(observation),
        **decision_document(decision),
        "story": {"headline": told.headline, "sentences": list(told.sentences)},
    }


def last(world: World) -> dict[str, Any]:
    observation, decision = world.told[-1]
    return answer(observation, decision, world.rules)


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line
    )


def assert_fits(drawing: str) -> None:
    for line in drawing.split("\n"):
        assert columns(line) <= WIDTH, line
        assert not line or line.isprintable(), ascii(line)


def household() -> World:
    """Make a tablet that a known user, an anonymous one and a newcomer share."""
    world = World(policy(Strategy.PROFILE_CONVERSION, priority=[T.CUSTOMER_ID, T.EMAIL, T.IOS_IDFV]))
    world.seed(7, (T.CUSTOMER_ID, "c-7"), (T.IOS_IDFV, "tablet"))
    world.seed(8, (T.EMAIL, "ann@example.com"), (T.IOS_IDFV, "tablet"))
    world.seed(9, (T.EMAIL, "ann@example.com"))
    world.ask("login", {T.CUSTOMER_ID: "c-8", T.EMAIL: "ann@example.com", T.IOS_IDFV: "tablet"}, previous=9)
    return world


def test_a_decision_is_drawn_as_a_ladder() -> None:
    """The whole picture: what was asked, each lookup with its holders, the answer, the changes, the words."""
    assert (
        render_receipt(last(household()), color=False)
        == """\
login answered with profile 8 (now known): email ann@example.com and ios_idfv tablet together lead
to it, and to no other that may answer.
decision 0123456789abcdef0123456789abcdef, 2026-01-02T03:04:05.678Z
shop, production, input web, policy version 1

login asked with
  customerid                c-8
  email                     ann@example.com
  ios_idfv                  tablet
  previous profile          9

looked up in priority order    ● left  ○ may answer  ✗ rejected
┌─ customerid                c-8                                   nobody who may answer
├─ email                     ann@example.com                       leads to 2 profiles
│    ● 8
│    ● 9
├─ ios_idfv                  tablet                                leaves 1 profile
│    ● 8
│    ✗ 7                     a known user's; none of its login IDs is named
└─▶ profile 8, now known
    one profile was left

changed on profile 8
  + customerid                c-8                                   added

in words
  No profile holds customerid c-8.
  email ann@example.com leads to profiles 8 and 9, the first candidates.
  Of the candidates only profile 8 holds ios_idfv tablet too.
  Profile 7 holds ios_idfv tablet but belongs to a known user whose login ID (customerid) is not
    named; a device alone never opens a known profile.
  Profile 8 was anonymous and is known now: it has got its first login ID.
  customerid c-8 was added to profile 8."""
    )


@pytest.mark.parametrize(("observation", "decision", "rules"), TOLD)
def test_every_decision_fits_the_terminal(observation: Observation, decision: Decision, rules: Policy) -> None:
    """No line of any decision is wider than 100 columns."""
    assert_fits(render_receipt(answer(observation, decision, rules), color=False))


@pytest.mark.parametrize(("observation", "decision", "rules"), TOLD)
def test_colour_changes_nothing_but_the_colour(observation: Observation, decision: Decision, rules: Policy) -> None:
    """Without its colours a coloured drawing is the plain one."""
    document = answer(observation, decision, rules)
    colored = render_receipt(document, color=True)
    assert ANSI.search(colored)
    assert ANSI.sub("", colored) == render_receipt(document, color=False)


def test_a_long_value_loses_its_middle_only_in_the_drawing() -> None:
    """A value of 256 characters keeps its ends, in the ladder and in the sentences."""
    world = World(policy(Strategy.PROFILE_CONVERSION))
    world.ask("identify", {T.EMAIL: "begin" + "x" * 246 + "ended"})
    drawing = render_receipt(last(world), color=False)
    assert "beginxxxxxxxxxxxx…xxxxxxxxxxxxended" in drawing
    assert "x" * 50 not in drawing


@pytest.mark.parametrize(
    "value",
    ["\x1b[2J\x1b[31mred", "two\nlines\r\n", "right\u202eleft", "tab\tbell\a", "\x9b31m", "\u200bnothing", "é\u0301"],
)
def test_no_value_drives_the_terminal(value: str) -> None:
    """Control and invisible characters of an identity are shown, not sent."""
    world = World(policy(Strategy.PROFILE_CONVERSION))
    world.ask("identify", {T.OTHER: value})
    assert_fits(render_receipt(last(world), color=False))


@given(
    st.dictionaries(
        st.sampled_from(list(T)),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=256),
        max_size=33,
    )
)
def test_any_value_fits_the_terminal(wanted: dict[IdentityType, str]) -> None:
    """Whatever the identities are made of, wide, long, combining or hostile, each line stays within its columns."""
    world = World(policy(Strategy.PROFILE_CONVERSION))
    world.ask("identify", wanted)
    assert_fits(render_receipt(last(world), color=False))
    world.modify(1000, *((kind, value, value[::-1]) for kind, value in wanted.items()))
    assert_fits(render_receipt(last(world), color=False))


def test_the_longest_mpids_fit() -> None:
    """Nineteen digits of two profiles stand beside the longest name and a UUID."""
    unique = [T.CUSTOMER_ID, T.DEVICE_APPLICATION_STAMP]
    world = World(policy(Strategy.PROFILE_CONVERSION, unique_ids=unique))
    stamp = "01234567-89ab-4cde-8f01-23456789abcd"
    world.seed(-MPID_MAX, (T.CUSTOMER_ID, "c-1"), (T.DEVICE_APPLICATION_STAMP, stamp))
    world.seed(MPID_MAX, (T.CUSTOMER_ID, "c-2"))
    world.ask("login", {T.CUSTOMER_ID: "c-2", T.DEVICE_APPLICATION_STAMP: stamp})
    drawing = render_receipt(last(world), color=False)
    assert f"held by -{MPID_MAX}" in drawing
    assert_fits(drawing)
    world.modify(MPID_MAX, (T.DEVICE_APPLICATION_STAMP, None, stamp))
    drawing = render_receipt(last(world), color=False)
    assert f"> device_application_stamp  {stamp}  moved from -{MPID_MAX}" in drawing
    assert_fits(drawing)


def test_a_long_list_says_how_much_more_there_is() -> None:
    """Holders and changes beyond the limit are counted instead of drawn."""
    world = World(policy(Strategy.PROFILE_CONVERSION))
    for mpid in range(1, 31):
        world.seed(mpid, (T.EMAIL, "shared"))
    world.ask("identify", {T.EMAIL: "shared"})
    drawing = render_receipt(last(world), color=False)
    assert "and 8 more" in drawing
    assert "and more than a lookup considers" in drawing
    world.seed(None, *((T.OTHER, str(number)) for number in range(LINES_DRAWN_MAX + 5)))
    drawing = render_receipt(last(world), color=False)
    assert drawing.count("  and 5 more") == 2


def test_the_words_of_a_newer_server_are_shown_as_they_came() -> None:
    """An effect, guard, rule, change, skip or outcome that is not known here does not stop the drawing."""
    document = last(household())
    document["receipt"]["decided_by"] = "decided_tomorrow"
    document["receipt"]["steps"][2]["effect"] = "effect_tomorrow"
    document["receipt"]["steps"][2]["rejected"][0]["guard"] = "guard_tomorrow"
    document["changes"][0]["change"] = "change_tomorrow"
    document["skipped"] = [{"type": "type_tomorrow", "value": "x", "why": "skip_tomorrow", "holder": None}]
    document["outcome"] = {"kind": "outcome_tomorrow"}
    drawing = render_receipt(document, color=False)
    for word in ("decided", "effect", "guard", "change", "type", "skip", "outcome"):
        assert f"{word}_tomorrow" in drawing


def test_a_rehearsal_is_drawn_as_one() -> None:
    """An explanation has no decision id, changes nothing, and says both."""
    drawing = render_receipt(last(household()) | {"decision_id": None, "changed": True}, color=False)
    assert "a rehearsal, nothing was written" in drawing
    assert "would change on profile 8" in drawing


def test_an_answer_that_is_no_receipt_is_an_error() -> None:
    """A document without a receipt is not drawn as an empty one."""
    document = last(household())
    del document["receipt"]
    with pytest.raises(KeyError):
        render_receipt(document, color=False)


def test_what_would_have_been_otherwise_is_drawn_last() -> None:
    """The sentences about other requests have a part of their own; an older server's receipt is drawn without it."""
    document = last(household())
    older = render_receipt(document, color=False)
    told = "Without email ann@example.com, profile 9 (anonymous) would have answered. " + "x" * 200
    document["story"]["counterfactual"] = [told]

    drawing = render_receipt(document, color=False)

    assert drawing.startswith(older)
    assert drawing.removeprefix(older).startswith(
        "\n\nhad it been otherwise\n  Without email ann@example.com, profile 9"
    )
    assert_fits(drawing)
