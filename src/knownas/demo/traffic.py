"""Generates an hour of IDSync calls, the same for the same seed, as a shop with an app would send them.

The shape of the traffic
========================

People (`town`) have one to four devices of their own, and share some: the family's computer, the television, and
the kiosk in the shop. An hour here is a long time compressed: each person comes about seven times, as often as
others do in a week, and everything that happens to accounts happens in it.

A session begins with the identify that an SDK sends at its start: the device's identities, with those of whoever
is logged in on it. Most sessions are no more than that, a return that changes nothing. On a device where nobody
is logged in, some log in; of those without an account some leave an address for the newsletter, and some sign up.
Who finds somebody else logged in on a shared device logs them out first. A few people forget that they have an
account and sign up again; the two are merged later by a modify, which moves the customer ID. A few change their
address. Some log out, at the kiosk nearly everyone. Besides, the CRM searches for customers, and sometimes for
people who never became any. Forms bring some junk.

Calls of one device never overlap, and its first is always an identify.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import Random
from types import MappingProxyType
from typing import Final, Literal

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import IdentityChange
from knownas.demo.town import Device, Person, Town, settle

SESSIONS_PER_PERSON: Final = 7
"""Sessions that one person starts in the hour, on average."""

SHARED_DEVICE_SHARE: Final = 0.12
"""Sessions on a device of the household, where there is one."""

KIOSK_SHARE: Final = 0.02
"""Sessions at the kiosk, if it is free."""

LOG_IN_SHARE: Final = 0.5
"""Sessions in which somebody with an account logs in, where nobody is logged in yet."""

TAKE_OVER_SHARE: Final = 0.9
"""Sessions in which somebody with an account logs in after having logged somebody else out."""

NEWSLETTER_SHARE: Final = 0.10
"""Sessions in which somebody without an account leaves an address."""

SIGN_UP_SHARE: Final = 0.15
"""Sessions in which somebody without an account gets one."""

ADDRESS_WITH_LOGIN_SHARE: Final = 0.8
"""Logins that name the address beside the customer ID."""

FORGETFUL_SHARE: Final = 0.02
"""Logins that are a second sign-up, by somebody who has forgotten the first."""

MERGE_SHARE: Final = 0.3
"""Sessions on a second account in which it is merged into the first."""

ADDRESS_CHANGE_SHARE: Final = 0.02
"""Sessions of somebody logged in who changes their address."""

LOG_OUT_SHARE: Final = 0.05
"""Sessions of somebody logged in who logs out at the end."""

KIOSK_LOG_OUT_SHARE: Final = 0.9
"""The same at the kiosk."""

JUNK_SHARE: Final = 0.1
"""Newsletter addresses that are none."""

JUNK_VALUES: Final = ("n/a", "null", "undefined", "test@test", "-")

SEARCHES_PER_PERSON: Final = 0.3
"""Searches of the CRM in the hour, for each person of the town."""

SEARCH_BY_ADDRESS_SHARE: Final = 0.4
"""Searches by address; the others are by customer ID."""

GAP_MS: Final = (2_000, 45_000)
"""Time between two calls of one session, at least and at most."""

HOUR_MS: Final = 3_600_000
PEOPLE_MAX: Final = 1_000_000
"""People at most; each takes about 1.5 kB of memory while the traffic is generated."""

DURATION_MS_MAX: Final = 366 * 24 * HOUR_MS

CRM: Final = "crm"
"""The input of the searches; it sends from no device."""

Call = Literal["identify", "login", "logout", "search", "modify"]
_NO_IDENTITIES: Final[Mapping[str, str]] = MappingProxyType({})
_CUSTOMER_ID, _EMAIL = IdentityType.CUSTOMER_ID.value, IdentityType.EMAIL.value


@dataclass(frozen=True, slots=True)
class Visit:
    """One IDSync call, without what only the answers before it tell.

    `identities` are named as IDSync names them. `previous_mpid` is the label of the device whose last MPID goes
    along, None for a search: whoever plays the visit puts the MPID there, or in a modify's path. `person` is the
    number of whoever causes the call, or is searched for. `changes` are a modify's.
    """

    at_ms: int
    person: int
    call: Call
    input: str
    identities: Mapping[str, str]
    previous_mpid: str | None
    changes: tuple[IdentityChange, ...] = ()
    environment: Literal["production"] = "production"


def traffic(seed: int, people: int, start_ms: int, hour_ms: int = HOUR_MS) -> Iterator[Visit]:
    """Yield the calls of an hour in the order of their times, from `start_ms` on and before it has passed.

    The number of calls grows with `people`, about nine for each; `hour_ms` stretches or squeezes the same calls.

    Raises:
        ValueError: `people` is not 1 to 1,000,000, or `hour_ms` not 1 ms to 366 days.
    """
    if not 1 <= people <= PEOPLE_MAX:
        raise ValueError(f"1 to {PEOPLE_MAX} people")
    if not 1 <= hour_ms <= DURATION_MS_MAX:
        raise ValueError(f"an hour takes 1 to {DURATION_MS_MAX} ms")
    return _Hour(Random(seed), people, start_ms, hour_ms).visits()  # noqa: S311 - repeatable, no secret


class _Hour:
    """What is still to come: each person's next session, the next search, and the rest of sessions begun."""

    def __init__(self, random: Random, people: int, start_ms: int, hour_ms: int) -> None:
        self._random = random
        self._town: Town = settle(random, people)
        self._end_ms = start_ms + hour_ms
        self._hour_ms = hour_ms
        self._order = 0
        self._queue: list[tuple[int, int, Person | Visit | None]] = []
        for person in self._town.people:
            self._queue.append(self._due(start_ms + self._until_next(SESSIONS_PER_PERSON), person))
        self._queue.append(self._due(start_ms + self._until_next(SEARCHES_PER_PERSON * people), None))
        heapify(self._queue)

    def visits(self) -> Iterator[Visit]:
        """Yield the calls; sessions that the end of the hour cuts off stay unfinished."""
        while self._queue:
            at_ms, _, what = heappop(self._queue)
            if at_ms >= self._end_ms:
                return
            match what:
                case Visit():
                    yield what
                case Person():
                    self._come(what, at_ms)
                case None:
                    yield self._search(at_ms)
                    again = self._until_next(SEARCHES_PER_PERSON * len(self._town.people))
                    heappush(self._queue, self._due(at_ms + again, None))

    def _due(self, at_ms: int, what: Person | Visit | None) -> tuple[int, int, Person | Visit | None]:
        # The running number keeps the order of equal times, and the heap from comparing visits.
        self._order += 1
        return at_ms, self._order, what

    def _until_next(self, times_an_hour: float) -> int:
        return 1 + int(self._random.expovariate(times_an_hour / self._hour_ms))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _search(self, at_ms: int) -> Visit:
        person = self._random.choice(self._town.people)
        by_address = self._chance(SEARCH_BY_ADDRESS_SHARE)
        wanted = {_EMAIL: person.email} if by_address else {_CUSTOMER_ID: person.customer_id()}
        return Visit(at_ms, person.number, "search", CRM, wanted, None)

    def _come(self, person: Person, at_ms: int) -> None:
        """Let a person start a session, or wait if somebody else has the device."""
        device = self._device(person, at_ms)
        if device.free_ms > at_ms:
            heappush(self._queue, self._due(device.free_ms + _gap(self._random, self._hour_ms), person))
            return
        session = _Session(self._random, person, device, at_ms, self._hour_ms)
        session.play(at_the_kiosk=device is self._town.kiosk)
        for visit in session.visits:
            heappush(self._queue, self._due(visit.at_ms, visit))
        heappush(self._queue, self._due(at_ms + self._until_next(SESSIONS_PER_PERSON), person))

    def _device(self, person: Person, at_ms: int) -> Device:
        # Nobody queues at the kiosk: people have phones.
        if self._chance(KIOSK_SHARE) and self._town.kiosk.free_ms <= at_ms:
            return self._town.kiosk
        if person.shared and self._chance(SHARED_DEVICE_SHARE):
            return self._random.choice(person.shared)
        return self._random.choice(person.own)


def _gap(random: Random, hour_ms: int) -> int:
    return 1 + random.randint(*GAP_MS) * hour_ms // HOUR_MS


class _Session:
    """One person at one device: the calls of a session, from its identify to its end."""

    def __init__(self, random: Random, person: Person, device: Device, at_ms: int, hour_ms: int) -> None:
        self._random = random
        self._person = person
        self._device = device
        self._at_ms = at_ms
        self._hour_ms = hour_ms
        self.visits: list[Visit] = []

    def play(self, *, at_the_kiosk: bool) -> None:
        """Add the session's calls, and leave the device as the last of them left it."""
        device, person = self._device, self._person
        self._call("identify", {**device.identities, **self._logged_in()})
        if device.user is None:
            self._arrive(LOG_IN_SHARE)
        elif device.user is not person:
            self._log_out()
            self._arrive(TAKE_OVER_SHARE)
        if device.user is person:
            self._look_after_account()
            if self._chance(KIOSK_LOG_OUT_SHARE if at_the_kiosk else LOG_OUT_SHARE):
                self._log_out()
        device.free_ms = self._at_ms

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _call(self, call: Call, identities: Mapping[str, str], *changes: IdentityChange) -> None:
        device = self._device
        self.visits.append(
            Visit(self._at_ms, self._person.number, call, device.input, dict(identities), device.label, changes)
        )
        self._at_ms += _gap(self._random, self._hour_ms)

    def _logged_in(self) -> Mapping[str, str]:
        """Return what the app says of whoever is logged in."""
        user, account = self._device.user, self._device.account
        return _NO_IDENTITIES if user is None or account is None else {_CUSTOMER_ID: account, _EMAIL: user.email}

    def _log_out(self) -> None:
        self._call("logout", self._device.identities)
        self._device.user = self._device.account = None

    def _arrive(self, log_in_share: float) -> None:
        """Let the person say who they are, or stay anonymous, on a device where nobody is logged in."""
        person = self._person
        if person.accounts:
            if self._chance(log_in_share):
                if person.accounts == 1 and self._chance(FORGETFUL_SHARE):
                    person.accounts = 2
                self._log_in(person.accounts - 1)
            return
        if self._chance(NEWSLETTER_SHARE):
            address = self._random.choice(JUNK_VALUES) if self._chance(JUNK_SHARE) else person.email
            self._call("identify", {**self._device.identities, _EMAIL: address})
        if self._chance(SIGN_UP_SHARE):
            person.accounts = 1
            self._log_in(0)

    def _log_in(self, account: int) -> None:
        device, person = self._device, self._person
        named = {_CUSTOMER_ID: person.customer_id(account)}
        if self._chance(ADDRESS_WITH_LOGIN_SHARE):
            named[_EMAIL] = person.email
        self._call("login", {**device.identities, **named})
        device.user, device.account = person, person.customer_id(account)

    def _look_after_account(self) -> None:
        """Merge a second account into the first, change an address, or, mostly, do neither."""
        device, person = self._device, self._person
        first = person.customer_id()
        if device.account != first and self._chance(MERGE_SHARE):
            self._modify(IdentityType.CUSTOMER_ID, device.account, first)
            device.account, person.accounts = first, 1
        if self._chance(ADDRESS_CHANGE_SHARE):
            old = person.email
            person.revision += 1
            self._modify(IdentityType.EMAIL, old, person.email)

    def _modify(self, kind: IdentityType, old: str | None, new: str) -> None:
        self._call("modify", _NO_IDENTITIES, IdentityChange(kind, old, new))
