"""What a server remembers of what came through its inputs, for whoever watches it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from knownas.config.values import Input, InputPlatform, Secret, Workspace
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy, policy
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.identity.question import Rules
from knownas.service.live.feed import OTHERS, Feed
from knownas.service.live.limits import (
    EVENT_TYPE_CHARACTERS_MAX,
    EVENT_TYPES_MAX,
    SENTENCE_CHARACTERS_MAX,
    SERVERS_FOLLOWED_MAX,
)
from knownas.service.live.line import Kind, Outcome
from knownas.service.live.place import Seen, read_place, write_place
from knownas.service.live.wanted import Wanted
from knownas.service.profile.batch_receipts import Kept, Rejected
from knownas.service.profile.ingest import Arrival, Receipted
from knownas.service.security.directory import Door

NOW_MS = 1_800_000_000_000
EVERYTHING = Wanted()
WEB = Input("web", InputPlatform.WEB, None, "web-key", Secret("web-secret"))
DOOR = Door(
    WEB,
    Workspace(100, "Shop", "shop", "ws-key", Secret("ws-secret"), (WEB,)),
    Rules("shop", policy(Strategy.PROFILE_CONVERSION)),
)


def feed(run: str = "0000000a", most: int = 8) -> Feed:
    """Return a feed that remembers few lines."""
    return Feed("here-1", run, lambda: NOW_MS, most)


def refuse(to: Feed, count: int) -> None:
    """Note so many lines, each with its number as its reason."""
    for _ in range(count):
        to.refused(DOOR, "identify", f"r{len(seen_of(to)) + 1}", "")


def seen_of(one: Feed) -> range:
    """Return the numbers of all lines that were ever noted."""
    return range(one.newest(EVERYTHING, 0).seen[one.run])


def reasons(lines: Sequence[object]) -> list[str]:
    """Return what tells lines of `refuse` apart."""
    return [str(getattr(one, "reason", "")) for one in lines]


@given(st.lists(st.one_of(st.integers(1, 12), st.just("look"), st.just("held")), max_size=30), st.integers(1, 5))
def test_whoever_follows_sees_every_line_once_or_is_told_of_it(steps: Sequence[int | str], most: int) -> None:
    """In their order; what was forgotten before it was seen is counted to the line, and holding loses nothing that is remembered."""
    live, seen = feed(), feed().newest(EVERYTHING, 5).seen
    followed: list[int] = []
    missed = 0
    for step in [*steps, *["look"] * 40]:
        if isinstance(step, int):
            refuse(live, step)
        elif step == "held":
            look = live.after(seen, EVERYTHING, 0)
            assert look.lines == []
            assert look.waiting + look.missed == len(seen_of(live)) - missed - len(followed)
        else:
            look = live.after(seen, EVERYTHING, most)
            followed += [one.number for one in look.lines]
            missed += look.missed
            seen = look.seen
            assert len(look.lines) <= most
            assert len(followed) + missed + look.waiting == len(seen_of(live))
    assert all(one < other for one, other in pairwise(followed))
    assert len(followed) + missed == len(seen_of(live))


@given(st.integers(0, 30), st.integers(0, 10))
def test_whoever_comes_sees_the_newest(count: int, most: int) -> None:
    """Up to as many as are remembered, the oldest first, whether or not anybody watched."""
    live = feed()
    refuse(live, count)
    shown = min(count, most, 8)
    assert reasons(live.newest(EVERYTHING, most).lines) == [f"r{one}" for one in range(count - shown + 1, count + 1)]


def test_lines_of_several_servers_are_followed_with_one_place() -> None:
    """Whichever is asked answers what it has since it was asked last; of one that was not asked yet, the newest."""
    one, other = feed("0000000a"), feed("0000000b")
    refuse(one, 2)
    refuse(other, 3)
    seen: Seen = {}
    told: list[list[str]] = []
    for asked, more in ((one, 0), (other, 2), (other, 0), (one, 1), (one, 0), (other, 1)):
        look = asked.after(seen, EVERYTHING, 5)
        told.append(reasons(look.lines))
        seen = look.seen
        refuse(asked, more)
    assert told == [["r1", "r2"], ["r1", "r2", "r3"], ["r4", "r5"], [], ["r3"], []]


def test_a_place_is_read_as_it_was_written_and_not_otherwise() -> None:
    """Of too many servers the one heard of longest ago goes; what nobody wrote is no place."""
    seen: Seen = {}
    for number in range(SERVERS_FOLLOWED_MAX + 3):
        live = feed(f"{number:08x}")
        refuse(live, number)
        seen = live.after(seen, EVERYTHING, 1).seen
    assert next(iter(seen)) == f"{3:08x}"
    assert read_place(write_place(seen)) == seen
    for text in ("", "0000000a", "0000000a-01", "0000000a-1_", "0000000A-1", "0000000a-٣"):
        assert read_place(text) is None, text


def test_a_server_that_has_begun_anew_shows_what_it_has() -> None:
    """A number beyond what it has noted is of another run that had the same name."""
    live = feed()
    refuse(live, 2)
    assert reasons(live.after({live.run: 99}, EVERYTHING, 5).lines) == ["r1", "r2"]


def test_lines_are_chosen() -> None:
    """By sender, kind, outcome, environment and text; a refusal whose environment was not read is of each."""
    live = feed()
    batch = EventBatch(Environment.DEVELOPMENT, NOW_MS, "web", Channel.SERVER)
    live.took(
        Arrival(DOOR, batch),
        Receipted("ab" * 16, Kept(77, created=True, events=0, repeated_events=0)),
        "events",
        "kept",
        0.01,
    )
    other = Door(replace(WEB, name="tv"), replace(DOOR.workspace, id=200), Rules("tv", DOOR.rules.policy))
    live.took(
        Arrival(other, batch._replace(environment=Environment.PRODUCTION)),
        Receipted("cd" * 16, Rejected("unknown_mpid", "No.")),
        *("events", "refused", 0.01),
    )
    live.refused(None, "identify", "unknown_key", "")

    def numbers(**wanted: object) -> list[int]:
        return [one.number for one in live.newest(Wanted(**wanted), 9).lines]  # type: ignore[arg-type]

    assert numbers() == [1, 2, 3]
    assert numbers(scope="shop") == numbers(workspace=100) == numbers(input="web") == [1]
    assert (
        numbers(kind=Kind.EVENTS) == numbers(outcome=Outcome.KEPT) == numbers(text="77") == numbers(text="abab") == [1]
    )
    assert numbers(kind=Kind.REFUSAL) == [2, 3]
    assert numbers(text="unknown_") == [2, 3]
    assert numbers(environment=Environment.DEVELOPMENT) == [1, 3]
    assert numbers(environment=Environment.PRODUCTION, scope="tv") == [2]
    assert numbers(kind=Kind.DECISION) == []


def test_a_line_is_small_whatever_is_sent() -> None:
    """Long sentences are cut; of many types of events the most frequent are named, and all are counted."""
    live = feed()
    live.refused(DOOR, "identify", "invalid_member", "x" * 10_000)
    events = [Event(f"{one % 40}-{'y' * 1_000}", NOW_MS, None, {}) for one in range(1_000)]
    batch = EventBatch(Environment.PRODUCTION, NOW_MS, "web", Channel.SERVER, events=tuple(events))
    live.took(
        Arrival(DOOR, batch),
        Receipted("ab" * 16, Kept(1, created=False, events=1, repeated_events=0)),
        "events",
        "kept",
        0.1,
    )
    refused, took = live.newest(EVERYTHING, 2).lines
    assert len(refused.sentence) == SENTENCE_CHARACTERS_MAX
    assert len(took.events) == EVENT_TYPES_MAX + 1
    assert max(map(len, took.events)) <= EVENT_TYPE_CHARACTERS_MAX
    assert sum(took.events.values()) == 1_000
    assert took.events[OTHERS] == 1_000 - EVENT_TYPES_MAX * 25


def test_what_sentences_quote_is_forgotten() -> None:
    """The reasons stay, with the lines and their numbers."""
    live = feed()
    live.refused(DOOR, "identify", "unknown_identity_type", "'ann@example.com' is not an identity type.")
    live.forget_sentences()
    assert [(one.number, one.reason, one.sentence) for one in live.newest(EVERYTHING, 9).lines] == [
        (1, "unknown_identity_type", "")
    ]
