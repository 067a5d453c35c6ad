"""Every route by every caller: who may reach what, and that nobody sees what is another's (design §8-5)."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from tests.api.access_lines import LINES, Auth, Case
from tests.api.access_world import EMAIL, MARK, NAME, World, running
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


def may_change(route: Route, case: Case) -> bool:
    """Whether a caller may change something: who has the right to, be it of what is its own, and who shares the scope."""
    line = LINES[route]
    return line.auth is Auth.OPEN or shares_the_scope(route, case) or line.expected(case) < HTTPStatus.BAD_REQUEST


def shares_the_scope(route: Route, case: Case) -> bool:
    """Whether a caller is of another workspace and asks about a scope that is its own as well."""
    return case is Case.OTHER_WORKSPACE and LINES[route].auth in (Auth.INPUT, Auth.PATH_KEY)


@pytest.mark.parametrize(
    ("route", "case"),
    [
        pytest.param(route, case, id=f"{route[0]} {route[1]} / {case}")
        for route in routes()
        if route in LINES
        for case in cases(route)
        if may_change(route, case)
    ],
)
async def test_each_caller_reaches_what_is_its_own(route: Route, case: Case) -> None:
    """Each caller who may change something gets the answer of the table, and none sees what is another's."""
    async with running() as world:
        await check(world, route, case)


@pytest.mark.parametrize(
    "route", [pytest.param(route, id=f"{route[0]} {route[1]}") for route in routes() if route in LINES]
)
async def test_no_stranger_reaches_anything(route: Route) -> None:
    """Each caller who has no right to a route gets the answer of the table, sees nothing and changes nothing."""
    async with running() as world:
        for case in cases(route):
            if not may_change(route, case):
                await check(world, route, case)


async def check(world: World, route: Route, case: Case) -> None:
    """Ask in the name of a caller, and look what it was answered and what has changed."""
    line = LINES[route]
    before, section = await world.state(), await world.section()
    answer = await world.ask(route, case)
    assert answer.status_code == line.expected(case), (case, answer.text)
    if case is Case.OWN or line.auth is Auth.OPEN:
        return
    hidden = [EMAIL, MARK, NAME, "own-secret", "own-feed-secret"]
    sent = str(answer.request.url) + answer.request.content.decode()
    if world.mpid not in sent and not shares_the_scope(route, case):
        hidden.append(world.mpid)
    assert [mark for mark in hidden if mark in answer.text + str(answer.headers)] == [], case
    assert await world.section() == section, case
    if not shares_the_scope(route, case):
        assert await world.state() == before, case
