"""Serves the setup: workspaces, inputs and their keys, what to copy into an app, and whether anything has come from it yet."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from knownas.config.values import Input, Workspace
from knownas.console.limits import ROTATED_VALID_DAYS
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Page, Shown
from knownas.console.places import SETUP
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.console.snippets import Target, snippets
from knownas.service.arrivals import Arrived, Kind
from knownas.service.security.keys import Holder, Holding, KeyChangeRefused
from knownas.service.security.sealing import Unopenable

_DAY_MS: Final = 86_400_000
_INPUT_PATH: Final = f"{SETUP.path}/input"
_ROTATE_PATH: Final = f"{_INPUT_PATH}/rotate"


class Line(NamedTuple):
    """An input as a line: where its page is, and what came through it."""

    input: Input
    path: str
    identity: Arrived | None
    events: Arrived | None


async def show_setup(asked: Asked) -> Answer:
    """Show the workspaces with their inputs, and which of them are connected."""
    arrived = await asked.service.arrivals.all()
    workspaces = [
        (one, [_line(one, which, arrived) for which in one.inputs]) for one in asked.service.configuration.workspaces()
    ]
    lines = [line for _, listed in workspaces for line in listed]
    waiting = [line for line in lines if line.identity is None and line.events is None]
    values = {
        "workspaces": workspaces,
        "connected": len(lines) - len(waiting),
        "inputs": len(lines),
        "waiting": waiting[0] if waiting else None,
    }
    return Shown("setup.html", SETUP.title, NOBODY, values)


async def show_input(asked: Asked) -> Answer:
    """Show an input: its keys, what to copy, and its checklist."""
    workspace, one = _input(asked)
    return await _shown(asked, workspace, one)


async def ask_rotate(asked: Asked) -> Answer:
    """Ask whether an input is to have a new key and secret."""
    workspace, one = _input(asked)
    values = {"input": one, "workspace": workspace, "back": _path(workspace, one), "days": ROTATED_VALID_DAYS}
    values["action"] = f"{_ROTATE_PATH}?{_query(workspace, one)}"
    return Shown("setup_rotate.html", "New key", NOBODY, values, [Crumb(one.name, _path(workspace, one))])


async def rotate_key(asked: Asked) -> Answer:
    """Give an input a new key and secret. The page that answers is the only one that ever shows the secret."""
    workspace, one = _input(asked)
    holder = Holder(Holding.INPUT, workspace.id, one.key, one.secret)
    try:
        done, secret = await asked.service.key_watch.rotate(holder, ROTATED_VALID_DAYS * _DAY_MS)
    except KeyChangeRefused as refused:
        advice = "Wait until the older key has ended, or end it with `knownas keys revoke`."
        raise Refusal(409, refused.code, "The input has two keys already.", advice) from refused
    except Unopenable as unopenable:
        advice = "Give the server a secret key (secrets.key_file), under which it can seal what it makes."
        raise Refusal(409, "no_secret_key", "The server has no place to keep a secret safely.", advice) from unopenable
    return await _shown(asked, workspace, one, (done.key, secret.reveal()))


async def _shown(asked: Asked, workspace: Workspace, one: Input, fresh: tuple[str, str] | None = None) -> Answer:
    now_ms = asked.service.clock()
    chain = asked.service.key_watch.chain
    current = chain.current(Holding.INPUT, one.key)
    lasting = chain.lasting_key(Holding.INPUT, one.key)
    target = Target(_address(asked), current, not one.allow_key_only)
    arrived = await asked.service.arrivals.of_input(lasting)
    listed = snippets(one, target)
    values = {
        "workspace": workspace,
        "input": one,
        "platform": (one.feed if one.platform is None else one.platform.value) or "",
        "key": current,
        "replaced": chain.replaced(Holding.INPUT, one.key, now_ms),
        "fresh": fresh,
        "first": listed[0],
        "own": listed[1],
        "others": listed[2:],
        "identity": arrived.get(Kind.IDENTITY),
        "events": arrived.get(Kind.EVENTS),
        "address": target.address,
        "is_secure": target.is_secure,
        "here_path": _path(workspace, one),
        "rotate_path": f"{_ROTATE_PATH}?{_query(workspace, one)}",
    }
    return Shown("setup_input.html", one.name, NOBODY, values)


def _line(workspace: Workspace, one: Input, arrived: Mapping[str, Mapping[Kind, Arrived]]) -> Line:
    kinds = arrived.get(one.key, {})
    return Line(one, _path(workspace, one), kinds.get(Kind.IDENTITY), kinds.get(Kind.EVENTS))


def _query(workspace: Workspace, one: Input) -> str:
    return urlencode({"workspace": workspace.id, "input": one.name})


def _path(workspace: Workspace, one: Input) -> str:
    return f"{_INPUT_PATH}?{_query(workspace, one)}"


def _input(asked: Asked) -> tuple[Workspace, Input]:
    """Return the input that the query names.

    Raises:
        Refusal: the configuration has none.
    """
    workspace, name = asked.query.text("workspace"), asked.query.raw("input")
    for one in asked.service.configuration.workspaces():
        for which in one.inputs:
            if str(one.id) == workspace and which.name == name:
                return one, which
    raise Refusal(404, "unknown_input", "The configuration has no such input.", "Go back to the setup.")


def _address(asked: Asked) -> str:
    """Return the address under which this server is reached: the configured one, or that of this request."""
    configured = asked.service.configuration.console.base_url or asked.service.configuration.privacy.base_url
    return (configured or str(asked.request.base_url)).rstrip("/")


PAGES: Final = (
    Page("GET", SETUP.path, "showSetup", Right.READ, show_setup, SETUP),
    Page("GET", _INPUT_PATH, "showInput", Right.SET_UP, show_input, SETUP),
    Page("GET", _ROTATE_PATH, "askRotateKey", Right.SET_UP, ask_rotate, SETUP),
    Page("POST", _ROTATE_PATH, "rotateKey", Right.SET_UP, rotate_key, SETUP),
)
