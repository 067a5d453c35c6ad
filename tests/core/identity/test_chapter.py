"""What a decision was for one profile, in one sentence."""

import pytest

from knownas.core.identity.chapter import IDENTITIES_TOLD_MAX, Earlier, Profile, chapter, text_of
from knownas.core.identity.decision import (
    NOT_CROWDED,
    Change,
    ChangeKind,
    Corrected,
    Created,
    DecidedBy,
    Decision,
    Erased,
    LookupEffect,
    LookupStep,
    Modified,
    NotFound,
    Outcome,
    Receipt,
    Refusal,
    Refused,
    Returned,
    Seeded,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Environment,
    Erasure,
    IdentityRequest,
    Judged,
    ModifyRequest,
    Observation,
    SeedRequest,
    TakeBack,
    TakenAlias,
)

LIVE = Environment.PRODUCTION
ID = Identity(IdentityType.CUSTOMER_ID, "c-17")
MAIL = Identity(IdentityType.EMAIL, "a@example.com")
DEVICE = Identity(IdentityType.DEVICE_APPLICATION_STAMP, "das-1")
ANN, BOB = 7, 8
LED = (LookupStep(ID, (ANN,), (), NOT_CROWDED, LookupEffect.FIRST, (ANN,)),)


def asked(endpoint: Endpoint, *held: Identity) -> IdentityRequest:
    """Return a request."""
    return IdentityRequest(endpoint, 0, LIVE, "web", held)


def decided(outcome: Outcome, *changes: Change, steps: tuple[LookupStep, ...] = (), **more: object) -> Decision:
    """Return a decision."""
    return Decision(outcome, Receipt(1, steps, DecidedBy.LAST_CANDIDATE), changes=changes, **more)  # type: ignore[arg-type]


def added(one: Identity, mpid: int = ANN) -> Change:
    """Return a change."""
    return Change(ChangeKind.ADDED, one, mpid)


CHANGED = Modified(ANN, known=True, results=())
MODIFY = ModifyRequest(0, LIVE, "crm", ANN, ())
MOVED = Change(ChangeKind.MOVED, MAIL, ANN, BOB)


@pytest.mark.parametrize(
    ("observation", "decision", "told"),
    [
        (
            asked(Endpoint.IDENTIFY, DEVICE),
            decided(Created(ANN, known=False), added(DEVICE)),
            "First seen with device_application_stamp das-1: a new anonymous profile.",
        ),
        (
            asked(Endpoint.LOGIN, ID),
            decided(Created(ANN, known=True, source_mpid=BOB), added(ID)),
            "Signed up with customerid c-17: a new known profile, and remembers where it came from, profile 8.",
        ),
        (
            asked(Endpoint.LOGOUT, DEVICE),
            decided(Created(ANN, known=False), added(DEVICE)),
            "Began with a logout, as a new anonymous profile with device_application_stamp das-1.",
        ),
        (
            asked(Endpoint.LOGIN, ID, DEVICE),
            decided(Returned(ANN, known=True, became_known=True), added(ID), steps=LED),
            "Signed up with customerid c-17; the anonymous profile became known.",
        ),
        (
            asked(Endpoint.LOGIN, ID, MAIL),
            decided(Returned(ANN, known=True), added(MAIL), steps=LED),
            "Logged in with customerid c-17; email a@example.com was added.",
        ),
        (
            asked(Endpoint.IDENTIFY, ID),
            decided(Returned(ANN, known=True), steps=LED, skipped=(SkippedIdentity(MAIL, Skip.UNIQUE_HELD, BOB),)),
            "Came back with customerid c-17; email a@example.com was left out; nothing changed.",
        ),
        (MODIFY, decided(CHANGED, MOVED), "Changed on request; email a@example.com came from profile 8."),
        (
            MODIFY,
            decided(CHANGED, Change(ChangeKind.REMOVED, MAIL, ANN), added(DEVICE)),
            "Changed on request; device_application_stamp das-1 was added; email a@example.com was removed.",
        ),
        (MODIFY, decided(Refused(Refusal.UNKNOWN_MPID, "")), "A modify was refused: there is no profile of the MPID that it names."),
        (asked(Endpoint.SEARCH, ID), decided(NotFound()), "A search, and nobody was found."),
        (
            SeedRequest(0, LIVE, "api", ANN, (ID,)),
            decided(Seeded(ANN, known=True), added(ID)),
            "Came over from another system; customerid c-17 was added.",
        ),
        (Erasure(0, LIVE, "api", ANN), decided(Erased(ANN)), "Erased: nothing leads here any more, and what was held is not kept."),
        (
            Correction(0, LIVE, "api", (TakeBack(1, "d1"), TakeBack(2, "d2", MAIL, counts_again=True)), gone=((ANN, BOB),)),
            decided(Corrected((ANN,))),
            (
                "Corrected: decision d1 was taken back, email a@example.com of decision d2 counts again; "
                "this profile went, and profile 8 answers for it."
            ),
        ),
        (
            Correction(0, LIVE, "api", (), quarantine=(Judged(MAIL, counts=False),), policy_version=3, aliases=(TakenAlias("r"),)),
            decided(Corrected((ANN,))),
            (
                "Corrected: an alias request was taken back, email a@example.com was quarantined, and leads nowhere, "
                "everything before was resolved under policy version 3."
            ),
        ),
    ],
)  # fmt: skip
def test_a_decision_is_told_in_one_sentence(observation: Observation, decision: Decision, told: str) -> None:
    """What was asked, what came of it, and what the profile got and lost."""
    assert text_of(chapter(ANN, observation, decision)) == told


def test_the_other_profile_is_told_its_own_side() -> None:
    """Whoever lost a value, or is remembered as where somebody came from, has a sentence too."""
    moved = chapter(BOB, MODIFY, decided(CHANGED, MOVED))
    assert text_of(moved) == "A change of another profile, profile 7; email a@example.com went to profile 7."
    linked = chapter(BOB, asked(Endpoint.LOGIN, ID), decided(Created(ANN, known=True, source_mpid=BOB), added(ID)))
    assert text_of(linked) == "The user went on as profile 7, which remembers this one as where it came from."
    assert Profile(ANN) in moved
    assert MAIL in moved


def test_a_sentence_names_only_some() -> None:
    """Of many identities and of many decisions it says how many more there are."""
    many = [Identity(IdentityType.OTHER, str(one)) for one in range(IDENTITIES_TOLD_MAX + 3)]
    told = chapter(ANN, MODIFY, decided(CHANGED, *map(added, many)))
    assert "other 5 and 3 more were added" in text_of(told)
    taken = tuple(TakeBack(one, f"d{one}") for one in range(9))
    corrected = chapter(ANN, Correction(0, LIVE, "api", taken), decided(Corrected(())))
    assert sum(isinstance(one, Earlier) for one in corrected) == 4
    assert "5 more decisions were taken back" in text_of(corrected)
