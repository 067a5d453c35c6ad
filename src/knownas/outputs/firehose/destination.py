"""Sends audiences, events and erasures to a partner that speaks the open partner protocol (platform §7.6)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never, cast

import msgspec

from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.outputs.each import send_each
from knownas.outputs.firehose import requests
from knownas.outputs.firehose.identities import NOBODY
from knownas.outputs.firehose.members import Members, mapping, texts
from knownas.outputs.firehose.permissions import REQUIREMENT, places_of
from knownas.outputs.firehose.registration import Registration, registration_in
from knownas.outputs.limits import (
    ACCOUNT_ID_MAX,
    CONNECTIONS_MAX,
    KEPT_CHARACTERS_MAX,
    KEPT_MAX,
    PROFILES_A_REQUEST_MAX,
    REGISTRATION_SECONDS,
    SETTINGS_CHARACTERS_MAX,
)
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults
from knownas.outputs.refusing import BECAUSE_OF_CONTENT, Refusal, named
from knownas.outputs.saying import with_said
from knownas.service.delivery.destination import AskedPlaces, Batching, Destination, Setting, SettingKind, Surroundings

BUSY: Final = frozenset({408, 429, 503})
RETRIED: Final = BUSY | {500, 502, 504}
"""The statuses after which a request is sent again; after no other (platform §7.6)."""


def refusing(status: int, text: str, wait_seconds: float | None) -> Refusal:
    """Return what a status means in the partner protocol.

    It sends again after six of them and nothing else. Of the rest, those about the content refuse the message; all others, 501 and 505 among
    them, say that the partner's end is not what it should be: trying again would not help, and dropping messages would lose them, so
    the output stops.
    """
    detail = with_said(named(status), text)
    if status in RETRIED:
        return NotNow(Trouble.BUSY if status in BUSY else Trouble.FAILED, detail, wait_seconds)
    return NotThis(detail) if status in BECAUSE_OF_CONTENT else NotAtAll(detail)


class FirehoseSender:
    """Who sends to one partner. What the partner says of itself is asked before the first message, and again every hour."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        """Take settings that have no fault."""
        self._url = str(settings["url"])
        token = str(settings.get("token") or "")
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Token {token}"} if token else {})}
        self._settings = requests.settings_in(str(settings.get("account_settings") or "{}")) or {}
        self._account = requests.Account(int(settings.get("account_id") or 0), self._settings)
        self._surroundings = surroundings
        self._poster = Poster(surroundings.now_ms, refusing)
        self._registration: Registration | None = None
        self._asked_ms = 0

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Send changes of memberships as one request, and everything else a request each."""
        registration = await self.registration()
        if not isinstance(registration, Registration):
            return registration
        if isinstance(messages[0], MembershipMessage):
            members = [one for one in messages if isinstance(one, MembershipMessage)]
            return await self._memberships(members, registration)

        async def sent(message: Message) -> Outcome:
            return await self._one(message, registration)

        return await send_each(messages, sent)

    async def check(self) -> Outcome:
        """Ask what the partner says of itself, anew; and, if it takes audiences, send a request that tells of nobody."""
        self._registration = None
        registration = await self.registration()
        if not isinstance(registration, Registration):
            return registration
        missing = sorted(registration.settings - self._settings.keys())
        if missing:
            return NotAtAll(f"the partner needs account settings that are not set: {', '.join(missing)}")
        if not registration.takes_audiences:
            return Taken()
        rest = {"account": self._account.members}
        answer = await self._asked("audience_membership_change", self._surroundings.new_id(), rest, ())
        return self._taken(answer)

    async def registration(self) -> Registration | Refusal:
        """Return what the partner says of itself; asked again if that is too long ago."""
        now_ms = self._surroundings.now_ms()
        known = self._registration
        if known is not None and now_ms - self._asked_ms < REGISTRATION_SECONDS * 1000:
            return known
        answer = await self._asked("module_registration", self._surroundings.new_id(), {}, ())
        if isinstance(answer, NotNow | NotAtAll):
            return answer
        if isinstance(answer, NotThis):
            return NotAtAll(f"it does not say what it takes: {answer.detail}")
        found = registration_in(msgspec.json.encode(answer))
        if not isinstance(found, Registration):
            return NotAtAll(found)
        self._registration, self._asked_ms = found, now_ms
        return found

    async def close(self) -> None:
        """Close what is connected."""
        await self._poster.close()

    async def _memberships(self, messages: Sequence[MembershipMessage], registration: Registration) -> Outcome:
        if not registration.takes_audiences:
            return _all_refused(messages, "the partner takes no audiences")
        profiles = {one.id: requests.user_profile(one, registration) for one in messages}
        told = [one for one in messages if profiles[one.id] is not None]
        refused = {name: NOBODY for name, profile in profiles.items() if profile is None}
        if not told:
            return Taken(refused)
        rest = {"account": self._account.members, "user_profiles": [profiles[one.id] for one in told]}
        answer = await self._asked("audience_membership_change", requests.ids_together(told), rest, told)
        outcome = self._taken(answer)
        return Taken(refused) if isinstance(outcome, Taken) else outcome

    async def _one(self, message: Message, registration: Registration) -> Outcome:
        match message:
            case SubscriptionMessage():
                return await self._subscription(message, registration)
            case EventsMessage():
                return await self._events(message, registration)
            case ErasureMessage():
                return await self._erasure(message, registration)
            case MembershipMessage():
                return await self._memberships([message], registration)
            case _:
                assert_never(message)

    async def _subscription(self, message: SubscriptionMessage, registration: Registration) -> Outcome:
        if not registration.takes_audiences:
            return _all_refused([message], "the partner takes no audiences")
        if requests.settings_in(str(message.settings.get("subscription_settings") or "{}")) is None:
            return _all_refused([message], "subscription_settings is no JSON object of texts")
        rest = requests.subscription(message, self._account)
        answer = await self._asked("audience_subscription", message.id, rest, [message])
        outcome = self._taken(answer)
        if not isinstance(outcome, Taken) or not isinstance(answer, dict):
            return outcome
        kept = {f"{requests.KEPT_PREFIX}{name}": one for name, one in _kept(answer).items()}
        return Taken(kept=kept)

    async def _events(self, message: EventsMessage, registration: Registration) -> Outcome:
        if registration.events is None:
            return _all_refused([message], "the partner takes no events")
        if not requests.has_identities(message, registration):
            return _all_refused([message], NOBODY)
        now_ms = self._surroundings.now_ms()
        rest = requests.events(message, self._account, registration, registration.events, now_ms)
        if rest is None:
            return Taken()
        return self._taken(await self._asked("event_processing", message.id, rest, [message]))

    async def _erasure(self, message: ErasureMessage, registration: Registration) -> Outcome:
        if not registration.takes_erasures:
            return _all_refused([message], "the partner takes no erasures")
        outcome: Outcome = _all_refused(
            [message], "it has no identity that an erasure can name in the partner protocol"
        )
        for number, rest in enumerate(requests.erasures(message, self._account)):
            name = message.id if not number else f"{message.id}/{number}"
            outcome = self._taken(await self._asked("dsr_processing", name, rest, [message]))
            if not isinstance(outcome, Taken):
                break
        return outcome

    def _taken(self, answer: Members | Refusal) -> Outcome:
        """Return what an answer means: a partner may suspend what it is told."""
        if not isinstance(answer, dict):
            return answer
        if answer.get("suspend_subscription") is True:
            return NotAtAll("the partner has suspended the subscription")
        return Taken()

    async def _asked(
        self, kind: str, request_id: str, rest: Mapping[str, Any], sent: Sequence[Message]
    ) -> Members | Refusal:
        """Send a request, and return the answer if it is the one that belongs to it."""
        body = msgspec.json.encode(requests.request(kind, request_id, self._surroundings.now_ms(), rest))
        secrets = tuple(self._settings.values())
        answer = await self._poster.post(Request(self._url, body, self._headers, sent, secrets))
        if not isinstance(answer, Answer):
            return answer
        members = _object(answer)
        if members is None or members.get("type") != f"{kind}_response":
            return NotNow(Trouble.FAILED, f"answered something else than {kind}_response")
        return members


async def ask_places(settings: Settings, surroundings: Surroundings) -> AskedPlaces | Refusal:
    """Ask a partner which identities it permits."""
    sender = FirehoseSender(settings, surroundings)
    try:
        registration = await sender.registration()
    finally:
        await sender.close()
    if not isinstance(registration, Registration):
        return registration
    places = places_of(registration)
    return AskedPlaces(places, REQUIREMENT) if places else NotAtAll("the partner permits no identity of anybody")


def _object(answer: Answer) -> Members | None:
    try:
        members = msgspec.json.decode(answer.body) if answer.is_whole else None
    except (msgspec.DecodeError, RecursionError):
        return None
    return cast("Members", members) if isinstance(members, dict) else None


def _kept(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that a partner wants kept of an audience, as far as there is room."""
    given = texts(mapping(answer.get("audience_subscription_settings")))
    short = ((name, one) for name, one in given.items() if len(name) + len(one) <= KEPT_CHARACTERS_MAX)
    return dict([*short][:KEPT_MAX])


def _all_refused(messages: Sequence[Message], why: str) -> Taken:
    return Taken({message.id: why for message in messages})


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from address_faults("url", str(settings.get("url") or ""), may_be_plain=bool(settings.get("plain_http")))
    yield from header_faults("token", str(settings.get("token") or ""))
    if not 0 <= int(settings.get("account_id") or 0) <= ACCOUNT_ID_MAX:
        yield "account_id", f"it must be 0 to {ACCOUNT_ID_MAX}, since partners read 32 bits"
    document = str(settings.get("account_settings") or "{}")
    if len(document) > SETTINGS_CHARACTERS_MAX or requests.settings_in(document) is None:
        yield "account_settings", f"it must be a JSON object of texts, of at most {SETTINGS_CHARACTERS_MAX} characters"


DESTINATION: Final = Destination(
    name="firehose",
    title="Partner (Firehose protocol)",
    takes=frozenset({SubscriptionMessage, MembershipMessage, EventsMessage, ErasureMessage}),
    settings=(
        Setting(
            "url", SettingKind.TEXT, "Where the partner takes requests: a URL that begins with https://.", required=True
        ),
        Setting(
            "token",
            SettingKind.TEXT,
            "What the partner knows us by, sent as Authorization: Token and this.",
            confidential=True,
        ),
        Setting(
            "account_id", SettingKind.INTEGER, "The number by which the partner is told of the account.", default=0
        ),
        Setting(
            "account_settings",
            SettingKind.TEXT,
            "The settings that the partner asks for in its registration, as a JSON object of texts.",
            confidential=True,
        ),
        Setting(
            "plain_http",
            SettingKind.BOOLEAN,
            "Whether the URL may begin with http://, though anybody on the way can read what is sent.",
            default=False,
        ),
    ),
    connection_settings=(
        Setting(
            "subscription_settings",
            SettingKind.TEXT,
            "The settings that the partner asks for of an audience, as a JSON object of texts.",
        ),
    ),
    open=FirehoseSender,
    ask_places=ask_places,
    batching=Batching(messages_max=CONNECTIONS_MAX, memberships_max=PROFILES_A_REQUEST_MAX),
    faults=lambda settings: tuple(_faults(settings)),
)
