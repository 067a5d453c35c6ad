"""The values of a configuration, and that its secrets stay secret."""

import copy
import dataclasses
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.config.values import (
    Account,
    AliasSettings,
    Configuration,
    Credential,
    Input,
    InputPlatform,
    Listen,
    Organization,
    RateLimits,
    Scope,
    Secret,
    Workspace,
)
from knownas.core.identity.policy import Strategy, policy

HIDDEN = "hunter2-and-more"
SCOPE = Scope("shop", policy(Strategy.DEFAULT))


def web(key: str = "web-key", **changes: Any) -> Input:
    return Input("web", InputPlatform.WEB, None, key, Secret(HIDDEN), **changes)


def shop(*inputs: Input, number: int = 100, key: str = "ws-key", scope: str = "shop") -> Workspace:
    return Workspace(number, "Shop", scope, key, Secret(HIDDEN), inputs)


def configuration(*workspaces: Workspace, **changes: Any) -> Configuration:
    organization = Organization(accounts=(Account(10, "Retail", workspaces),))
    return Configuration(**({"scopes": (SCOPE,), "organization": organization} | changes))


def test_a_secret_reveals_itself_when_asked() -> None:
    """What went in comes out of `reveal`."""
    assert Secret(HIDDEN).reveal() == HIDDEN


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>80}".format,
        "{!r}".format,
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - every way of formatting is meant
        ascii,
        lambda secret: repr([secret]),
        lambda _: repr(copy.deepcopy(web())),
        lambda _: repr(dataclasses.asdict(web())),
        lambda secret: repr(dir(secret)),
        lambda secret: repr(configuration(shop(web()), admin_token=secret)),
        lambda secret: json.dumps({"secret": secret}, default=str),
    ],
)
def test_no_way_of_printing_shows_a_secret(show: Any) -> None:
    """Neither a secret nor anything that holds it shows it."""
    assert "hunter2" not in show(Secret(HIDDEN))


def test_a_log_line_does_not_show_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """A secret in the arguments of a log call is masked."""
    logging.getLogger("test").warning("started with %s and %r", Secret(HIDDEN), Secret(HIDDEN))
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    """Pickling a secret, alone or in something, fails instead of writing it somewhere."""
    for value in (Secret(HIDDEN), web(), [Secret(HIDDEN)]):
        with pytest.raises(TypeError, match="pickled") as raised:
            pickle.dumps(value, protocol)
        assert "hunter2" not in str(raised.value)


def test_a_secret_is_not_serialised() -> None:
    """The serialisers of the product refuse a secret."""
    with pytest.raises(TypeError):
        msgspec.json.encode(web())
    with pytest.raises(TypeError):
        json.dumps(Secret(HIDDEN))


def test_a_secret_does_not_change() -> None:
    """No attribute of a secret can be set or taken away."""
    secret: Any = Secret(HIDDEN)
    with pytest.raises(AttributeError):
        secret.text = "other"
    with pytest.raises(AttributeError):
        del secret._Secret__text
    assert secret.reveal() == HIDDEN


def test_copies_of_a_secret_are_the_secret() -> None:
    """Copying makes no second one."""
    secret = Secret(HIDDEN)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


def test_equal_secrets_are_equal_and_hash_alike() -> None:
    """Two secrets are equal if and only if their texts are; a secret never equals a string."""
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert hash(Secret(HIDDEN)) == hash(Secret(HIDDEN))
    assert Secret(HIDDEN) != Secret("other")
    assert Secret(HIDDEN) != HIDDEN


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_what_can_not_be_a_secret_is_refused_without_showing_it(text: str) -> None:
    """An empty secret would match a request without one, and half a surrogate pair has no bytes."""
    with pytest.raises(ValueError, match="a secret"):
        Secret(text)


def test_a_refused_secret_does_not_show_in_the_error() -> None:
    """The error of a text that is no Unicode doesn't carry it."""
    with pytest.raises(ValueError, match="Unicode") as raised:
        Secret(f"{HIDDEN}\ud800")
    assert "hunter2" not in repr(raised.value)
    assert raised.value.__suppress_context__


@given(st.text(min_size=1), st.text() | st.binary())
def test_a_secret_matches_itself_and_nothing_else(text: str, other: str | bytes) -> None:
    """As text and as UTF-8 bytes, and no candidate makes it raise."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return
    secret = Secret(text)
    assert secret.matches(text)
    assert secret.matches(encoded)
    assert secret.matches(other) == (other in (text, encoded))
    assert not secret.matches("")


def test_a_candidate_that_is_no_unicode_does_not_match() -> None:
    """What a header smuggles in is answered, not raised."""
    assert not Secret(HIDDEN).matches("\ud800")


@pytest.mark.parametrize(("platform", "feed"), [(None, None), (InputPlatform.WEB, "custom")])
def test_an_input_is_an_app_or_a_feed(platform: InputPlatform | None, feed: str | None) -> None:
    """Both and neither are refused."""
    with pytest.raises(ValueError, match="either"):
        Input("x", platform, feed, "key", Secret(HIDDEN))


def test_a_feed_knows_that_it_is_one() -> None:
    """`is_feed` tells feeds from apps."""
    assert Input("crm", None, "custom", "key", Secret(HIDDEN)).is_feed
    assert not web().is_feed


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["requests_per_second", "per_identity_per_second", "burst_seconds"])
def test_rates_are_above_zero(name: str, number: float) -> None:
    """A rate that would refuse everything, or nothing, is no rate."""
    with pytest.raises(ValueError, match="above 0"):
        RateLimits(**{name: number})


@pytest.mark.parametrize("settings", [{"delay_hours": -1.0}, {"delay_hours": float("nan")}, {"window_days": 0}])
def test_alias_times_are_in_range(settings: Any) -> None:
    """A delay or window that can't be is refused."""
    with pytest.raises(ValueError, match="delay"):
        AliasSettings(**settings)


@pytest.mark.parametrize("name", ["certificate", "private_key"])
def test_a_certificate_needs_its_key(name: Any) -> None:
    """One without the other is refused."""
    with pytest.raises(ValueError, match="together"):
        Listen(**{name: Path("x.pem")})


@pytest.mark.parametrize(
    "make",
    [
        lambda: configuration(scopes=(SCOPE, SCOPE)),
        lambda: configuration(shop(), shop(key="other")),
        lambda: configuration(shop(), shop(number=101)),
        lambda: configuration(shop(web()), shop(web(), number=101, key="other")),
        lambda: configuration(credentials=(Credential("a", Secret("x")), Credential("a", Secret("y")))),
        lambda: configuration(shop(scope="elsewhere")),
        lambda: configuration(credentials=(Credential("a", Secret("x"), workspaces=(7,)),)),
        lambda: configuration(organization=Organization(accounts=(Account(1, "A"), Account(1, "B")))),
    ],
)
def test_a_configuration_holds_together(make: Any) -> None:
    """Names are taken once, and what is named is there."""
    with pytest.raises(ValueError, match=r"twice|is named"):
        make()


def test_a_configuration_finds_its_scopes_and_inputs() -> None:
    """Scopes by name, inputs with their workspace in the file's order."""
    first, second = shop(web(), web("b")), shop(web("c"), number=101, key="k")
    made = configuration(first, second)
    assert made.scope("shop") is SCOPE
    assert list(made.inputs()) == [(first, first.inputs[0]), (first, first.inputs[1]), (second, second.inputs[0])]
    with pytest.raises(KeyError):
        made.scope("elsewhere")


def test_the_password_of_the_database_is_not_printed() -> None:
    """The URL can hold one, so it is left out."""
    assert "hunter2" not in repr(configuration(database="postgresql://me:hunter2@host/db"))
