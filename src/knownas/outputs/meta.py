"""Keeps custom audiences at Meta, for ads on Facebook and Instagram, by the Marketing API.

By its documentation of April 2026 (v25.0): customer file custom audiences, their users, hashing and normalising, multi-key matching, external
identifiers, limited data use, removal from all audiences of an ad account. Sure by that: members, limits, hashes, the answer's counts.
Sure by clients in wide use only: the token as a bearer, a JSON body also with DELETE. By the documentation of the Graph API in general, and
by experience of others: which codes of errors pass, which stop. Not found: how long a name may be, and whether Meta keeps the order of two changes.

Meta keeps people and not whose values they were matched by: who is removed by one value is out, also if another one was added. So a
connection only adds, if nobody says otherwise, when an identity of a member changes (`docs/how-to/send-to-meta.md`).
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from itertools import zip_longest
from typing import Final, cast
from urllib.parse import urlencode

import msgspec

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX
from knownas.core.delivery.message import (
    ErasureMessage,
    MembershipMessage,
    Message,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.core.identity.kinds import DEVICE_TYPES, PHONE_TYPES, IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Choice, Keeps, OnIdentityChange, Take
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.calls import UNREADABLE, Call, chunks, count_of, encoded, members_of, outcome_of
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults, words_of
from knownas.outputs.refusing import Refusal, is_success, named, refusal, retry_after_seconds
from knownas.outputs.saying import with_said
from knownas.service.delivery.destination import Destination, Setting, SettingKind, Surroundings

META_ROWS_MAX: Final = 10_000
"""People that Meta takes in one request."""

META_MESSAGES_MAX: Final = 1_000
META_WAIT_SECONDS: Final = 30.0
"""Changes that are sent to Meta together, and how long fewer are waited with: what it counts are calls, and a change takes hours there anyway."""

META_NAME_CHARACTERS_MAX: Final = 50
"""Characters of the name of an audience that is made at Meta; of a longer one the beginning is used."""

_T = IdentityType
_TEXTS: Final = frozenset(IdentityType) - DEVICE_TYPES - PHONE_TYPES
_HASHED: Final = frozenset({Encoding.SHA256})

PLACES: Final = (
    Place("EMAIL", _TEXTS, (_T.EMAIL,), Encoding.SHA256, _HASHED, Form.EMAIL),
    Place(
        "PHONE",
        _TEXTS - {_T.EMAIL} | PHONE_TYPES,
        (_T.MOBILE_NUMBER, _T.PHONE_NUMBER_2, _T.PHONE_NUMBER_3),
        Encoding.SHA256,
        _HASHED,
        Form.PHONE_DIGITS,
        Choice.ALL,
    ),
    Place(
        "MADID",
        frozenset({_T.IOS_IDFA, _T.ANDROID_AAID}),
        (_T.IOS_IDFA, _T.ANDROID_AAID),
        form=Form.LOWER,
        choice=Choice.ALL,
    ),
    Place("EXTERN_ID", frozenset({*IdentityType, MPID}), encodings=frozenset(Encoding), values=Take.NEWEST),
)
"""What Meta matches people by, by its own names. Addresses and numbers go as digests only, ids for advertising never as one."""

_ENCODINGS: Final[Mapping[str, frozenset[Encoding]]] = {place.name: place.encodings for place in PLACES}

URL: Final = "https://graph.facebook.com"
VERSION: Final = "v25.0"
SOURCE: Final = "USER_PROVIDED_ONLY"

SETTINGS: Final = (
    Setting(
        "ad_account_id",
        SettingKind.TEXT,
        "The ad account that owns the audiences: its digits, without act_.",
        required=True,
    ),
    Setting(
        "access_token",
        SettingKind.TEXT,
        "A token of a system user with the permission ads_management for the ad account.",
        required=True,
        confidential=True,
    ),
    Setting(
        "app_secret",
        SettingKind.TEXT,
        "The secret of the app that the token is of; with it each call proves that whoever asks has it.",
        confidential=True,
    ),
    Setting(
        "customer_file_source",
        SettingKind.TEXT,
        "Where the values come from, which Meta wants to know of each audience that is made.",
        default=SOURCE,
        choices=(SOURCE, "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"),
    ),
    Setting(
        "limited_data_use",
        SettingKind.BOOLEAN,
        "Whether everybody is added with Meta's limited data use, for whom it applies where Meta finds them to be.",
        default=False,
    ),
    Setting("api_version", SettingKind.TEXT, "The version of the Marketing API.", default=VERSION),
    Setting(
        "url",
        SettingKind.TEXT,
        "Where the API is, if it is reached by another way.",
        default=URL,
    ),
)

CONNECTION_SETTINGS: Final = (
    Setting(
        "custom_audience_id",
        SettingKind.TEXT,
        "A customer list audience that is there already (digits); without it one is made, with the name of the audience.",
    ),
)

_KEPT: Final = "audience_id"
"""By which name the id of an audience that was made is kept."""

_PASSING: Final = frozenset({1, 2})
"""Codes of errors of Meta itself, which pass."""
_TOO_MANY: Final = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
"""Codes that say that too many calls were made."""
_NOBODY: Final = frozenset({3, 10, 102, 190, 368, *range(200, 300)})
"""Codes that say that the token, its permissions or the account's standing do not do: nothing will be taken until somebody changes that."""
_BUSY_WITH_AUDIENCE: Final = 2650
"""The code of an audience that can't be changed just now."""


class _Sender:
    """An open way to one ad account."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._poster = Poster(surroundings.now_ms)
        self._settings = settings
        self._token = str(settings["access_token"])
        self._secret = str(settings.get("app_secret") or "")
        self._account = f"act_{settings['ad_account_id']}"
        self._base = f"{str(settings.get('url') or URL).rstrip('/')}/{settings.get('api_version') or VERSION}"
        self._now_ms = surroundings.now_ms

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Tell Meta."""
        memberships: list[MembershipMessage] = []
        erasures: list[ErasureMessage] = []
        for message in messages:
            match message:
                case SubscriptionMessage():
                    return await self._subscribed(message)
                case MembershipMessage():
                    memberships.append(message)
                case ErasureMessage():
                    erasures.append(message)
                case _:
                    raise TypeError("Meta takes no events here: the destination does not say that it does")
        return await outcome_of(*self._plan(memberships, erasures))

    async def check(self) -> Outcome:
        """Ask for the ad account's id."""
        query = {"fields": "id", **self._proof()}
        request = Request(
            f"{self._base}/{self._account}?{urlencode(query)}",
            headers=self._headers(),
            secrets=(self._secret,),
            method="GET",
        )
        answer = await self._asked(request)
        return Taken() if isinstance(answer, Answer) else answer

    async def close(self) -> None:
        """Close what is connected."""
        await self._poster.close()

    async def _subscribed(self, message: SubscriptionMessage) -> Outcome:
        """Make an audience, or call it otherwise. One that is no longer connected stays: ads may be using it."""
        given = message.settings.get("custom_audience_id")
        name = message.audience.name[:META_NAME_CHARACTERS_MAX]
        audience = _audience_of(message.settings)
        match message.subscription:
            case Subscription.ADD if given:
                return Taken() if audience else NotThis("custom_audience_id must be digits")
            case Subscription.ADD:
                made = {
                    "name": name,
                    "subtype": "CUSTOM",
                    "description": f"knownas audience {message.audience.id}",
                    "customer_file_source": self._settings.get("customer_file_source") or SOURCE,
                }
                answer = await self._posted(f"{self._account}/customaudiences", made, (message,))
                if not isinstance(answer, Answer):
                    return answer
                identifier = (members_of(answer) or {}).get("id")
                return (
                    Taken(kept={_KEPT: identifier})
                    if isinstance(identifier, str) and _is_id(identifier)
                    else UNREADABLE
                )
            case Subscription.UPDATE if audience and not given:
                answer = await self._posted(audience, {"name": name}, (message,))
                return Taken() if isinstance(answer, Answer) else answer
            case Subscription.UPDATE | Subscription.REMOVE:
                return Taken()

    def _plan(
        self, memberships: Sequence[MembershipMessage], erasures: Sequence[ErasureMessage]
    ) -> tuple[Sequence[Call], Mapping[str, str]]:
        """Return the calls for messages, removals before additions, and the messages that can be in none."""
        refused: dict[str, str] = {}
        told: dict[tuple[bool, str], list[_Row]] = {}
        by_id: dict[str, Message] = {}
        for message in (*memberships, *erasures):
            by_id[message.id] = message
            rows = list(_rows_of(message.id, message.identities))
            edge: str | None = f"{self._account}/usersofanyaudience"
            if isinstance(message, MembershipMessage):
                audience = _audience_of(message.settings)
                edge = f"{audience}/users" if audience else None
            if edge is None:
                refused[message.id] = "it is not known which audience at Meta this one is connected with"
            elif not rows:
                refused[message.id] = "has no identity that Meta matches people by"
            else:
                is_added = isinstance(message, MembershipMessage) and message.action is Action.ADD
                told.setdefault((is_added, edge), []).extend(rows)
        calls = [
            Call(frozenset(row.message for row in some), partial(self._told, edge, some, by_id, is_added=is_added))
            for (is_added, edge), rows in sorted(told.items(), key=lambda one: one[0])
            for some in chunks(rows, META_ROWS_MAX)
        ]
        return calls, refused

    async def _told(
        self, edge: str, rows: Sequence["_Row"], by_id: Mapping[str, Message], *, is_added: bool
    ) -> Taken | Refusal:
        """Add people, or remove them."""
        keys = [place.name for place in PLACES if any(place.name in row.values for row in rows)]
        data: list[list[object]] = [[row.values.get(key, "") for key in keys] for row in rows]
        body: dict[str, object] = {}
        if is_added:
            body["session"] = {
                "session_id": _session(edge, rows),
                "batch_seq": 1,
                "last_batch_flag": True,
                "estimated_num_total": len(rows),
            }
            if self._settings.get("limited_data_use"):
                keys = [*keys, "DATA_PROCESSING_OPTIONS"]
                data = [[*row, ["LDU"]] for row in data]
        body["payload"] = {"schema": keys, "data": data}
        sent = [by_id[one] for one in dict.fromkeys(row.message for row in rows)]
        answer = await self._posted(edge, body, sent, "POST" if is_added else "DELETE")
        return _counted(answer, rows) if isinstance(answer, Answer) else answer

    async def _posted(
        self, edge: str, body: Mapping[str, object], sent: Sequence[Message], method: str = "POST"
    ) -> Answer | Refusal:
        headers = {"Content-Type": "application/json", **self._headers()}
        content = encoded({**body, **self._proof()})
        return await self._asked(Request(f"{self._base}/{edge}", content, headers, sent, (self._secret,), method))

    async def _asked(self, request: Request) -> Answer | Refusal:
        answer = await self._poster.ask(request)
        if not isinstance(answer, Answer):
            return answer
        error = (members_of(answer) or {}).get("error")
        if is_success(answer.status) and error is None:
            return answer
        read = cast("Mapping[str, object]", error if isinstance(error, dict) else {})
        wait = _wait_seconds(answer.headers.get("x-business-use-case-usage"))
        if wait is None:
            wait = retry_after_seconds(answer.headers.get("retry-after"), self._now_ms())
        return _refusal(answer.status, read, words_of(answer, request), wait)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _proof(self) -> dict[str, str]:
        if not self._secret:
            return {}
        return {"appsecret_proof": hmac.new(self._secret.encode(), self._token.encode(), sha256).hexdigest()}


class _Row(msgspec.Struct, frozen=True):
    """One person as Meta is told of them: values by Meta's keys, and the message that they are in."""

    message: str
    values: Mapping[str, str]


def _rows_of(message: str, identities: Sequence[Outgoing]) -> Iterator[_Row]:
    """Yield the rows of a user: the first value for each key, then the second, and so on. Nothing goes out unhashed that must not."""
    columns = {
        place.name: [one.value for one in identities if one.slot == place.name and one.encoding in place.encodings]
        for place in PLACES
    }
    for values in zip_longest(*columns.values()):
        row = {key: value for key, value in zip(columns, values, strict=True) if value is not None}
        yield _Row(message, row)


def _session(edge: str, rows: Sequence[_Row]) -> int:
    """Return the number of a call: the same if the same is sent again, and no other one's."""
    told = msgspec.json.encode([edge, [row.message for row in rows]])
    return int.from_bytes(sha256(told).digest()[:8]) >> 1 or 1


def _counted(answer: Answer, rows: Sequence[_Row]) -> Taken | Refusal:
    """Return what Meta says of the rows that it received.

    What it says of invalid ones is no exact number, and it shows samples. A message is refused if a sample has its value, or if all are invalid.
    An invalid row matches nobody, as do most of those that are valid and of nobody there.
    """
    members = members_of(answer)
    received = None if members is None else count_of(members, "num_received")
    if members is None or received is None:
        return UNREADABLE
    invalid = count_of(members, "num_invalid_entries") or 0
    why = "Meta can't read its value"
    if received == 0 or invalid >= len(rows):
        return NotThis(f"Meta received {received} of {len(rows)} rows, of which it can't read {invalid}")
    if not invalid:
        return Taken()
    samples = set(_texts(members.get("invalid_entry_samples")))
    return Taken({row.message: why for row in rows if not samples.isdisjoint(row.values.values())})


def _texts(samples: object) -> Iterator[str]:
    """Yield the texts in samples, whether they are a list of texts, of rows, or an object by text."""
    if isinstance(samples, str):
        yield samples
    elif isinstance(samples, dict):
        for key, value in cast("Mapping[str, object]", samples).items():
            yield key
            if isinstance(value, str):
                yield value
    elif isinstance(samples, list):
        for one in cast("list[object]", samples):
            for each in cast("list[object]", one) if isinstance(one, list) else [one]:
                if isinstance(each, str):
                    yield each


def _refusal(status: int, error: Mapping[str, object], words: str, wait: float | None) -> Refusal:
    """Say what an error means: by its code, since Meta answers most of them with 400."""
    code, subcode = count_of(error, "code"), count_of(error, "error_subcode")
    numbers = "" if code is None else f" (code {code}{'' if subcode is None else f'/{subcode}'})"
    detail = with_said(f"{named(status)}{numbers}", words)
    if code in _TOO_MANY or code == _BUSY_WITH_AUDIENCE:
        return NotNow(Trouble.BUSY, detail, wait)
    if code in _PASSING or error.get("is_transient") is True:
        return NotNow(Trouble.FAILED, detail, wait)
    if code in _NOBODY:
        return NotAtAll(detail)
    if code is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotThis(detail)
    return UNREADABLE if is_success(status) else refusal(status, words, wait)


def _wait_seconds(header: str | None) -> float | None:
    """Read after how long Meta will listen again: the longest `estimated_time_to_regain_access`, in minutes."""
    try:
        usage = msgspec.json.decode(header or "{}", type=dict[str, list[dict[str, object]]])
    except (msgspec.DecodeError, RecursionError):
        return None
    minutes = [count_of(one, "estimated_time_to_regain_access") or 0 for each in usage.values() for one in each]
    longest = max(minutes, default=0)
    return min(longest * 60.0, ASKED_PAUSE_SECONDS_MAX) if longest else None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _audience_of(settings: Settings) -> str:
    """Return the id of the audience at Meta: the one that somebody has set, or that was made; "" if there is none."""
    audience = str(settings.get("custom_audience_id") or settings.get(_KEPT) or "")
    return audience if _is_id(audience) else ""


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    if not _is_id(str(settings.get("ad_account_id", ""))):
        yield "ad_account_id", "it must be digits, without act_"
    yield from header_faults("access_token", str(settings.get("access_token", "")))
    version = str(settings.get("api_version") or VERSION)
    major, dot, minor = version.removeprefix("v").partition(".")
    if not (version.startswith("v") and _is_id(major) and dot and _is_id(minor)):
        yield "api_version", "it must be like v25.0"
    yield from address_faults("url", str(settings.get("url") or URL))


DESTINATION: Final = Destination(
    name="meta",
    title="Meta custom audiences",
    takes=frozenset({SubscriptionMessage, MembershipMessage, ErasureMessage}),
    settings=SETTINGS,
    open=_Sender,
    connection_settings=CONNECTION_SETTINGS,
    places=PLACES,
    keeps=Keeps.VALUES,
    on_identity_change=OnIdentityChange.ADD_ONLY,
    batching=Batching(META_MESSAGES_MAX, META_WAIT_SECONDS),
    faults=lambda settings: tuple(_faults(settings)),
)
"""Meta, as a destination."""
