"""Keeps lists at Iterable, and tells it what users did, by its API.

By the vendor's own description of the API (Swagger, version 1.8, as its client library has it in 2026): paths, members, what comes back of a list's
users, limits of calls a second. By others who use it: which status an error has, and that a thousand events are the most of one
request. Nobody says how many users one request about a list may have: it is kept to less than what clients in use send.

Iterable knows a user by an address or by a user id, and both may be of one user there. So a connection tells of each user by one of them: two
would be two hands on the same switch.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, cast

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import NotThis, Outcome, Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Take
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.activity import Did, Kind, Product, done
from knownas.outputs.calls import UNREADABLE, Call, Remembered, chunks, count_of, encoded, members_of, outcome_of
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults
from knownas.outputs.refusing import Refusal
from knownas.service.delivery.destination import Destination, Setting, SettingKind, Surroundings

ITERABLE_SUBSCRIBERS_MAX: Final = 500
"""Users of a list that are told to Iterable in one request."""

ITERABLE_EVENTS_MAX: Final = 500
"""Events that are told to Iterable in one request."""

ITERABLE_MESSAGES_MAX: Final = 20
ITERABLE_WAIT_SECONDS: Final = 5.0
"""Messages that are sent to Iterable together, but for changes of lists, and how long fewer are waited with. A purchase and an erasure take a call each."""

URL: Final = "https://api.iterable.com"

PLACES: Final = (Place("user", frozenset({*IdentityType, MPID}), (IdentityType.EMAIL,), values=Take.NEWEST),)
"""Who a user is at Iterable: an address goes as the e-mail address, anything else as the user id."""

SETTINGS: Final = (
    Setting(
        "api_key",
        SettingKind.TEXT,
        "A server-side API key of the project, without JWT.",
        required=True,
        confidential=True,
    ),
    Setting(
        "url",
        SettingKind.TEXT,
        "Where the project is: https://api.iterable.com, or in Europe https://api.eu.iterable.com.",
        default=URL,
    ),
    Setting(
        "create_users",
        SettingKind.BOOLEAN,
        "Whether users that Iterable does not know are made there. In projects by e-mail address they are in any case.",
        default=True,
    ),
    Setting("screen_views", SettingKind.BOOLEAN, "Whether views of screens go out as events as well.", default=False),
)

CONNECTION_SETTINGS: Final = (
    Setting(
        "list_id",
        SettingKind.INTEGER,
        "A static list that is there already; without it one is made, with the name of the audience.",
    ),
)

_KEPT: Final = "made_list_id"
"""By which name the id of a list that was made is kept."""

_FAILURES: Final[Mapping[str, str]] = {
    "invalid": "Iterable can't read who the user is",
    "invalidData": "Iterable can't take what is said of the user",
    "forgotten": "Iterable was asked to forget the user",
    "notFound": "Iterable does not know the user, and users are not made there",
    "conflict": "Iterable has another user with the same address or id",
}
"""Why an update of a user failed, by how the names of the members of `failedUpdates` begin."""


class _User(NamedTuple):
    """Who a user is at Iterable: the member by which it is told, and the value."""

    member: str
    value: str

    @property
    def same(self) -> tuple[str, str]:
        """What is the same for one user: addresses are, in capitals or not."""
        return (self.member, self.value.lower() if self.member == "email" else self.value)


class _Event(NamedTuple):
    """One thing that a user did, and the message that tells it."""

    message: str
    user: _User
    did: Did


class _Sender:
    """An open way to one project."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._poster = Poster(surroundings.now_ms)
        self._url = str(settings.get("url") or URL).rstrip("/")
        self._key = str(settings["api_key"])
        self._creates = settings.get("create_users", True) is not False
        self._tells_screens = settings.get("screen_views") is True
        self._taken = Remembered()

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Tell Iterable."""
        calls: list[Call] = []
        refused: dict[str, str] = {}
        memberships: list[MembershipMessage] = []
        happenings: list[EventsMessage] = []
        for message in messages:
            match message:
                case SubscriptionMessage():
                    return await self._subscribed(message)
                case MembershipMessage():
                    memberships.append(message)
                case EventsMessage():
                    happenings.append(message)
                case ErasureMessage():
                    calls.append(Call(frozenset({message.id}), partial(self._forgotten, message)))
        calls += [*self._of_lists(memberships, refused), *self._of_events(happenings, refused)]
        return await outcome_of(calls, refused)

    async def check(self) -> Outcome:
        """Ask for the lists of the project."""
        headers = {"Api-Key": self._key}
        answer = await self._poster.post(Request(f"{self._url}/api/lists", headers=headers, method="GET"))
        return Taken() if isinstance(answer, Answer) else answer

    async def close(self) -> None:
        """Close what is connected."""
        await self._poster.close()

    async def _subscribed(self, message: SubscriptionMessage) -> Outcome:
        """Make a list. Its name can't be changed by the API, and a list that is no longer connected stays: a campaign may be using it."""
        if message.subscription is not Subscription.ADD or message.settings.get("list_id"):
            return Taken()
        made = {"name": message.audience.name, "description": f"knownas audience {message.audience.id}"}
        answer = await self._posted("/api/lists", made, (message,))
        if not isinstance(answer, Answer):
            return answer
        identifier = count_of(members_of(answer) or {}, "listId")
        return Taken(kept={_KEPT: identifier}) if identifier else UNREADABLE

    def _of_lists(self, messages: Sequence[MembershipMessage], refused: dict[str, str]) -> Iterator[Call]:
        """Yield the calls for changes of lists, removals before additions."""
        told: dict[tuple[bool, int], list[tuple[str, _User]]] = defaultdict(list)
        by_id = {message.id: message for message in messages}
        for message in messages:
            users = _users_of(message.identities)
            where = message.settings.get("list_id") or message.settings.get(_KEPT)
            if not isinstance(where, int) or isinstance(where, bool):
                refused[message.id] = "it is not known which list at Iterable the audience is connected with"
            elif not users:
                refused[message.id] = "has no identity by which Iterable knows users"
            else:
                told[message.action is Action.ADD, where].extend((message.id, user) for user in users)
        for (is_added, where), users in sorted(told.items(), key=lambda one: one[0]):
            for some in chunks(users, ITERABLE_SUBSCRIBERS_MAX):
                ids = frozenset(message for message, _ in some)
                yield Call(ids, partial(self._listed, where, some, by_id, is_added=is_added))

    async def _listed(
        self, where: int, users: Sequence[tuple[str, _User]], by_id: Mapping[str, Message], *, is_added: bool
    ) -> Taken | Refusal:
        """Add users to a list, or take them out."""
        body: dict[str, object] = {
            "listId": where,
            "subscribers": [self._subscriber(one, is_added) for _, one in users],
        }
        if is_added:
            body["updateExistingUsersOnly"] = not self._creates
        sent = [by_id[one] for one in dict.fromkeys(message for message, _ in users)]
        answer = await self._posted(f"/api/lists/{'subscribe' if is_added else 'unsubscribe'}", body, sent)
        if not isinstance(answer, Answer):
            return answer
        # Whoever can't be found, read or remembered is not on the list.
        return _told_of(answer, users) if is_added else _readable(answer)

    def _subscriber(self, user: _User, is_added: bool) -> dict[str, object]:  # noqa: FBT001 - the two kinds of one thing
        told: dict[str, object] = {user.member: user.value}
        if is_added and user.member == "userId":
            told["preferUserId"] = self._creates
        return told

    def _of_events(self, messages: Sequence[EventsMessage], refused: dict[str, str]) -> Iterator[Call]:
        """Yield the calls for what users did: events together, each purchase by itself."""
        by_id = {message.id: message for message in messages}
        events: list[_Event] = []
        for message in messages:
            users = _users_of(message.identities)
            if not users:
                refused[message.id] = "has no identity by which Iterable knows users"
                continue
            for did in done(message):
                if did.key in self._taken:
                    continue
                if did.kind is Kind.PURCHASE and did.products:
                    yield Call(frozenset({message.id}), partial(self._bought, message, users[0], did))
                elif did.kind is not Kind.SCREEN or self._tells_screens:
                    events.append(_Event(message.id, users[0], did))
        for some in chunks(events, ITERABLE_EVENTS_MAX):
            yield Call(frozenset(one.message for one in some), partial(self._happened, some, by_id))

    async def _happened(self, events: Sequence[_Event], by_id: Mapping[str, Message]) -> Taken | Refusal:
        told = [
            {
                one.user.member: one.user.value,
                "eventName": one.did.name,
                "id": one.did.key,
                "createdAt": one.did.at_ms // 1000,
                "dataFields": {**one.did.attributes, **_products(one.did)},
            }
            for one in events
        ]
        sent = [by_id[one] for one in dict.fromkeys(one.message for one in events)]
        answer = await self._posted("/api/events/trackBulk", {"events": told}, sent)
        if not isinstance(answer, Answer):
            return answer
        names = _texts((members_of(answer) or {}).get("disallowedEventNames"))
        barred = {
            one.message: "the project does not allow events of this name" for one in events if one.did.name in names
        }
        known = [(one.message, one.user) for one in events]
        outcome = _told_of(answer, known, sum(one.did.name in names for one in events))
        if not isinstance(outcome, Taken):
            return outcome
        refused = {**barred, **outcome.refused}
        self._taken.add(one.did.key for one in events if one.message not in refused)
        return Taken(refused)

    async def _bought(self, message: EventsMessage, user: _User, did: Did) -> Taken | Refusal:
        items = [_item(one) for one in did.products]
        body = {
            "id": did.key,
            "user": self._subscriber(user, is_added=True),
            "items": items,
            "total": did.total if did.total is not None else sum(one.price * one.quantity for one in did.products),
            "createdAt": did.at_ms // 1000,
            "dataFields": {**did.attributes, **({"currency": did.currency} if did.currency else {})},
        }
        answer = await self._posted("/api/commerce/trackPurchase", body, (message,))
        outcome = _readable(answer) if isinstance(answer, Answer) else answer
        if isinstance(outcome, Taken):
            self._taken.add((did.key,))
        return outcome

    async def _forgotten(self, message: ErasureMessage) -> Taken | Refusal:
        """Have a user forgotten by each identity: which of them a project knows users by is not known here, so one that is taken will do."""
        outcome: Taken | Refusal = NotThis("has no identity by which Iterable knows users")
        is_taken = False
        for user in _users_of(message.identities):
            answer = await self._posted("/api/users/forget", {user.member: user.value}, (message,))
            outcome = _readable(answer) if isinstance(answer, Answer) else answer
            if not isinstance(outcome, Taken | NotThis):
                return outcome
            is_taken = is_taken or isinstance(outcome, Taken)
        return Taken() if is_taken else outcome

    async def _posted(self, path: str, body: Mapping[str, object], sent: Sequence[Message]) -> Answer | Refusal:
        headers = {"Content-Type": "application/json", "Api-Key": self._key}
        return await self._poster.post(Request(f"{self._url}{path}", encoded(body), headers, sent))


def _users_of(identities: Sequence[Outgoing]) -> list[_User]:
    """Return who a user is at Iterable. A digest is nobody there."""
    return [
        _User("email" if one.target is IdentityType.EMAIL else "userId", one.value)
        for one in identities
        if one.encoding is Encoding.RAW
    ]


def _readable(answer: Answer) -> Taken | Refusal:
    return UNREADABLE if members_of(answer) is None else Taken()


def _told_of(answer: Answer, users: Sequence[tuple[str, _User]], expected: int = 0) -> Taken | Refusal:
    """Return what came of users by their messages. If some failed and it is not said which, the request is refused as a whole.

    `expected` are failures that are known otherwise.
    """
    members = members_of(answer)
    failed = None if members is None else count_of(members, "failCount")
    if members is None or failed is None:
        return UNREADABLE
    why: dict[tuple[str, str], str] = {}
    failures = members.get("failedUpdates")
    for name, listed in cast("Mapping[str, object]", failures if isinstance(failures, dict) else {}).items():
        for member, ending in (("email", "Emails"), ("userId", "UserIds")):
            reason = _FAILURES.get(name.removesuffix(ending))
            if reason is not None and name.endswith(ending):
                why.update({_User(member, text).same: reason for text in _texts(listed)})
    refused = {message: why[user.same] for message, user in users if user.same in why}
    if failed > sum(user.same in why for _, user in users) + expected:
        return NotThis(f"Iterable could not take {failed} of {len(users)}, and does not say which")
    return Taken(refused)


def _texts(value: object) -> frozenset[str]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, str))


def _products(did: Did) -> dict[str, object]:
    """Return the products of an event that is no purchase."""
    if not did.products:
        return {}
    return {
        "products": [
            {"id": one.id, "name": one.name, "price": one.price, "quantity": one.quantity, **one.facts}
            for one in did.products
        ]
    }


def _item(product: Product) -> dict[str, object]:
    """Return a product that was bought. A quantity that is no whole number is told with the price of all of it."""
    is_whole = float(product.quantity).is_integer()
    facts = dict(product.facts) if is_whole else {**product.facts, "quantity": product.quantity}
    return {
        "id": product.id,
        "name": product.name,
        "price": product.price if is_whole else product.price * product.quantity,
        "quantity": int(product.quantity) if is_whole else 1,
        **({"dataFields": facts} if facts else {}),
    }


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from header_faults("api_key", str(settings.get("api_key") or ""))
    yield from address_faults("url", str(settings.get("url") or URL))


DESTINATION: Final = Destination(
    name="iterable",
    title="Iterable",
    takes=frozenset({SubscriptionMessage, MembershipMessage, EventsMessage, ErasureMessage}),
    settings=SETTINGS,
    open=_Sender,
    connection_settings=CONNECTION_SETTINGS,
    places=PLACES,
    batching=Batching(ITERABLE_MESSAGES_MAX, ITERABLE_WAIT_SECONDS, memberships_max=ITERABLE_SUBSCRIBERS_MAX),
    faults=lambda settings: tuple(_faults(settings)),
)
"""Iterable, as a destination."""
