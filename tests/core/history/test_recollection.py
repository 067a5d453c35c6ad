"""A recollection answers what the log tells, and notes where it was asked for more."""

from knownas.core.history.recollection import Recollection, Untold
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record

EMAIL = Identity(IdentityType.EMAIL, "e")
STAMP = Identity(IdentityType.DEVICE_APPLICATION_STAMP, "d")


def holding(mpid: int, *held: Identity, active_ms: int = 0) -> Record:
    """Return an anonymous profile's record."""
    return Record(mpid, {one.type: (one.value,) for one in held}, {}, known=False, created_ms=0, active_ms=active_ms)


def test_what_is_told_is_answered_without_a_note() -> None:
    """Holders that are known are returned, and nobody needs to be told that something is missing."""
    records = Recollection([holding(1, EMAIL), holding(2, EMAIL)], ())

    assert records.holders(EMAIL).mpids == (1, 2)
    assert records.holders(STAMP).mpids == ()
    assert (records.missed, records.guesses) == ([], False)


def test_holders_that_are_not_told_are_noted() -> None:
    """An identity whose holders are unknown may be held, is answered with nobody, and leaves its reason."""
    records = Recollection([holding(1, EMAIL)], (), untold={EMAIL: Untold.CROWDED})

    assert records.is_held(EMAIL)
    assert records.holders(EMAIL).mpids == ()
    assert records.missed == [Untold.CROWDED]
    records.begin()
    assert records.missed == []


def test_comparing_an_activity_that_is_not_certain_is_a_guess() -> None:
    """Whose activity the log tells can be compared; with one of whom it does not, it is a guess."""
    profiles = [holding(1, EMAIL, active_ms=5), holding(2, EMAIL, active_ms=6), holding(3, EMAIL)]
    records = Recollection(profiles, ((1, 50), (2, 60)))

    times = records.activity(profiles)
    assert [times[1], times[2]] == [50, 60]
    assert not records.guesses
    assert times[3] == 0
    assert records.guesses
    assert records.compared == {1, 2, 3}


def test_copying_all_activity_compares_nobody() -> None:
    """Whoever only writes down when everybody was active has decided nothing by it."""
    profiles = [holding(1, EMAIL), holding(2, EMAIL)]
    records = Recollection(profiles, ())

    assert dict(records.activity(profiles).items()) == {1: 0, 2: 0}
    assert records.compared == set()


def test_the_favoured_were_active_last() -> None:
    """The first of the favoured is more recent than the second, and both than all others."""
    profiles = [holding(mpid, EMAIL, active_ms=10**15) for mpid in (1, 2, 3)]
    records = Recollection(profiles, ())

    records.begin((3, 2))
    times = records.activity(profiles)

    assert times[3] > times[2] > times[1]
