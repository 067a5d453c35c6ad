"""A privacy officer looks at a request before anybody makes it: over our own API, and from the command line."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from knownas.cli import privacy as verb
from knownas.cli.main import main
from knownas.core.limits import SUBJECT_MPIDS_MAX
from tests.api.access_world import ADMIN_TOKEN, EMAIL, World, running

PATH = "/api/workspaces/100/privacy/preview"
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running() as made:
        yield made


async def ask(world: World, body: Any, path: str = PATH) -> httpx.Response:
    """Ask for a preview."""
    return await world.http.post(path, json=body, headers=BEARER)


async def test_the_person_is_named_as_in_a_request(world: World) -> None:
    """The body has `subject_identities` as a request of OpenDSR has them; the answer is about that profile."""
    body = {"subject_identities": {"controller_customer_id": {"value": "c-own", "encoding": "raw"}}}
    answer = await ask(world, body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["profile"]["mpid"] == world.mpid
    assert shown["subject_request_type"] == "erasure"
    assert shown["workspaces"][0]["counts"]["sections"] == 1
    assert EMAIL not in answer.text
    by_mpid = await ask(
        world, {"subject_identities": {"mpid": {"value": world.mpid}}, "subject_request_type": "access"}
    )
    assert by_mpid.json()["profile"]["mpid"] == world.mpid
    assert by_mpid.json()["identity_record"]["outcome"] == "handed_out"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"subject_identities": {}}, 400, "nobody_named"),
        ({"subject_identities": {"mpid": {"value": "x"}}}, 400, "malformed_mpid"),
        ({"subject_identities": {"mpid": {"value": 5}, "email": {"value": "a"}}}, 400, "mpid_not_alone"),
        ({"subject_identities": {"mpid": {"value": 5}}, "mpids": [6]}, 400, "mpid_not_alone"),
        ({"mpids": ["x"]}, 400, "malformed_mpid"),
        ({"mpids": list(range(1, SUBJECT_MPIDS_MAX + 2))}, 400, "too_many_mpids"),
        ({"subject_identities": {"shoe_size": {"value": "44"}}}, 400, "unknown_identity_type"),
        ({"subject_identities": {"email": {"value": ""}}}, 400, "invalid_identity"),
        ({"subject_identities": {"email": {"value": "a", "encoding": "sha256"}}}, 400, "invalid_digest"),
        ({"subject_identities": {f"t{n}": {"value": "a"} for n in range(51)}}, 400, "too_many_identities"),
        (
            {"subject_identities": {name: {"value": "a"} for name in ("roku_publisher_id", "roku_publishing_id")}},
            400,
            "identity_type_twice",
        ),
        ({"subject_identities": {"email": {"value": "a"}}, "subject_request_type": "gift"}, 400, "invalid_member"),
    ],
)
async def test_what_can_not_be_previewed_is_refused_with_its_reason(
    world: World, body: Any, status: int, code: str
) -> None:
    """Each body that can't be a request's is refused, by the reason that the request would be refused for."""
    answer = await ask(world, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("workspace", ["999", "shop", "-1", "9" * 40])
async def test_a_workspace_that_is_not_there_is_refused(world: World, workspace: str) -> None:
    """A workspace is named by its id."""
    body = {"subject_identities": {"email": {"value": "a"}}}
    answer = await ask(world, body, f"/api/workspaces/{workspace}/privacy/preview")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_workspace")


async def test_the_command_line_says_it_in_lines(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb sends what was given, and prints whom it reaches, how much there is, and what is out of reach."""
    sent: list[tuple[Any, ...]] = []
    body = {"subject_identities": {"controller_customer_id": {"value": "c-own"}}}
    shown = (await ask(world, body)).json()

    def answered(*given: Any) -> Any:
        sent.append(given)
        return shown

    monkeypatch.setattr(verb, "call", answered)
    digest = "a" * 64
    given = ["--workspace", "100", "-i", "controller_customer_id=c-own", "-i", f"email:sha256={digest}"]
    printed = CliRunner().invoke(main, ["privacy", "preview", *given, "--server", "http://here/", "--token", "t"])
    assert printed.exit_code == 0, printed.output
    asked = {
        "controller_customer_id": {"value": "c-own", "encoding": "raw"},
        "email": {"value": digest, "encoding": "sha256"},
    }
    told = {"subject_identities": asked, "subject_request_type": "erasure"}
    assert sent == [("t", f"http://here{PATH}", told)]
    assert f"profile {world.mpid}, a known user, in production" in printed.output
    assert "Workspace 100 (Own shop, which asks): would be erased" in printed.output
    assert re.search(r"1  profiles of attributes, devices and consent", printed.output)
    assert "What it could not reach:" in printed.output
    assert max(map(len, printed.output.splitlines())) <= 100


async def test_several_profiles_are_named_by_their_mpids(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mpids` names several, also beside identities: the answer is about the first and has the others in `further`."""
    body = {"subject_identities": {"controller_customer_id": {"value": "c-own"}}, "mpids": [world.mpid, "77"]}
    answer = await ask(world, body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["profile"]["mpid"], [one["why"] for one in shown["further"]]) == (world.mpid, ["unknown_mpid"])
    sent: list[Any] = []
    monkeypatch.setattr(verb, "call", lambda *given: (sent.append(given[2]), shown)[1])
    given = ["--workspace", "100", "--mpid", world.mpid, "--mpid", "77", "--server", "http://here"]
    printed = CliRunner().invoke(main, ["privacy", "preview", *given])
    assert printed.exit_code == 0, printed.output
    assert sent[0]["mpids"] == [world.mpid, "77"]
    assert f"profile {world.mpid}, a known user" in printed.output
    assert "nobody: no profile of this scope has this MPID" in printed.output


def test_the_command_line_says_who_is_out_of_reach() -> None:
    """Where a device alone is named, it prints how many known profiles it does not open, and why."""
    unreached = {
        "identity_type": "ios_idfv",
        "profiles": 2,
        "guard": "login_id_required",
        "sentence": "They are known.",
    }
    shown = {
        "workspace": 100,
        "scope": "shop",
        "subject_request_type": "erasure",
        "why": "protected_by_a_guard",
        "unmatched_digests": 1,
        "profile": None,
        "workspaces": [],
        "out_of_reach": [unreached],
        "not_reached": [],
    }
    lines = verb.told(shown)
    assert "  nobody: whoever holds these identities is out of their reach" in lines
    assert "1 digest of the request is of no value that anybody has." in lines
    assert "Out of reach: 2 profiles with this ios_idfv." in lines
    assert "  They are known." in lines


@pytest.mark.parametrize("given", [[], ["-i", "email"], ["-i", "email:rot13=a"], ["-i", "=a"]])
def test_the_command_line_asks_for_one_person(given: list[str]) -> None:
    """Nobody, or what is no identity: the verb says how it is meant."""
    printed = CliRunner().invoke(main, ["privacy", "preview", "--workspace", "1", "--server", "http://h", *given])
    assert printed.exit_code == 2
