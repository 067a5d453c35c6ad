"""Lets a business's people live for some months, and writes down every identity call with who was behind it.

A visit begins with the identify that an SDK sends at its start: the device's identities, with whatever the current
user was said to be. Then somebody logs in, signs up, leaves an address, or does nothing of the kind; whoever finds
somebody else logged in logs them out, or does not care. The world knows nothing of strategies: what people do does
not depend on what the server answers, so that each strategy meets the same months.

The same business and seed give the same world, step by step. Chance is drawn for each person apart, so that two
businesses that differ in one habit have the same people otherwise, and can be compared.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from heapq import heappop, heappush
from random import Random
from typing import Final, NamedTuple

from bench.accuracy.business import MONTH_DAYS, Business
from bench.accuracy.people import KIOSK, WEB, Account, Install, Person, Town, settle
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, IdentityChange
from knownas.demo import names

_T = IdentityType

START_MS: Final = 1_767_225_600_000
"""2026-01-01, the first day of every world."""

DAY_MS: Final = 24 * 3_600_000
GAP_MS: Final = (5_000, 90_000)
"""Time between two calls of a visit, at least and at most."""

JUNK_ADDRESSES: Final = ("null", "guest@shop.example", "test@test.com", "n/a", "none@none.com")
"""What people and programs write where an address is asked for."""

TILL_ADDRESS: Final = "guest@shop.example"
CORRECTED_SHARE: Final = 0.5
"""Wrong addresses of a sign-up that are put right in the same visit."""

FEED_NAMES_PHONE: Final = 0.5
TAKE_OVER_LOG_IN: Final = 0.9
"""Visits with a log-in, of those that began with logging somebody else out."""

SECOND_PHONES: Final = 2_000_000
"""From here on are the phone numbers that come later than their first."""


class Standing(StrEnum):
    """Who is logged in while something happens, seen from the person in front of the screen."""

    ANONYMOUS = "anonymous"
    OWN = "own"
    OTHERS = "others"
    FEED = "feed"


class Step(NamedTuple):
    """One identity call and the events that follow it until the next, with the person who caused them.

    `install` None is the feed, and so is `stamp`. `standing` is how things stand after the call. `at_kiosk` says that
    the install belongs to nobody.
    """

    at_ms: int
    person: int
    install: int | None
    stamp: str | None
    endpoint: Endpoint
    identities: tuple[Identity, ...]
    changes: tuple[IdentityChange, ...]
    standing: Standing
    at_kiosk: bool = False
    events: int = 0


class World(NamedTuple):
    """Everything that happened, in order; `households` gives each person's household."""

    business: Business
    steps: Sequence[Step]
    households: Sequence[int]


def world(business: Business, seed: int) -> World:
    """Let everybody live through the business's days. Takes some 20 µs a step."""
    return _Life(business, seed).live()


class _Life:
    """What is still to come: each person's next visit, and the feed's next row."""

    def __init__(self, business: Business, seed: int) -> None:
        self._business = business
        self._town: Town = settle(Random(f"{seed} {business.name}"), business)
        people = self._town.people
        self._feed_chance = Random(f"{seed} {business.name} feed")
        self._chances = [Random(f"{seed} {business.name} {person.number}") for person in people]
        self._end_ms = START_MS + business.days * DAY_MS
        self._zeal = [max(0.1, self._chances[person.number].gammavariate(2, 0.5)) for person in people]
        self._phones = SECOND_PHONES
        self._order = 0
        self._queue: list[tuple[int, int, Person | None]] = []
        self._steps: list[Step] = []

    def live(self) -> World:
        """Return what happened."""
        for person in self._town.people:
            self._push(START_MS, person)
        if self._business.feed_rows_a_month:
            self._push(START_MS, None)
        while self._queue:
            at_ms, _, person = heappop(self._queue)
            if at_ms >= self._end_ms:
                break
            if person is None:
                self._feed(at_ms)
                self._push(at_ms, None)
            else:
                self._come(person, self._chances[person.number], at_ms)
        steps = sorted(self._steps, key=lambda step: step.at_ms)
        return World(self._business, steps, [person.household for person in self._town.people])

    def _push(self, after_ms: int, person: Person | None) -> None:
        """Let somebody come again, or the feed bring its next row, some time later."""
        if person is None:
            random, times_a_month = self._feed_chance, self._business.feed_rows_a_month * self._business.people
        else:
            random = self._chances[person.number]
            times_a_month = self._business.visits_a_month * self._zeal[person.number]
        self._queue_at(after_ms + 1 + int(random.expovariate(times_a_month) * MONTH_DAYS * DAY_MS), person)

    def _queue_at(self, at_ms: int, person: Person | None) -> None:
        # The running number keeps the order of equal times, and the heap from comparing people.
        self._order += 1
        heappush(self._queue, (at_ms, self._order, person))

    def _come(self, person: Person, random: Random, at_ms: int) -> None:
        """Let a person start a visit, or come back later if somebody else has the device."""
        install = self._install(person, random)
        if install.free_ms > at_ms:
            self._queue_at(install.free_ms + random.randint(*GAP_MS), person)
            return
        loses = {WEB: self._business.cookie_loss, KIOSK: 0.0}.get(install.platform, self._business.reinstall)
        if random.random() < loses:
            self._town.shop.lose(install)
        if random.random() < self._business.phone_change:
            self._change_phone(person, random)
        visit = _Visit(random, self._business, self._town, person, install, at_ms)
        self._steps += visit.play()
        if self._business.kiosks_forget and install.platform == KIOSK:
            self._town.shop.lose(install)
        install.free_ms = visit.at_ms
        self._push(visit.at_ms, person)

    def _install(self, person: Person, random: Random) -> Install:
        if self._town.kiosks and random.random() < self._business.kiosk_use:
            return random.choice(self._town.kiosks)
        if person.shared and random.random() < self._business.shared_use:
            return random.choice(person.shared)
        return random.choice(person.own)

    def _change_phone(self, person: Person, random: Random) -> None:
        """Give somebody a new number, and the old one to somebody else."""
        heir = random.choice(self._town.people)
        if heir is not person:
            heir.phone = person.phone
        self._phones += 1
        person.phone = f"+1555{self._phones}"

    def _feed(self, at_ms: int) -> None:
        """Bring a row about anybody: a customer with the ID, or whoever left an address or a number in the store."""
        business, random = self._business, self._feed_chance
        person = random.choice(self._town.people)
        names_customer, is_junk, names_phone = random.random(), random.random(), random.random()
        account = person.account
        if account.opened and names_customer < business.feed_names_customer:
            row = {_T.CUSTOMER_ID: account.customer_id, _T.EMAIL: account.email}
        elif is_junk < business.feed_junk:
            row = {_T.EMAIL: TILL_ADDRESS}
        else:
            row = {_T.EMAIL: person.email}
            if names_phone < FEED_NAMES_PHONE:
                row[_T.MOBILE_NUMBER] = person.phone
        step = Step(at_ms, person.number, None, None, Endpoint.IDENTIFY, identities(row), (), Standing.FEED, events=1)
        self._steps.append(step)


class _Visit:
    """One person at one install: the calls of a visit, and the events between them."""

    def __init__(
        self, random: Random, business: Business, town: Town, person: Person, install: Install, at_ms: int
    ) -> None:
        self._random = random
        self._business = business
        self._town = town
        self._person = person
        self._install = install
        self.at_ms = at_ms
        self._steps: list[Step] = []

    def play(self) -> Sequence[Step]:
        """Return the visit's steps, and leave the install as the last of them left it."""
        install, business = self._install, self._business
        self._call(Endpoint.IDENTIFY, {**install.identities, **install.told})
        if install.account is None:
            self._arrive(business.log_in)
        elif not self._is_own(install.account) and self._chance(business.take_over):
            self._log_out()
            self._arrive(TAKE_OVER_LOG_IN)
        if install.account is not None and self._is_own(install.account):
            self._look_after(install.account)
        if install.platform == KIOSK:
            # A kiosk shows its first page again, whatever the last one had typed.
            if (install.account or install.told) and self._chance(business.kiosk_log_out):
                self._log_out()
        elif install.account is not None and self._chance(business.log_out):
            self._log_out()
        return self._with_events()

    def _with_events(self) -> Sequence[Step]:
        """Strew the visit's events over its steps; nothing more happens after a logout at the end."""
        mean = self._business.events_a_visit
        count = 1 + (int(self._random.expovariate(1 / (mean - 1)) + 0.5) if mean > 1 else 0)
        places = [place for place, step in enumerate(self._steps) if step.endpoint is not Endpoint.LOGOUT]
        strewn = self._random.choices(places, k=count)
        return [step._replace(events=strewn.count(place)) for place, step in enumerate(self._steps)]

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _is_own(self, account: Account) -> bool:
        return any(account is own for own in self._person.accounts)

    def _call(self, endpoint: Endpoint, named: Mapping[IdentityType, str], *changes: IdentityChange) -> None:
        install = self._install
        standing = Standing.ANONYMOUS
        if install.account is not None:
            standing = Standing.OWN if self._is_own(install.account) else Standing.OTHERS
        stamp = install.identities[_T.DEVICE_APPLICATION_STAMP]
        asked = identities(named) if named else ()
        who, at_kiosk = self._person.number, install.platform == KIOSK
        self._steps.append(Step(self.at_ms, who, install.number, stamp, endpoint, asked, changes, standing, at_kiosk))
        self.at_ms += self._random.randint(*GAP_MS)

    def _arrive(self, log_in: float) -> None:
        """Let the person say who they are, or stay anonymous, where nobody is logged in."""
        person, business = self._person, self._business
        if person.account.opened:
            if self._chance(log_in):
                if len(person.accounts) == 1 and self._chance(business.second_account):
                    again = Account(names.customer_id(person.number, 1), person.email, opened=True)
                    person.accounts.append(again)
                self._log_in(self._random.choice(person.accounts))
            return
        if self._chance(business.newsletter):
            self._install.told[_T.EMAIL] = self._typed()
            self._call(Endpoint.IDENTIFY, {**self._install.identities, **self._install.told})
        if self._chance(business.sign_up):
            self._sign_up()

    def _log_in(self, account: Account) -> None:
        install, business = self._install, self._business
        install.told = {} if install.by_email else {_T.CUSTOMER_ID: account.customer_id}
        if install.by_email or self._chance(business.names_email):
            install.told[_T.EMAIL] = account.email
        if self._chance(business.names_phone):
            install.told[_T.MOBILE_NUMBER] = self._person.phone
        install.account = account
        self._call(Endpoint.LOGIN, {**install.identities, **install.told})

    def _sign_up(self) -> None:
        person = self._person
        account = person.account
        # An app that knows its users by their addresses has made sure that this one is theirs.
        account.opened, account.email = True, person.email if self._install.by_email else self._typed()
        self._log_in(account)
        if account.email != person.email and self._chance(CORRECTED_SHARE):
            self._change_email(account)

    def _look_after(self, account: Account) -> None:
        if self._chance(self._business.email_change):
            self._person.move()
            self._change_email(account)

    def _change_email(self, account: Account) -> None:
        told = self._install.told
        change = IdentityChange(_T.EMAIL, told.get(_T.EMAIL), self._person.email)
        account.email = told[_T.EMAIL] = self._person.email
        self._call(Endpoint.MODIFY, {}, change)

    def _log_out(self) -> None:
        self._install.account = None
        self._install.told = {}
        self._call(Endpoint.LOGOUT, self._install.identities)

    def _typed(self) -> str:
        """Return what the person writes where an address is asked for."""
        business, email = self._business, self._person.email
        if self._chance(business.junk):
            return self._random.choice(JUNK_ADDRESSES)
        if not self._chance(business.typing_error):
            return email
        if self._chance(business.typo_hits):
            return self._random.choice(self._town.people).email
        place = self._random.randrange(email.index("@"))
        return email[:place] + email[place + 1 :]
