"""Who may sign in to the console is read, and what can't be is told with its line."""

import pytest

from knownas.config.console_access import ConsoleRole, ConsoleSettings, ConsoleUser, OpenIdConnect
from knownas.config.reader import InvalidConfiguration, read_configuration
from knownas.config.values import Configuration, Secret
from tests.config.texts import read

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"
PROVIDER = "issuer: https://login.example.com/realms/a\n    client_id: knownas\n    client_secret: s3cret-s3cret"


def console(body: str) -> str:
    """Return a file with a console; the lines of `body` start in line 2."""
    return "console:\n" + "".join(f"  {line}\n" for line in body.splitlines())


def test_without_a_word_only_the_token_opens() -> None:
    """No users, no provider, and any address."""
    assert read("").console == ConsoleSettings(None, (), None)
    assert read("console:\n  oidc:\n").console == ConsoleSettings(None, (), None)


def test_users_can_be_given() -> None:
    """By name, hash and role; the hash is a secret, though a password can't be read off it."""
    text = console(
        f"users:\n- {{name: ann, password_hash: '{HASH}', role: privacy officer}}\n"
        f"- {{name: bob@example.com, password_hash: '{HASH}', role: reader}}"
    )
    assert read(text).console.users == (
        ConsoleUser("ann", Secret(HASH), ConsoleRole.PRIVACY_OFFICER),
        ConsoleUser("bob@example.com", Secret(HASH), ConsoleRole.READER),
    )
    assert HASH not in repr(read(text))


def test_a_provider_can_be_given() -> None:
    """With the roles that values of a claim give; what is left out is usual."""
    text = console(
        f"base_url: https://id.example.com\noidc:\n    {PROVIDER}\n    roles: {{crew: admin, 'a b': reader}}"
    )
    assert read(text).console.oidc == OpenIdConnect(
        "https://login.example.com/realms/a",
        "knownas",
        Secret("s3cret-s3cret"),
        {"crew": ConsoleRole.ADMIN, "a b": ConsoleRole.READER},
        ("openid", "email", "profile"),
        "email",
        "groups",
    )


@pytest.mark.parametrize(
    "issuer", ["http://localhost:9/a", "http://127.0.0.1:9", "http://[::1]:9", "https://a.example"]
)
def test_a_provider_speaks_https_or_is_here(issuer: str) -> None:
    """What it answers decides who is an admin."""
    given = PROVIDER.replace("https://login.example.com/realms/a", issuer)
    oidc = read(console(f"base_url: https://id.example.com\noidc:\n    {given}")).console.oidc
    assert oidc is not None
    assert oidc.issuer == issuer


@pytest.mark.parametrize(
    ("body", "says", "line"),
    [
        ("users:\n- {name: ann, password_hash: hunter2hunter2, role: admin}", "another form", 3),
        (f"users:\n- {{name: ann, password_hash: '{HASH}'}}", "role is missing", 3),
        (f"users:\n- {{name: ann, password_hash: '{HASH}', role: root}}", "not one of the words", 3),
        (f"users:\n- {{name: an n, password_hash: '{HASH}', role: admin}}", "another form", 3),
        (
            f"users:\n- {{name: ann, password_hash: '{HASH}', role: admin}}\n- {{name: ann, password_hash: '{HASH}', role: admin}}",
            "used already in line 3",
            4,
        ),
        (
            f"users:\n- {{name: ann, password_hash: '{HASH.replace('65536', '9999999')}', role: admin}}",
            "another form",
            3,
        ),
        (f"oidc:\n    {PROVIDER}", "base_url is missing", 1),
        ("base_url: https://id.example.com\noidc:\n  issuer: https://login.example.com", "client_id is missing", 3),
        (f"base_url: https://a.example\noidc:\n    {PROVIDER}\n    roles: [admin]", "a mapping belongs here", 7),
        (f"base_url: https://a.example\noidc:\n    {PROVIDER}\n    roles: {{crew: root}}", "not one of the words", 7),
        (f"base_url: https://a.example\noidc:\n    {PROVIDER}\n    scopes: [email]", "openid is missing", 3),
        ("base_url: https://a.example\noidc:\n  issuer: http://login.example.com", "another form", 4),
        ("base_url: https://a.example\noidc:\n  issuer: http://localhost.example.com", "another form", 4),
        ("base_url: https://a.example/console", "another form", 2),
    ],
)
def test_what_can_not_be_is_told(body: str, says: str, line: int) -> None:
    """With its line and what is allowed there, and without the hash that somebody wrote there."""
    invalid = read_configuration(console(body), environment={})
    assert isinstance(invalid, InvalidConfiguration)
    (fault,) = invalid.faults
    assert says in fault.message
    assert fault.line == line
    assert fault.allowed
    assert "hunter2" not in str(invalid)


def test_settings_are_valid_from_birth() -> None:
    """What the file can't give can't be built either."""
    provider = OpenIdConnect("https://a.example", "knownas", Secret("s"), {})
    with pytest.raises(ValueError, match="base_url"):
        ConsoleSettings(None, (), provider)
    user = ConsoleUser("ann", Secret(HASH), ConsoleRole.READER)
    with pytest.raises(ValueError, match="ann stands there twice"):
        Configuration(console=ConsoleSettings(users=(user, user)))
