"""What a configuration says about privacy requests is read, and what it can't say is told with its line."""

from pathlib import Path
from typing import Any

import pytest

from knownas.config.reader import InvalidConfiguration, read_configuration
from knownas.config.values import PrivacySettings
from knownas.config.workspace_privacy import WorkspacePrivacy
from tests.config.texts import read, workspace


def test_without_a_word_the_defaults_count() -> None:
    """Requests are tried on localhost, and an erasure waits for a week."""
    configuration = read(workspace())
    assert configuration.privacy == PrivacySettings("localhost", None, None, None, None, 365)
    assert next(configuration.workspaces()).settings.privacy.waiting.days == 7


def test_everything_can_be_given() -> None:
    """Of the server, and of each workspace."""
    text = (
        "privacy:\n  domain: privacy.example.com\n  certificate: a.pem\n  key: b.pem\n"
        "  base_url: https://privacy.example.com:8443\n  callbacks: [https://a.example, 'http://[::1]:9', http://10.0.0.1]\n"
        "  requests_days: 30\n"
    )
    callbacks = ("https://a.example", "http://[::1]:9", "http://10.0.0.1")
    assert read(text).privacy == PrivacySettings(
        "privacy.example.com", Path("a.pem"), Path("b.pem"), "https://privacy.example.com:8443", callbacks, 30
    )
    given = read(workspace("settings: {privacy: {waiting_days: 0}}"))
    assert next(given.workspaces()).settings.privacy == WorkspacePrivacy(0)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("domain: not a domain", "has another form than it must have"),
        (f"domain: {'x' * 65}", "too long"),
        ("certificate: a.pem", "key is missing"),
        ("key: a.pem", "certificate is missing"),
        ("base_url: https://a.example/path", "has another form than it must have"),
        ("base_url: ftp://a.example", "has another form than it must have"),
        ("callbacks: https://a.example", "a list belongs here"),
        ("callbacks: [a.example]", "has another form than it must have"),
        ("callbacks: [https://a.example/told]", "has another form than it must have"),
        ("requests_days: 0", "out of range"),
        ("waiting_days: 3", "there is no member"),
    ],
)
def test_what_can_not_be_is_told(member: str, says: str) -> None:
    """With its line and what is allowed there."""
    invalid = read_configuration(f"# a line\nprivacy:\n  {member}\n", environment={})
    assert isinstance(invalid, InvalidConfiguration)
    (fault,) = invalid.faults
    assert says in fault.message
    assert fault.line in (2, 3)
    assert fault.allowed


@pytest.mark.parametrize("days", ["-1", "31", "seven", "0.5"])
def test_a_waiting_period_has_its_limits(days: str) -> None:
    """A law that gives a month must be kept."""
    invalid = read_configuration(workspace(f"settings: {{privacy: {{waiting_days: {days}}}}}"), environment={})
    assert isinstance(invalid, InvalidConfiguration)


@pytest.mark.parametrize(
    "members", [{"certificate": Path("a")}, {"key": Path("a")}, {"domain": ""}, {"requests_days": 0}]
)
def test_settings_are_valid_from_birth(members: dict[str, Any]) -> None:
    """What the file can't give can't be built either."""
    with pytest.raises(ValueError, match=r"certificate|domain|kept"):
        PrivacySettings(**members)
