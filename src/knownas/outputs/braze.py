"""Keeps audiences at Braze as custom attributes of its users, and tells it what users did, by its REST API.

By the vendor's documentation, as of 2025 and 2026 where it says so itself: `/users/track` with its objects for attributes, events and purchases,
`/users/delete`, identifiers, reserved names, lengths, the answers. How many objects one request may have it says differently for
different contracts (75 of each kind, 75, 50); kept to is the least. Sure by clients in use only: that an error of a single object has the
members `input_array` and `index`.

Braze works off requests at the same time, and says that it keeps no order between them; a few seconds are enough. So between two that
say something else of one user there is a pause.

Why an audience is a switch of its own, and not an element of a list: decision 46.
"""

from asyncio import sleep
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, cast

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX
from knownas.core.delivery.message import (
    AudienceName,
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import NotThis, Outcome, Taken
from knownas.core.identity.kinds import PHONE_TYPES, IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Take
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.activity import Did, Kind, Product, Scalar, done
from knownas.outputs.calls import UNREADABLE, Call, Remembered, chunks, count_of, encoded, members_of, outcome_of
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults, words_of
from knownas.outputs.refusing import Refusal, is_success, refusal, retry_after_seconds
from knownas.service.delivery.destination import Destination, Setting, SettingKind, Surroundings

BRAZE_OBJECTS_MAX: Final = 50
"""Objects of a request to Braze, attributes, events and purchases together."""

BRAZE_MESSAGES_MAX: Final = 50
BRAZE_WAIT_SECONDS: Final = 5.0
"""Messages that are sent to Braze together, and how long fewer are waited with: what it counts are requests."""

BRAZE_PAUSE_SECONDS: Final = 10.0
"""The time between two requests to Braze that say something else of one user: so long it may take to work off the first."""

BRAZE_RECENT_MAX: Final = 10_000
"""Facts about users of which it is remembered what Braze was told last: a change of an audience takes three."""

BRAZE_DELETED_MAX: Final = 50
"""Users that Braze deletes in one request."""

BRAZE_TEXT_CHARACTERS_MAX: Final = 255
"""Characters of a text, and of the name of an attribute or a property, at Braze."""

BRAZE_QUANTITY_MAX: Final = 100
"""Pieces of one purchase at Braze. More are told as one, at the price of all."""

_T = IdentityType
_TYPES: Final = tuple(one.value for one in IdentityType)
_RESERVED: Final = frozenset({"time", "event_name"})
"""Names that a property of an event can't have."""

PLACES: Final = (Place("user", frozenset({*IdentityType, MPID}), (_T.CUSTOMER_ID,), values=Take.NEWEST),)
"""Who a user is at Braze: an address or number by that, anything else as the external id, unless a setting says that it is something else."""

SETTINGS: Final = (
    Setting(
        "url",
        SettingKind.TEXT,
        "The REST endpoint of your instance, such as https://rest.fra-01.braze.eu.",
        required=True,
    ),
    Setting(
        "api_key",
        SettingKind.TEXT,
        "A REST API key with the permission users.track, and users.delete if erasures are forwarded.",
        required=True,
        confidential=True,
    ),
    Setting(
        "update_existing_only",
        SettingKind.BOOLEAN,
        "Whether nobody is made at Braze whom it does not know.",
        default=False,
    ),
    Setting("alias_type", SettingKind.TEXT, "The identity type that is a user alias at Braze.", choices=_TYPES),
    Setting("alias_label", SettingKind.TEXT, "The label of that alias."),
    Setting("braze_id_type", SettingKind.TEXT, "The identity type that holds Braze's own id.", choices=_TYPES),
    Setting("app_id", SettingKind.TEXT, "The app at Braze that events and purchases are counted for."),
    Setting(
        "currency", SettingKind.TEXT, "The currency of purchases that name none, by its three letters.", default="USD"
    ),
    Setting("screen_views", SettingKind.BOOLEAN, "Whether views of screens go out as events as well.", default=False),
)

_KEPT: Final = "attribute"
"""By which name the name of the attribute is kept: it stays, whatever the audience is called later."""

NOBODY: Final = "has no identity by which Braze knows users"

_DELETED_BY: Final[Mapping[str, str]] = {
    "external_id": "external_ids",
    "braze_id": "braze_ids",
    "user_alias": "user_aliases",
    "email": "email_addresses",
    "phone": "phone_numbers",
}
"""The member of `/users/delete` for each way to name a user; a request has one of them."""


class _User(NamedTuple):
    """Who a user is at Braze: the member by which it is named, and the value."""

    member: str
    value: str


class _Object(NamedTuple):
    """An object of `/users/track`: the message that it is of, its array, and its members; of what happened a name for ever."""

    message: str
    array: str
    members: Mapping[str, object]
    key: str = ""


class _Sender:
    """An open way to one workspace at Braze."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._poster = Poster(surroundings.now_ms)
        self._now_ms = surroundings.now_ms
        self._url = str(settings["url"]).rstrip("/")
        self._key = str(settings["api_key"])
        self._settings = settings
        self._updates_only = settings.get("update_existing_only") is True
        self._taken = Remembered()
        self._recent: dict[Hashable, tuple[str, int]] = {}

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Tell Braze."""
        removed: list[_Object] = []
        added: list[_Object] = []
        happened: list[_Object] = []
        deleted: list[tuple[str, str, object]] = []
        refused: dict[str, str] = {}
        for message in messages:
            match message:
                case SubscriptionMessage():
                    return _subscribed(message)
                case MembershipMessage():
                    users = self._users_of(message.identities)
                    is_added = message.action is Action.ADD
                    (added if is_added else removed).extend(self._switch(message, user) for user in users)
                case EventsMessage():
                    users = self._users_of(message.identities)
                    told = self._happenings(message, users[:1])
                    happened.extend(one for one in told if one.key not in self._taken)
                case ErasureMessage():
                    users = self._users_of(message.identities)
                    deleted.extend((message.id, *self._doomed(user, users)) for user in users)
            if not users:
                refused[message.id] = NOBODY
        said = {about: what for message in messages for about, what in self._said(message)}
        await self._keep_apart(said)
        by_id = {message.id: message for message in messages}
        tracked = [
            Call(frozenset(one.message for one in some), partial(self._tracked, some, by_id))
            for objects in (removed, added, happened)
            for some in chunks(objects, BRAZE_OBJECTS_MAX)
        ]
        try:
            return await outcome_of([*tracked, *self._deletions(deleted, by_id)], refused)
        finally:
            # Also if it is called off: Braze may have heard of it.
            self._remember(said)

    async def check(self) -> Outcome:
        """Send a request without anybody in it. Braze refuses it as empty, after it has looked at the key."""
        outcome = await self._posted("/users/track", {"attributes": []}, ())
        return Taken() if isinstance(outcome, Answer | NotThis) else outcome

    async def close(self) -> None:
        """Close what is connected."""
        await self._poster.close()

    async def _keep_apart(self, said: Mapping[Hashable, str]) -> None:
        """Wait until whatever else Braze was told of the same is worked off."""
        recent = ((what, self._recent[about]) for about, what in said.items() if about in self._recent)
        told_ms = [at_ms for what, (was_said, at_ms) in recent if was_said != what]
        pause = max(told_ms, default=0) / 1000 + BRAZE_PAUSE_SECONDS - self._now_ms() / 1000
        if told_ms and pause > 0:
            # A clock that was set back must not keep anything waiting for long.
            await sleep(min(pause, BRAZE_PAUSE_SECONDS))

    def _remember(self, said: Mapping[Hashable, str]) -> None:
        now_ms = self._now_ms()
        for about, what in said.items():
            self._recent.pop(about, None)
            self._recent[about] = (what, now_ms)
        for about in list(self._recent)[: max(len(self._recent) - BRAZE_RECENT_MAX, 0)]:
            del self._recent[about]

    def _said(self, message: Message) -> Iterator[tuple[Hashable, str]]:
        """Yield what a message says, and about what: that a user is there, or is to be deleted; that one is in an audience, or is not."""
        if isinstance(message, SubscriptionMessage):
            return
        users = self._users_of(message.identities)
        for user in users:
            yield user, "deleted" if isinstance(message, ErasureMessage) else "there"
        if isinstance(message, MembershipMessage):
            # By the profile as well: it may have been told of by another name before.
            for who in (message.mpid, *users):
                yield (message.audience.id, who), message.action.value

    def _users_of(self, identities: Sequence[Outgoing]) -> list[_User]:
        """Return who a user is at Braze. A digest is nobody there."""
        return [_User(self._member_of(one), one.value) for one in identities if one.encoding is Encoding.RAW]

    def _member_of(self, identity: Outgoing) -> str:
        if identity.target.value == self._settings.get("braze_id_type"):
            return "braze_id"
        if identity.target.value == self._settings.get("alias_type"):
            return "user_alias"
        if identity.target is _T.EMAIL:
            return "email"
        return "phone" if identity.target in PHONE_TYPES else "external_id"

    def _named(self, user: _User) -> object:
        if user.member != "user_alias":
            return user.value
        return {"alias_name": user.value, "alias_label": str(self._settings.get("alias_label") or "")}

    def _switch(self, message: MembershipMessage, user: _User) -> _Object:
        """Return the switch of an audience: on, or gone. Nobody is made only to have none."""
        name = str(message.settings.get(_KEPT) or attribute_of(message.audience))
        is_added = message.action is Action.ADD
        only = self._updates_only or not is_added
        members = {user.member: self._named(user), "_update_existing_only": only, name: True if is_added else None}
        return _Object(message.id, "attributes", members)

    def _happenings(self, message: EventsMessage, users: Sequence[_User]) -> Iterator[_Object]:
        """Yield the events and purchases of a message."""
        for user in users:
            about: dict[str, object] = {user.member: self._named(user), "_update_existing_only": self._updates_only}
            if self._settings.get("app_id"):
                about["app_id"] = self._settings["app_id"]
            for did in done(message):
                if did.kind is Kind.SCREEN and self._settings.get("screen_views") is not True:
                    continue
                if did.kind is Kind.PURCHASE and did.products:
                    for number, product in enumerate(did.products):
                        told = {**about, **self._purchase(did, product)}
                        yield _Object(message.id, "purchases", told, f"{did.key}:{number}")
                else:
                    name = did.name[:BRAZE_TEXT_CHARACTERS_MAX]
                    told = {
                        "name": name,
                        "time": did.time,
                        "properties": {**_properties(did.attributes), **_products(did)},
                    }
                    yield _Object(message.id, "events", {**about, **told}, did.key)

    def _purchase(self, did: Did, product: Product) -> Mapping[str, object]:
        facts: dict[str, Scalar] = {**did.attributes, **product.facts}
        price, quantity = product.price, product.quantity
        if not (float(quantity).is_integer() and 1 <= quantity <= BRAZE_QUANTITY_MAX):
            facts["quantity"] = quantity
            price, quantity = price * quantity, 1
        return {
            "product_id": product.id[:BRAZE_TEXT_CHARACTERS_MAX],
            "currency": did.currency or str(self._settings.get("currency") or "USD"),
            "price": price,
            "quantity": int(quantity),
            "time": did.time,
            "properties": _properties(facts),
        }

    async def _tracked(self, objects: Sequence[_Object], by_id: Mapping[str, Message]) -> Taken | Refusal:
        arrays = [
            array for array in ("attributes", "events", "purchases") if any(one.array == array for one in objects)
        ]
        told = {array: [one for one in objects if one.array == array] for array in arrays}
        body = {array: [one.members for one in listed] for array, listed in told.items()}
        sent = [by_id[one] for one in dict.fromkeys(one.message for one in objects)]
        answer = await self._posted("/users/track", body, sent)
        outcome = _told_of(answer, told) if isinstance(answer, Answer) else answer
        if isinstance(outcome, Taken):
            self._taken.add(one.key for one in objects if one.key and one.message not in outcome.refused)
        return outcome

    def _doomed(self, user: _User, all_of: Sequence[_User]) -> tuple[str, object]:
        """Return by which member, and how, a user is named who is to be deleted.

        An address or number can be several users'. Beside an id it names the one that has none; alone, the one that has, and was seen last.
        """
        if user.member not in {"email", "phone"}:
            return _DELETED_BY[user.member], self._named(user)
        has_id = any(one.member not in {"email", "phone"} for one in all_of)
        order = ["unidentified"] if has_id else ["identified", "most_recently_updated"]
        return _DELETED_BY[user.member], {user.member: user.value, "prioritization": order}

    def _deletions(self, doomed: Sequence[tuple[str, str, object]], by_id: Mapping[str, Message]) -> Iterator[Call]:
        """Yield the calls that delete users: a request has users of one way to name them."""
        for member in _DELETED_BY.values():
            for some in chunks([one for one in doomed if one[1] == member], BRAZE_DELETED_MAX):
                ids = frozenset(message for message, _, _ in some)
                sent = [by_id[one] for one in ids]
                yield Call(ids, partial(self._deleted, {member: [named for _, _, named in some]}, sent))

    async def _deleted(self, body: Mapping[str, object], sent: Sequence[Message]) -> Taken | Refusal:
        answer = await self._posted("/users/delete", body, sent)
        if not isinstance(answer, Answer):
            return answer
        # Who is not there is not deleted, and not counted.
        return UNREADABLE if count_of(members_of(answer) or {}, "deleted") is None else Taken()

    async def _posted(self, path: str, body: Mapping[str, object], sent: Sequence[Message]) -> Answer | Refusal:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = Request(f"{self._url}{path}", encoded(body), headers, sent)
        answer = await self._poster.ask(request)
        if not isinstance(answer, Answer) or is_success(answer.status):
            return answer
        wait = _reset_seconds(answer.headers.get("x-ratelimit-reset"), self._now_ms())
        if wait is None:
            wait = retry_after_seconds(answer.headers.get("retry-after"), self._now_ms())
        return refusal(answer.status, words_of(answer, request), wait)


def attribute_of(audience: AudienceName) -> str:
    """Return the name of the attribute of an audience: its own, and its id, so that no two are the same, and none a field of Braze."""
    ending = f" (audience {audience.id})"
    return f"{audience.name.lstrip('$')[: BRAZE_TEXT_CHARACTERS_MAX - len(ending)]}{ending}"


def _subscribed(message: SubscriptionMessage) -> Outcome:
    """Settle the name of the attribute. It comes to be at Braze with the first member, and can't be taken away by the API."""
    return Taken(kept={_KEPT: attribute_of(message.audience)}) if message.subscription is Subscription.ADD else Taken()


def _properties(facts: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the facts that Braze takes as properties: not those with a name that it reserves, or with too long a name or text."""
    return {
        name: value
        for name, value in facts.items()
        if 0 < len(name) <= BRAZE_TEXT_CHARACTERS_MAX
        and not name.startswith("$")
        and name not in _RESERVED
        and not (isinstance(value, str) and len(value) > BRAZE_TEXT_CHARACTERS_MAX)
    }


def _products(did: Did) -> dict[str, object]:
    """Return the products of an event that is no purchase."""
    listed = [
        _properties({"id": one.id, "name": one.name, "price": one.price, "quantity": one.quantity, **one.facts})
        for one in did.products
    ]
    return {"products": listed} if listed else {}


def _told_of(answer: Answer, told: Mapping[str, Sequence[_Object]]) -> Taken | Refusal:
    """Return which messages have an object that Braze did not take.

    If it does not say which object that is, a request of attributes is refused as a whole, to be sent again in halves: that does no harm. One of
    events or purchases is not, since they would count twice: all its messages are refused, for somebody to look at.
    """
    members = members_of(answer)
    if members is None or not isinstance(members.get("message"), str):
        return UNREADABLE
    refused: dict[str, str] = {}
    errors = members.get("errors")
    for error in cast("list[object]", errors if isinstance(errors, list) else []):
        said = cast("Mapping[str, object]", error if isinstance(error, dict) else {})
        listed = told.get(str(said.get("input_array")), ())
        index = count_of(said, "index")
        if index is not None and index < len(listed):
            refused[listed[index].message] = f"Braze refused what is told in {said['input_array']}"
        elif set(told) == {"attributes"}:
            return NotThis("Braze refused some of the request, and does not say what")
        else:
            why = "Braze refused something of the request that this was in, and does not say what"
            refused.update({one.message: why for each in told.values() for one in each if one.message not in refused})
    return Taken(refused)


def _reset_seconds(header: str | None, now_ms: int) -> float | None:
    """Read after how long a limit of requests begins anew: the header is a Unix time in seconds."""
    text = (header or "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= len("9999999999")):
        return None
    return min(max(int(text) - now_ms / 1000, 0.0), ASKED_PAUSE_SECONDS_MAX)


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from address_faults("url", str(settings.get("url") or ""))
    yield from header_faults("api_key", str(settings.get("api_key") or ""))
    if bool(settings.get("alias_type")) != bool(settings.get("alias_label")):
        yield "alias_label", "an alias is an identity type and a label: set both or neither"
    if settings.get("alias_type") and settings.get("alias_type") == settings.get("braze_id_type"):
        yield "braze_id_type", "one type can't be the alias and Braze's own id as well"
    currency = str(settings.get("currency") or "USD")
    if not (currency.isascii() and currency.isalpha() and currency.isupper() and len(currency) == len("USD")):
        yield "currency", "it must be three capital letters, such as EUR"


DESTINATION: Final = Destination(
    name="braze",
    title="Braze",
    takes=frozenset({SubscriptionMessage, MembershipMessage, EventsMessage, ErasureMessage}),
    settings=SETTINGS,
    open=_Sender,
    places=PLACES,
    batching=Batching(BRAZE_MESSAGES_MAX, BRAZE_WAIT_SECONDS),
    faults=lambda settings: tuple(_faults(settings)),
)
"""Braze, as a destination."""
