"""What the API of Iterable takes (Swagger 1.8), checked strictly: whatever that does not name fails here."""

from dataclasses import dataclass
from typing import Any

from tests.outputs.receiving import Answering, Received, answering

KEY = "0123456789abcdef0123456789abcdef"
LIST = 4711
USERS_MAX = 500
LISTED: Answering = answering(200, {"successCount": 1, "failCount": 0, "failedUpdates": {}})
DONE: Answering = answering(200, {"code": "Success", "msg": "", "params": None})
User = tuple[str, str]


@dataclass(frozen=True)
class Came:
    """A request: its path, the users in it, and its body."""

    path: str
    users: tuple[User, ...]
    body: dict[str, Any]


def read(received: Received) -> Came:
    """Return what a request says; fails if it is not as it is documented."""
    assert received.method == "POST"
    assert received.headers["api-key"] == KEY
    body = received.json
    match received.target:
        case "/api/lists":
            _has(body, {"name": str}, {"description": str})
            users: list[User] = []
        case "/api/lists/subscribe":
            _has(body, {"listId": int, "subscribers": list}, {"updateExistingUsersOnly": bool})
            users = [_user(one, {"preferUserId": bool}) for one in body["subscribers"]]
            assert 1 <= len(users) <= USERS_MAX
        case "/api/lists/unsubscribe":
            _has(body, {"listId": int, "subscribers": list}, {})
            users = [_user(one, {}) for one in body["subscribers"]]
            assert 1 <= len(users) <= USERS_MAX
        case "/api/events/trackBulk":
            _has(body, {"events": list}, {})
            users = [_event(one) for one in body["events"]]
            assert 1 <= len(users) <= USERS_MAX
            assert len({one["id"] for one in body["events"]}) == len(users)
        case "/api/commerce/trackPurchase":
            _has(body, {"user": dict, "items": list, "total": float}, {"id": str, "createdAt": int, "dataFields": dict})
            users = [_user(body["user"], {"preferUserId": bool})]
            for item in body["items"]:
                _has(item, {"id": str, "name": str, "price": float, "quantity": int}, {"dataFields": dict})
                assert item["id"]
        case "/api/users/forget":
            users = [_user(body, {})]
        case _:
            raise AssertionError(received.target)
    return Came(received.target, tuple(users), body)


def _event(event: dict[str, Any]) -> User:
    said = {name: value for name, value in event.items() if name in {"email", "userId"}}
    others = {name: value for name, value in event.items() if name not in said}
    _has(others, {"eventName": str}, {"id": str, "createdAt": int, "dataFields": dict})
    assert event["eventName"]
    assert len(event["id"].encode()) <= 512
    assert event["createdAt"] < 10**11, "it is in seconds"
    return _user(said, {})


def _user(user: dict[str, Any], optional: dict[str, type]) -> User:
    [(member, value)] = [(name, user[name]) for name in ("email", "userId") if name in user]
    _has(user, {member: str}, optional)
    assert "preferUserId" not in user or member == "userId"
    return member, value


def _has(members: dict[str, Any], required: dict[str, type], optional: dict[str, type]) -> None:
    assert required.keys() <= members.keys() <= required.keys() | optional.keys()
    for name, value in members.items():
        kind = {**required, **optional}[name]
        assert type(value) in ((int, float) if kind is float else (kind,)), name
