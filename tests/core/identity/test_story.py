"""The promises of a story: every decision can be told, from its documents alone, and says what happened."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Corrected,
    DecidedBy,
    Decision,
    Guard,
    LookupEffect,
    Receipt,
    Refusal,
    Refused,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.document import outcome_document
from knownas.core.identity.erase import refused_as_erased
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Environment,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
    TakeBack,
)
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    EmptyRecord,
    LoginRequiresLoginId,
    Policy,
    Settings,
    Strategy,
    TieBreak,
    policy,
)
from knownas.core.identity.records import Records
from knownas.core.identity.story import Story, story
from knownas.core.limits import RECORD_IDENTITIES_MAX

T = IdentityType
CUSTOMER, EMAIL, DAS, IDFV, PUSH = T.CUSTOMER_ID, T.EMAIL, T.DEVICE_APPLICATION_STAMP, T.IOS_IDFV, T.PUSH_TOKEN
PRODUCTION = Environment.PRODUCTION


class World:
    """One pool under one policy, which remembers each decision with its observation."""

    def __init__(self, rules: Policy) -> None:
        self.rules = rules
        self.records = Records()
        self.clock = count(1_700_000_000_000)
        self.mpids = count(1000)
        self.told: list[tuple[Observation, Decision]] = []

    def decide(self, observation: Observation, *, may_create: bool = True) -> Story:
        decision = decide(observation, self.rules, self.records, next(self.mpids), may_create=may_create)
        self.records.apply(decision.writes)
        if decision.record is not None:
            self.records.saw(decision.record.mpid, observation.at_ms)
        self.told.append((observation, decision))
        return story(observation, decision, self.rules)

    def seed(self, mpid: int | None, *held: tuple[IdentityType, str]) -> Story:
        some = tuple(Identity(*one) for one in held)
        return self.decide(SeedRequest(next(self.clock), PRODUCTION, "import", mpid, some))

    def ask(
        self,
        endpoint: str,
        given: dict[IdentityType, str],
        previous: int | None = None,
        *,
        may_create: bool = True,
    ) -> Story:
        request = IdentityRequest(Endpoint(endpoint), next(self.clock), PRODUCTION, "web", identities(given), previous)
        return self.decide(request, may_create=may_create)

    def modify(self, mpid: int, *changes: tuple[IdentityType, str | None, str | None], move: bool = True) -> Story:
        some = tuple(IdentityChange(*one) for one in changes)
        return self.decide(ModifyRequest(next(self.clock), PRODUCTION, "web", mpid, some, move))

    def correct(self, *take_back: TakeBack) -> Story:
        """Leave nothing on any profile."""
        emptied = tuple(one._replace(identities={}, known=False) for one in self.records)
        return self.decide(Correction(next(self.clock), PRODUCTION, "api", take_back, emptied))


def conversion(**more: Any) -> World:
    more.setdefault("priority", [CUSTOMER, EMAIL, IDFV, DAS])
    return World(policy(Strategy.PROFILE_CONVERSION, **more))


def with_settings(**settings: Any) -> Settings:
    return Settings(**settings)


# What a headline says


def test_the_headline_names_who_answered_and_why() -> None:
    """A login with a known customer ID is told in one sentence."""
    world = conversion()
    world.seed(42, (CUSTOMER, "c-17"))
    told = world.ask("login", {CUSTOMER: "c-17", DAS: "d-1"})
    assert told.headline == "login answered with profile 42 (known): customerid c-17 leads to it alone."


def test_a_new_profile_is_called_new() -> None:
    """Where nobody holds the identities, the headline says so and calls the profile new."""
    told = conversion().ask("identify", {DAS: "d-1"})
    assert told.headline == (
        "identify answered with the new profile 1000 (anonymous): no profile holds any of its identities."
    )


def test_becoming_known_is_in_the_headline() -> None:
    """A sign-up on an anonymous profile reads as the profile becoming known."""
    world = conversion()
    world.ask("identify", {DAS: "d-1"})
    told = world.ask("login", {CUSTOMER: "c-1", DAS: "d-1"})
    assert told.headline.startswith("login answered with profile 1000 (now known):")
    assert "Profile 1000 was anonymous and is known now: it has got its first login ID." in told.sentences
    assert "customerid c-1 was added to profile 1000." in told.sentences


def test_several_types_that_narrow_together_are_named_together() -> None:
    """Where no type leads to one profile by itself, the headline names all that took part."""
    world = conversion()
    world.seed(1, (EMAIL, "a"), (IDFV, "x"))
    world.seed(2, (EMAIL, "a"))
    told = world.ask("identify", {EMAIL: "a", IDFV: "x"})
    assert told.headline.endswith("email a and ios_idfv x together lead to it alone.")
    assert told.sentences[:2] == (
        "email a leads to profiles 1 and 2, the first candidates.",
        "Of the candidates only profile 1 holds ios_idfv x too.",
    )


def test_a_profile_is_not_called_the_only_one_where_others_were_rejected() -> None:
    """The word "alone" is kept for values that nobody else holds."""
    world = conversion()
    world.seed(7, (CUSTOMER, "c-7"), (DAS, "d-1"))
    world.seed(8, (DAS, "d-1"))
    told = world.ask("identify", {DAS: "d-1"})
    assert told.headline.endswith("device_application_stamp d-1 leads to it, and to no other that may answer.")


# What the sentences say


def test_a_device_alone_never_opens_a_known_profile() -> None:
    """The login guard is told with the profile, the value it holds, and the rule."""
    world = conversion()
    world.seed(7, (CUSTOMER, "c-7"), (IDFV, "x"))
    told = world.ask("identify", {IDFV: "x"})
    assert told.sentences == (
        "No profile that holds ios_idfv x may answer.",
        (
            "Profile 7 holds ios_idfv x but belongs to a known user whose login ID (customerid) is not named; "
            "a device alone never opens a known profile."
        ),
        "That leaves no profile that may answer.",
        "ios_idfv x was added to profile 1001.",
    )


def test_rejected_profiles_are_told_guard_by_guard() -> None:
    """Profiles rejected by the same guard share a sentence; another guard has its own."""
    world = World(policy(Strategy.DEFAULT, login_ids=[CUSTOMER, EMAIL], immutable_ids=[CUSTOMER]))
    world.seed(1, (CUSTOMER, "c-1"), (DAS, "d"))
    world.seed(2, (CUSTOMER, "c-2"), (DAS, "d"))
    world.seed(3, (CUSTOMER, "c-3"), (EMAIL, "a"), (DAS, "d"))
    told = world.ask("identify", {EMAIL: "a", DAS: "d"})
    assert any(
        one.startswith("Profiles 1 and 2 hold device_application_stamp d but belong to known users")
        for one in told.sentences
    )
    assert (
        "Profile 3 holds email a but has an immutable ID (customerid) that the request does not name, "
        "and nothing else opens such a profile."
    ) in told.sentences


def test_a_tie_names_those_left_and_what_broke_it() -> None:
    """Each rule of the tie-break is told by its own words, with the profiles it chose among."""
    world = conversion()
    world.seed(1, (DAS, "d"))
    world.seed(2, (DAS, "d"))
    recent = world.ask("identify", {DAS: "d"})
    assert recent.headline.endswith("of 2 profiles left it is the one active most recently.")
    assert "Profiles 1 and 2 were left after the last lookup; the tie goes to the one active most recently." in (
        recent.sentences
    )
    previous = world.ask("identify", {DAS: "d"}, previous=1)
    assert previous.headline.startswith("identify answered with profile 1 (anonymous)")
    assert previous.headline.endswith("the one that the client had before.")


def test_a_value_on_many_profiles_is_told_as_such() -> None:
    """Where a lookup leaves holders out, the story says so and names only a few."""
    world = conversion()
    for mpid in range(1, 31):
        world.seed(mpid, (DAS, "kiosk"))
    told = world.ask("identify", {DAS: "kiosk"})
    assert any("than one lookup considers" in one for one in told.sentences)
    assert "and 10 more" in told.sentences[0]


def test_types_that_took_no_part_are_told_with_the_reason() -> None:
    """What was not needed and what stands outside the priority are different things."""
    world = conversion()
    world.seed(1, (CUSTOMER, "c"), (DAS, "d"), (PUSH, "p"))
    told = world.ask("identify", {CUSTOMER: "c", DAS: "d", PUSH: "p"})
    assert told.sentences == (
        "customerid c leads to profile 1.",
        "device_application_stamp d was not looked up: one profile was left already.",
        "push_token p stands outside the priority, so no lookup uses it.",
        "Nothing changed.",
    )


def test_a_linked_profile_names_its_source() -> None:
    """Profile link: the new known profile is told with the anonymous one it comes from."""
    world = World(policy(Strategy.PROFILE_LINK))
    world.ask("identify", {DAS: "d"})
    told = world.ask("login", {CUSTOMER: "c", DAS: "d"})
    assert "Profile 1001 remembers the anonymous profile 1000 as its source." in told.sentences
    assert any(one.endswith("under the strategy profile_link.") for one in told.sentences)


def test_a_modify_tells_what_moved_from_whom() -> None:
    """A unique value that changes hands is told with both profiles."""
    world = conversion(unique_ids=[CUSTOMER, EMAIL])
    world.seed(1, (CUSTOMER, "c-1"), (EMAIL, "a"))
    world.seed(2, (CUSTOMER, "c-2"), (EMAIL, "b"))
    told = world.modify(2, (EMAIL, "b", "a"))
    assert told.headline == "modify changed email of profile 2 (known), taking email a from profile 1."
    assert told.sentences == (
        "email b was removed from profile 2.",
        "email a moved from profile 1 to profile 2, since its type is unique.",
    )


def test_a_modify_tells_what_it_could_not_find_and_what_made_room() -> None:
    """A stale old value and a value pushed out by a limit are both told."""
    world = conversion(settings=with_settings(max_values={EMAIL: 1}))
    world.seed(1, (CUSTOMER, "c"), (EMAIL, "old"))
    told = world.modify(1, (EMAIL, "never held", "new"))
    assert told.sentences == (
        "The profile did not hold email never held, so there was nothing to remove.",
        "email old was removed from profile 1 to make room, being the oldest of a limited type.",
        "email new was added to profile 1.",
    )
    assert world.modify(1, (EMAIL, None, "new")).headline == "modify left profile 1 (known) as it was."


def test_a_correction_made_no_room() -> None:
    """What a profile loses by one is removed, and not for a limit of its type."""
    observation = Correction(0, PRODUCTION, "api", (TakeBack(1, "d1"),))
    changes = (Change(ChangeKind.REMOVED, Identity(EMAIL, "a"), 1),)
    told = story(observation, Decision(Corrected((1,)), Receipt(1, (), DecidedBy.CORRECTED), changes=changes))
    assert "email a was removed from profile 1." in told.sentences


def test_a_refusal_gives_the_reason_and_its_message() -> None:
    """A refused request has its reason in the headline and the stored message below."""
    told = World(policy(Strategy.PROFILE_ISOLATION)).ask("login", {DAS: "d"})
    assert told.headline == "login was refused: it names no login ID, and the policy asks one of a login."
    assert told.sentences == (
        "A login needs at least one login ID of the scope (customerid, email).",
        "Nothing changed.",
    )


def test_a_request_that_may_make_no_profile_is_told_so() -> None:
    """Nobody found reads differently for a search and for an identify that may not create."""
    world = conversion()
    assert world.ask("search", {EMAIL: "a"}).headline == "search found nobody: no profile holds any of its identities."
    told = world.ask("identify", {EMAIL: "a"}, may_create=False)
    assert told.headline.endswith("no profile holds any of its identities, and this request may make none.")


# Every decision can be told


def every_kind_of_decision() -> list[World]:
    """Play short histories that together meet every rule there is."""
    worlds: list[World] = []

    def world(strategy: Strategy, **more: Any) -> World:
        worlds.append(World(policy(strategy, **more)))
        return worlds[-1]

    device_first = world(Strategy.PROFILE_CONVERSION, priority=[DAS, CUSTOMER, EMAIL])
    device_first.seed(1, (CUSTOMER, "c"))
    device_first.seed(2, (DAS, "d"))
    device_first.ask("login", {DAS: "d", CUSTOMER: "c"})
    device_first.seed(3, (EMAIL, "e"))
    device_first.ask("identify", {DAS: "d", EMAIL: "e"})

    ties = world(Strategy.PROFILE_CONVERSION, priority=[EMAIL, IDFV, DAS])
    for mpid in (1, 2, 3):
        ties.seed(mpid, (EMAIL, "a"))
    ties.seed(4, (IDFV, "x"))
    ties.ask("identify", {EMAIL: "a", IDFV: "x", DAS: "nobody's"}, previous=2)
    ties.ask("identify", {EMAIL: "a"})
    smallest = world(Strategy.BEST_MATCH, settings=with_settings(tie_break=(TieBreak.SMALLEST_MPID,)))
    smallest.seed(1, (EMAIL, "a"), (DAS, "d"))
    smallest.seed(2, (EMAIL, "a"), (DAS, "d"))
    smallest.seed(3, (DAS, "d"))
    smallest.ask("identify", {EMAIL: "a", DAS: "d"})

    limits = world(
        Strategy.DEFAULT,
        priority=[CUSTOMER, EMAIL, DAS],
        unique_ids=[CUSTOMER, EMAIL],
        login_ids=[CUSTOMER, EMAIL],
        immutable_ids=[CUSTOMER, EMAIL],
        settings=with_settings(max_values={DAS: 1}),
    )
    limits.seed(1, (CUSTOMER, "c-1"), (EMAIL, "a"), (DAS, "d-1"), (PUSH, "p"))
    limits.seed(2, (CUSTOMER, "c-2"), (EMAIL, "b"))
    limits.ask("login", {CUSTOMER: "c-1", EMAIL: "b", DAS: "d-2"})
    limits.ask("logout", {CUSTOMER: "c-1", DAS: "d-1", PUSH: "q"})
    limits.ask("login", {CUSTOMER: "c-3", DAS: "d-1"})
    limits.ask("login", {CUSTOMER: "c-3", EMAIL: "b"})
    limits.modify(1, (PUSH, "p", None))
    limits.modify(1, (EMAIL, "a", "x"))
    limits.modify(1, (EMAIL, "a", None))
    limits.seed(5, (DAS, "d-5"))
    limits.modify(5, (EMAIL, None, "a"))
    limits.modify(404, (EMAIL, None, "a"))
    limits.seed(1)
    limits.seed(None, (EMAIL, "a"))
    limits.seed(6, (EMAIL, "x"), (EMAIL, "y"))

    searching = world(Strategy.DEFAULT, login_ids=[CUSTOMER, EMAIL], unique_ids=[CUSTOMER], immutable_ids=[CUSTOMER])
    searching.seed(1, (CUSTOMER, "c"), (EMAIL, "a"))
    searching.seed(2, (EMAIL, "b"))
    searching.ask("search", {EMAIL: "a"})
    searching.ask("search", {EMAIL: "b"})
    searching.ask("search", {CUSTOMER: "c"})

    moving = world(Strategy.PROFILE_CONVERSION)
    moving.seed(1, (CUSTOMER, "c-1"))
    moving.seed(2, (CUSTOMER, "c-2"))
    moving.ask("login", {CUSTOMER: "c-1", EMAIL: "a"})
    moving.modify(2, (CUSTOMER, None, "c-1"), move=False)
    moving.modify(2, (CUSTOMER, "c-2", "c-1"))
    moving.seed(3, *((T.OTHER, str(number)) for number in range(RECORD_IDENTITIES_MAX)))
    moving.ask("identify", {T.OTHER: "0", EMAIL: "full"})
    moving.modify(3, (EMAIL, None, "full"))

    crowd = world(Strategy.PROFILE_CONVERSION, unique_ids=[CUSTOMER])
    for number in range(17):
        crowd.seed(100 + number, (EMAIL, "shared"))
    crowd.seed(200, (CUSTOMER, "c"))
    crowd.rules = policy(Strategy.PROFILE_CONVERSION, unique_ids=[CUSTOMER, EMAIL])
    crowd.modify(200, (EMAIL, None, "shared"))

    empty = world(
        Strategy.PROFILE_CONVERSION,
        unique_ids=[CUSTOMER, DAS],
        settings=with_settings(empty_record=EmptyRecord.REFUSE, login_requires_login_id=LoginRequiresLoginId.ALWAYS),
    )
    empty.seed(1, (CUSTOMER, "c"), (DAS, "d"))
    empty.ask("identify", {DAS: "d"})
    empty.ask("login", {DAS: "d"})
    empty.ask("identify", {})
    empty.ask("identify", {PUSH: "p"})

    rejecting = world(Strategy.BEST_MATCH, settings=with_settings(best_match_login_logout=BestMatchLoginLogout.REJECT))
    rejecting.ask("login", {DAS: "d"})

    link = world(Strategy.PROFILE_LINK)
    link.ask("identify", {DAS: "d"})
    link.ask("search", {CUSTOMER: "c", DAS: "d"})
    link.ask("login", {CUSTOMER: "c", DAS: "d"})
    isolation = world(Strategy.PROFILE_ISOLATION)
    isolation.ask("logout", {CUSTOMER: "c", DAS: "d"})
    isolation.ask("logout", {CUSTOMER: "c", DAS: "d"})
    corrected = world(Strategy.PROFILE_CONVERSION)
    corrected.seed(1, (CUSTOMER, "c"))
    corrected.correct(TakeBack(1, "0" * 32), TakeBack(2, "1" * 32, Identity(EMAIL, "e"), counts_again=True))
    erased = world(Strategy.PROFILE_CONVERSION)
    erased.seed(1, (CUSTOMER, "c"))
    erased.decide(Erasure(next(erased.clock), PRODUCTION, "privacy", 1))
    change = IdentityChange(CUSTOMER, None, "c")
    renaming = ModifyRequest(next(erased.clock), PRODUCTION, "web", 1, (change,))
    erased.told.append((renaming, refused_as_erased(1, erased.rules)))
    return worlds


WORLDS = every_kind_of_decision()
TOLD = [(observation, decision, world.rules) for world in WORLDS for observation, decision in world.told]


def test_every_rule_of_the_core_is_told_here() -> None:
    """The histories of this file meet every rule, guard, effect, refusal, skip, change and outcome there is."""
    decisions = [decision for _, decision, _ in TOLD]
    receipts = [decision.receipt for decision in decisions]
    steps = [step for receipt in receipts for step in receipt.steps]
    assert {receipt.decided_by for receipt in receipts} == set(DecidedBy)
    assert {step.effect for step in steps} == set(LookupEffect)
    assert {one.guard for step in steps for one in step.rejected} == set(Guard)
    # What is quarantined does not reach the core: whoever logs the decision says so (see below).
    assert {one.why for decision in decisions for one in decision.skipped} == set(Skip) - {Skip.QUARANTINED}
    assert {one.kind for decision in decisions for one in decision.changes} == set(ChangeKind)
    # Who names somebody that is to stay out is refused before any rule looks at it.
    refused = {one.outcome.reason for one in decisions if isinstance(one.outcome, Refused)}
    assert refused == set(Refusal) - {Refusal.SUPPRESSED}
    kinds = {outcome_document(decision.outcome)["kind"] for decision in decisions}
    assert kinds == {"returned", "created", "not_found", "refused", "modified", "seeded", "corrected", "erased"}


@pytest.mark.parametrize(("observation", "decision", "rules"), TOLD)
def test_what_was_set_aside_is_told(observation: Observation, decision: Decision, rules: Policy) -> None:
    """An identity that was quarantined when the request came is named, and why it did nothing."""
    aside = SkippedIdentity(Identity(EMAIL, "guest@example.com"), Skip.QUARANTINED)
    told = story(observation, decision._replace(skipped=(*decision.skipped, aside)), rules)
    named = [sentence for sentence in told.sentences if "email guest@example.com" in sentence]
    assert len(named) == 1
    assert "quarantined" in named[0]


@pytest.mark.parametrize(("observation", "decision", "rules"), TOLD)
def test_a_story_is_told_without_its_policy(observation: Observation, decision: Decision, rules: Policy) -> None:
    """Without the policy a story has the same headline."""
    assert story(observation, decision).headline == story(observation, decision, rules).headline


@pytest.mark.parametrize(("observation", "decision", "rules"), TOLD)
def test_a_story_is_made_of_sentences(observation: Observation, decision: Decision, rules: Policy) -> None:
    """Headline and sentences end with one full stop, never show a hole, and name every value that mattered."""
    told = story(observation, decision, rules)
    for sentence in (told.headline, *told.sentences):
        assert sentence.endswith(".")
        assert "  " not in sentence
        assert "None" not in sentence
    text = " ".join(told.sentences)
    for mattered in (*decision.changes, *decision.skipped, *decision.receipt.steps):
        assert f"{mattered.identity.type} {mattered.identity.value}" in text
    for mpid in decision.touched:
        assert str(mpid) in told.headline + text


VALUES = st.sampled_from(["a", "b", "c"])
TYPES = st.sampled_from([CUSTOMER, EMAIL, DAS, PUSH])
QUESTIONS = st.tuples(
    st.sampled_from(["identify", "login", "logout", "search", "modify"]),
    st.dictionaries(TYPES, VALUES, max_size=4),
    st.none() | st.integers(1000, 1005),
)


@given(
    st.sampled_from(list(Strategy)),
    st.permutations([CUSTOMER, EMAIL, DAS]),
    st.lists(QUESTIONS, max_size=12),
)
def test_any_history_can_be_told(strategy: Strategy, priority: list[IdentityType], questions: list[Any]) -> None:
    """Whatever is asked under whatever strategy, its story comes out, with the policy and without it."""
    world = World(policy(strategy, priority=priority))
    for endpoint, wanted, mpid in questions:
        if endpoint == "modify":
            told = world.modify(mpid or 1000, *((kind, None, value) for kind, value in wanted.items()))
        else:
            told = world.ask(endpoint, wanted, mpid)
        assert told.headline.startswith(endpoint)
        observation, decision = world.told[-1]
        assert story(observation, decision).headline == told.headline
