"""Small histories, good and bad, for the tests of their judge."""

from knownas.core.identity.kinds import IdentityType
from tests.concurrency.history import (
    FORMAT,
    About,
    Answer,
    Call,
    Census,
    Failed,
    History,
    Modified,
    Named,
    Operation,
    Shown,
    Told,
)
from tests.concurrency.households import CUSTOMER, EMAIL, OTHER, SCOPES, STAMP

POOL = "converts/production"
ABOUT = About(FORMAT, "examples", 0, 2, 1, dict(SCOPES))
MS = 1_000_000
One = tuple[IdentityType, str]


def ask(kind: str, *identities: One, previous: int | None = None, pool: str = POOL) -> Call:
    """Ask for a profile."""
    return Call(kind, pool, tuple(sorted(identities)), previous)


def modify(mpid: int, kind: IdentityType, old: str | None, new: str | None) -> Call:
    """Change one value."""
    return Call("modify", POOL, mpid=mpid, changes=((kind, old, new),))


def look(mpid: int) -> Call:
    """Look at a profile."""
    return Call("profile", POOL, mpid=mpid)


def modified(mpid: int, *results: tuple[IdentityType, int], known: bool = True) -> Modified:
    """Answer a modify."""
    return Modified(mpid, known, frozenset(results))


def named(mpid: int, *matched: One, known: bool = False) -> Named:
    """Answer with a profile."""
    return Named(mpid, known, tuple(sorted(matched)))


def shows(mpid: int, *held: One, made: int = 0, active: int = 0, source: int | None = None) -> Shown:
    """Show a profile."""
    kinds = sorted({kind for kind, _ in held})
    values = tuple((kind, tuple(value for one, value in held if one is kind)) for kind in kinds)
    return Shown(mpid, CUSTOMER in kinds, source, made, active, values, ())


def history(*lines: tuple[int, int | None, Call, Answer | None], servers: tuple[int, ...] = ()) -> History:
    """Make a history of operations: from when to when in milliseconds, what was asked, what was answered."""
    operations: list[Operation] = []
    for number, (started, ended, call, answer) in enumerate(lines):
        ends = (None, None) if ended is None else (ended * MS, ended)
        server = servers[number] if servers else 0
        operations.append(Operation(number, number, server, call, started * MS, started, *ends, answer))
    return History(ABOUT, sorted(operations, key=lambda one: one.started_ns))


ANN, BOB, DEVICE, OLD, NEW = (CUSTOMER, "ann"), (CUSTOMER, "bob"), (STAMP, "device"), (EMAIL, "old"), (EMAIL, "new")
LOGIN, SEARCH, LOGOUT = ask("login", ANN), ask("search", ANN), ask("logout", DEVICE)
IS_ANN, NOT_FOUND = named(1, ANN, known=True), Told("not_found")
CHANGE, CHANGED = modify(1, EMAIL, None, "new"), modified(1, (EMAIL, 1))
TAKE, CARD = modify(2, OTHER, None, "card"), (OTHER, "card")
DEVICE_AGAIN = ask("identify", DEVICE)

GOOD = {
    "two first sightings at once, one profile": history((0, 9, LOGIN, IS_ANN), (1, 8, LOGIN, IS_ANN)),
    "a look during a change, before it": history(
        (0, 1, LOGIN, IS_ANN), (2, 9, CHANGE, CHANGED), (3, 4, look(1), shows(1, ANN))
    ),
    "a look during a change, after it": history(
        (0, 1, LOGIN, IS_ANN), (2, 9, CHANGE, CHANGED), (3, 4, look(1), shows(1, ANN, NEW, active=3))
    ),
    "an answer that never came, and took effect": history((0, None, LOGIN, None), (5, 6, SEARCH, IS_ANN)),
    "an answer that never came, and took none": history((0, None, LOGIN, None), (5, 6, SEARCH, NOT_FOUND)),
    "an answer that never came, and took effect late": history(
        (0, None, LOGIN, None), (5, 6, SEARCH, NOT_FOUND), (7, 8, SEARCH, IS_ANN)
    ),
    "told that nothing was done": history((0, 1, LOGIN, Failed("store_busy")), (2, 3, SEARCH, NOT_FOUND)),
    "of two visitors the one that was active last": history(
        (0, 1, LOGOUT, named(1, DEVICE)), (2, 3, LOGOUT, named(2, DEVICE)), (4, 5, DEVICE_AGAIN, named(2, DEVICE))
    ),
    "of two visitors either, if they came at the same time": history(
        (0, 9, LOGOUT, named(1, DEVICE)), (1, 8, LOGOUT, named(2, DEVICE)), (10, 11, DEVICE_AGAIN, named(1, DEVICE))
    ),
    "a visit that another server does not know": history(
        (0, 1, LOGOUT, named(1, DEVICE)),
        (2, 3, LOGOUT, named(2, DEVICE)),
        (4, 5, ask("identify", DEVICE, previous=1), named(1, DEVICE)),
        (6, 7, DEVICE_AGAIN, named(2, DEVICE)),
        servers=(0, 0, 0, 1),
    ),
    "a value that moves": history(
        (0, 1, ask("identify", CARD), named(1, CARD)),
        (0, 1, ask("identify", DEVICE), named(2, DEVICE)),
        (2, 9, TAKE, modified(2, (OTHER, 1), (OTHER, 2), known=False)),
        (3, 4, ask("search", CARD), named(1, CARD)),
        (5, 6, ask("search", CARD), named(2, CARD)),
    ),
    "all there is in the end": history((0, 1, LOGIN, IS_ANN), (2, 3, Call("census", POOL), Census((shows(1, ANN),)))),
}

BAD = {
    "two first sightings at once, two profiles": history(
        (0, 9, LOGIN, IS_ANN), (1, 8, LOGIN, named(2, ANN, known=True))
    ),
    "a look that is stale": history((0, 1, LOGIN, IS_ANN), (2, 3, CHANGE, CHANGED), (4, 5, look(1), shows(1, ANN))),
    "a search that is stale": history((0, 1, LOGIN, IS_ANN), (2, 3, SEARCH, NOT_FOUND)),
    "a profile before its time": history((0, 1, SEARCH, IS_ANN), (2, 3, LOGIN, IS_ANN)),
    "back and forth": history(
        (0, 1, LOGIN, IS_ANN),
        (2, 9, CHANGE, CHANGED),
        (3, 4, look(1), shows(1, ANN, NEW, active=3)),
        (5, 6, look(1), shows(1, ANN)),
    ),
    "a lost update": history(
        (0, 1, LOGIN, IS_ANN),
        (2, 9, CHANGE, CHANGED),
        (2, 9, modify(1, EMAIL, None, "old"), CHANGED),
        (10, 11, look(1), shows(1, ANN, OLD, active=5)),
    ),
    "one change, made twice": history(
        (0, 1, LOGIN, IS_ANN),
        (2, 9, CHANGE, CHANGED),
        (2, 9, CHANGE, CHANGED),
        (10, 11, look(1), shows(1, ANN, NEW, active=5)),
    ),
    "somebody who must have been told no": history((0, 1, LOGIN, IS_ANN), (2, 3, look(1), Told("unknown_profile"))),
    "of two visitors the one that was active first": history(
        (0, 1, LOGOUT, named(1, DEVICE)), (2, 3, LOGOUT, named(2, DEVICE)), (4, 5, DEVICE_AGAIN, named(1, DEVICE))
    ),
    "a visit that the same server forgets": history(
        (0, 1, LOGOUT, named(1, DEVICE)),
        (2, 3, LOGOUT, named(2, DEVICE)),
        (4, 5, ask("identify", DEVICE, previous=1), named(1, DEVICE)),
        (6, 7, DEVICE_AGAIN, named(2, DEVICE)),
    ),
    "a value that two hold": history(
        (0, 1, ask("identify", CARD), named(1, CARD)),
        (0, 1, ask("identify", DEVICE), named(2, DEVICE)),
        (2, 3, TAKE, modified(2, (OTHER, 1), (OTHER, 2), known=False)),
        (4, 5, look(1), shows(1, CARD)),
    ),
    "an answer that never came, taken back": history(
        (0, None, LOGIN, None), (5, 6, SEARCH, IS_ANN), (7, 8, SEARCH, NOT_FOUND)
    ),
    "told that nothing was done, and it was": history((0, 1, LOGIN, Failed("store_busy")), (2, 3, SEARCH, IS_ANN)),
    "a profile that nobody asked for": history(
        (0, 1, LOGIN, IS_ANN), (2, 3, Call("census", POOL), Census((shows(1, ANN), shows(2, BOB))))
    ),
    "a profile that is gone": history((0, 1, LOGIN, IS_ANN), (2, 3, Call("census", POOL), Census(()))),
    "one profile in two environments": history(
        (0, 1, LOGIN, IS_ANN), (2, 3, ask("login", ANN, pool="converts/development"), IS_ANN)
    ),
    "made before it was asked for": history((5, 6, LOGIN, IS_ANN), (7, 8, look(1), shows(1, ANN, made=4, active=5))),
    "active before it was changed": history(
        (0, 1, LOGIN, IS_ANN), (4, 5, CHANGE, CHANGED), (7, 8, look(1), shows(1, ANN, NEW, active=3))
    ),
    "active after it was asked": history((0, 1, LOGIN, IS_ANN), (7, 8, look(1), shows(1, ANN, active=9))),
}
