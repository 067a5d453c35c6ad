"""What the REST API of Braze takes, checked strictly: whatever its documentation does not name fails here."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.outputs.receiving import Answering, Received, answering

KEY = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
OBJECTS_MAX = 50
TAKEN: Answering = answering(201, {"message": "success"})
DELETED: Answering = answering(201, {"deleted": 1})
NAMES = ("external_id", "user_alias", "braze_id", "email", "phone")
FIELDS = {
    *("country", "current_location", "date_of_first_session", "date_of_last_session", "dob", "email_subscribe"),
    *("first_name", "gender", "home_city", "language", "last_name", "push_subscribe", "push_tokens", "time_zone"),
    *("subscription_groups", "facebook", "twitter", "marked_email_as_spam_at", "alias_name", "alias_label"),
}
PRIORITIES = ("identified", "unidentified", "most_recently_updated")


@dataclass(frozen=True)
class Object:
    """An object of `/users/track`: its array, who it is about, and its other members."""

    array: str
    user: tuple[str, Any]
    members: dict[str, Any]


@dataclass(frozen=True)
class Deletion:
    """Users that are to be deleted: how they are named, and each."""

    by: str
    users: tuple[Any, ...]


def read(received: Received) -> list[Object] | Deletion:
    """Return what a request says; fails if it is not as it is documented."""
    assert received.method == "POST"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    body = received.json
    if received.target == "/users/delete":
        return _deletion(body)
    assert received.target == "/users/track"
    assert body
    assert body.keys() <= {"attributes", "events", "purchases"}
    assert all(body.values())
    assert sum(map(len, body.values())) <= OBJECTS_MAX
    readers = {"attributes": _attributes, "events": _event, "purchases": _purchase}
    return [readers[array](*_about(one)) for array, listed in body.items() for one in listed]


def _about(given: dict[str, Any]) -> tuple[tuple[str, Any], dict[str, Any]]:
    members = dict(given)
    [user] = [(name, members.pop(name)) for name in NAMES if name in members]
    if user[0] == "user_alias":
        assert user[1].keys() == {"alias_name", "alias_label"}
        assert all(user[1].values())
    else:
        assert isinstance(user[1], str)
        assert user[1]
    assert isinstance(members.get("_update_existing_only", False), bool)
    return user, members


def _attributes(user: tuple[str, Any], members: dict[str, Any]) -> Object:
    for name, value in members.items():
        if name != "_update_existing_only":
            _is_name(name)
            assert name not in FIELDS
            assert value is None or isinstance(value, bool)
    return Object("attributes", user, members)


def _event(user: tuple[str, Any], members: dict[str, Any]) -> Object:
    assert {"name", "time"} <= members.keys() <= {"name", "time", "properties", "app_id", "_update_existing_only"}
    assert 0 < len(members["name"]) <= 255
    assert datetime.fromisoformat(members["time"]).tzinfo is not None
    _properties(members.get("properties", {}))
    return Object("events", user, members)


def _purchase(user: tuple[str, Any], members: dict[str, Any]) -> Object:
    required = {"product_id", "currency", "price", "time"}
    assert required <= members.keys() <= required | {"quantity", "properties", "app_id", "_update_existing_only"}
    assert 0 < len(members["product_id"]) <= 255
    assert re.fullmatch(r"[A-Z]{3}", members["currency"])
    assert type(members["price"]) in (int, float)
    assert type(members.get("quantity", 1)) is int
    assert 1 <= members.get("quantity", 1) <= 100
    assert datetime.fromisoformat(members["time"]).tzinfo is not None
    _properties(members.get("properties", {}))
    return Object("purchases", user, members)


def _properties(members: dict[str, Any]) -> None:
    for name, value in members.items():
        _is_name(name)
        assert name not in {"time", "event_name"}
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                _properties(one)
            else:
                assert isinstance(one, str | bool | int | float)
                assert not isinstance(one, str) or len(one) <= 255


def _is_name(name: str) -> None:
    assert 0 < len(name) <= 255
    assert not name.startswith("$")


def _deletion(body: dict[str, Any]) -> Deletion:
    [(by, users)] = body.items()
    assert 1 <= len(users) <= 50
    match by:
        case "external_ids" | "braze_ids":
            assert all(isinstance(one, str) and one for one in users)
        case "user_aliases":
            assert all(one.keys() == {"alias_name", "alias_label"} for one in users)
        case "email_addresses" | "phone_numbers":
            member = "email" if by == "email_addresses" else "phone"
            for one in users:
                assert one.keys() == {member, "prioritization"}
                order = one["prioritization"]
                assert order
                assert set(order) <= set(PRIORITIES)
                assert not {"identified", "unidentified"} <= set(order)
        case _:
            raise AssertionError(by)
    return Deletion(by, tuple(users))
