"""What a person is told of a decision names neither another person's values nor their profile."""

from knownas.core.identity.decision import (
    NOT_CROWDED,
    Change,
    ChangeKind,
    Created,
    DecidedBy,
    Decision,
    Guard,
    LookupEffect,
    LookupStep,
    Receipt,
    Refusal,
    Refused,
    Rejection,
    Returned,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.privacy.disclosure import NOT_SHOWN, identities_in, told_of_answer, told_of_changes

ME, BOB, EVE = 71, 72, 73
MINE = Identity(IdentityType.CUSTOMER_ID, "mine")
THEIRS = Identity(IdentityType.EMAIL, "theirs@example.com")
STAMP = Identity(IdentityType.DEVICE_APPLICATION_STAMP, "stamp-71-72")
ASKED = IdentityRequest(Endpoint.LOGIN, 5, Environment.PRODUCTION, "web", (MINE, THEIRS, STAMP), EVE)


def own(one: Identity) -> bool:
    """Whether an identity is the person's own."""
    return one in (MINE, STAMP)


def returned() -> Decision:
    """Return a decision in which two others take part."""
    steps = (
        LookupStep(STAMP, (ME, BOB), (Rejection(EVE, Guard.LOGIN),), NOT_CROWDED, LookupEffect.FIRST, (ME, BOB)),
        LookupStep(MINE, (ME,), (), NOT_CROWDED, LookupEffect.NARROWED, (ME,)),
    )
    receipt = Receipt(1, steps, DecidedBy.LAST_CANDIDATE, IdentityType.CUSTOMER_ID)
    skipped = (SkippedIdentity(THEIRS, Skip.UNIQUE_HELD, BOB),)
    return Decision(
        Returned(ME, known=True), receipt, changes=(Change(ChangeKind.MOVED, MINE, ME, EVE),), skipped=skipped
    )


def test_others_have_letters_instead_of_numbers() -> None:
    """Each other profile has a letter, the same in all sentences of the decision; the person's own keeps its number."""
    told = told_of_answer(ASKED, returned(), None, ME, own)
    text = " ".join((told.headline, *told.sentences))
    assert "profiles 71 and A" in text
    assert "moved from profile B to profile 71" in text
    assert "belongs to profile A" in text
    assert str(BOB) not in text.replace(STAMP.value, "")
    assert str(EVE) not in text


def test_values_of_others_are_not_shown() -> None:
    """A value that is not the person's own is not shown; it is still told that there was one, of which type."""
    told = told_of_answer(ASKED, returned(), None, ME, own)
    text = " ".join(told.sentences)
    assert f"email {NOT_SHOWN} was left out" in text
    assert THEIRS.value not in text


def test_own_values_stand_whole_whatever_digits_they_have() -> None:
    """A value of the person's that has the number of another profile in it stays as it is."""
    told = told_of_answer(ASKED, returned(), None, ME, own)
    assert any(STAMP.value in sentence for sentence in told.sentences)


def test_a_profile_that_was_linked_is_not_named() -> None:
    """The profile that a new one was linked from is another one."""
    decision = Decision(Created(ME, known=True, source_mpid=BOB), Receipt(1, (), DecidedBy.NEW_KNOWN_USER))
    told = told_of_answer(ASKED, decision, None, ME, own)
    assert "Profile 71 remembers the anonymous profile A as its source." in told.sentences


def test_what_a_refusal_says_itself_is_left_out() -> None:
    """The message of a refusal was written for its caller and can name anybody: its reason is told instead."""
    message = f"{THEIRS.value} belongs to {BOB}"
    told = told_of_answer(
        ASKED, Decision(Refused(Refusal.UNIQUE_TAKEN, message), Receipt(1, (), DecidedBy.REFUSED)), None, ME, own
    )
    text = " ".join((told.headline, *told.sentences))
    assert "a unique value belongs to another profile" in text
    assert THEIRS.value not in text
    assert str(BOB) not in text


def test_more_others_than_letters_are_told_apart() -> None:
    """After the last letter the first comes again, with a number."""
    many = tuple(range(1_000, 1_040))
    steps = (LookupStep(STAMP, many, (), NOT_CROWDED, LookupEffect.FIRST, (many[-1], ME)),)
    told = told_of_answer(
        ASKED, Decision(Returned(ME, known=False), Receipt(1, steps, DecidedBy.SMALLEST_MPID)), None, ME, own
    )
    assert any("N2" in sentence for sentence in told.sentences)


def test_a_decision_about_somebody_else_tells_what_it_changed_here() -> None:
    """Of another profile's decision nothing is told but the changes of this one."""
    changes = (
        Change(ChangeKind.MOVED, THEIRS, BOB, ME),
        Change(ChangeKind.ADDED, Identity(IdentityType.OTHER, "bob's"), BOB),
        Change(ChangeKind.REMOVED, MINE, ME),
        Change(ChangeKind.CARRIED, STAMP, ME),
    )
    told = told_of_changes(changes, ME, own, corrected=False)
    assert told.sentences == (
        f"email {NOT_SHOWN} moved from this profile to another one.",
        "customerid mine was removed from this profile.",
        f"device_application_stamp {STAMP.value} was added to this profile.",
    )
    assert "corrected" in told_of_changes((), ME, own, corrected=True).headline


def test_every_identity_of_a_decision_is_looked_at() -> None:
    """Those of its lookups, its changes, and those that were left out."""
    assert set(identities_in(returned())) == {STAMP, MINE, THEIRS}
