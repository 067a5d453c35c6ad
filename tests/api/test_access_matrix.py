"""Every route by every caller: who may reach what, and that nobody sees what is another's (design §8-5)."""

from collections.abc import Iterator

import pytest

from tests.api.access_lines import LINES, Auth, Case
from tests.api.access_world import EMAIL, MARK, NAME, running
from tests.api.listed_routes import Route, routes


def cases(route: Route) -> Iterator[Case]:
    """Yield the cases there can be: only some paths name an organization or account."""
    line = LINES.get(route)
    named = line is not None and any(name in route[1] + line.query for name in ("{organization}", "{account}"))
    for case in Case:
        if case is not Case.OTHER_ORGANIZATION or named:
            yield case


def test_the_table_is_of_the_routes() -> None:
    """Each route that is served stands in the table, so that whoever adds one decides who may reach it, and no other."""
    assert sorted(LINES) == routes()


@pytest.mark.parametrize(
    ("route", "case"),
    [
        pytest.param(route, case, id=f"{route[0]} {route[1]} / {case}")
        for route in routes()
        if route in LINES
        for case in cases(route)
    ],
)
async def test_each_caller_reaches_what_is_its_own(route: Route, case: Case) -> None:
    """Each caller gets the answer of the table, and none sees or changes what is another's."""
    line = LINES[route]
    async with running() as world:
        before, section = await world.state(), await world.section()
        answer = await world.ask(route, case)
        assert answer.status_code == line.expected(case), answer.text
        if case is Case.OWN or line.auth is Auth.OPEN:
            return
        hidden = [EMAIL, MARK, NAME, "own-secret", "own-feed-secret"]
        shares_the_scope = case is Case.OTHER_WORKSPACE and line.auth in (Auth.INPUT, Auth.PATH_KEY)
        sent = str(answer.request.url) + answer.request.content.decode()
        if world.mpid not in sent and not shares_the_scope:
            hidden.append(world.mpid)
        assert [mark for mark in hidden if mark in answer.text + str(answer.headers)] == []
        assert await world.section() == section
        if not shares_the_scope:
            assert await world.state() == before
