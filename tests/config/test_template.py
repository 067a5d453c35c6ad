"""The file that a new installation starts with."""

import itertools
import re
import secrets
from collections.abc import Iterator

import pytest

from knownas.config.reader import CONFIGURATION_SECTION, warnings_of
from knownas.config.sections import Member, Section, section_of
from knownas.config.template import generate_configuration
from knownas.config.values import DATABASE_DEFAULT, Listen, Secret
from knownas.core.identity.policy import Strategy, policy
from tests.config.texts import faults_of, read

COMMENTED_MEMBER = re.compile(r"^( *(?:- )?)#(?=\w)", re.MULTILINE)


def counted(nbytes: int, counter: Iterator[int]) -> str:
    return f"token-{next(counter)}-of-{nbytes}-bytes"


def generated() -> str:
    counter = itertools.count(1)
    return generate_configuration(lambda nbytes: counted(nbytes, counter))


def test_the_file_reads_without_fault_or_warning() -> None:
    """A new installation starts at once."""
    assert warnings_of(read(generate_configuration(secrets.token_urlsafe))) == ()


def test_the_file_has_one_of_everything() -> None:
    """One scope, account and workspace, a web input that needs no secret, and a CRM feed."""
    configuration = read(generated())
    (account,) = configuration.organization.accounts
    (workspace,) = account.workspaces
    (scope,) = configuration.scopes
    web, crm = workspace.inputs
    assert (configuration.database, configuration.listen) == (DATABASE_DEFAULT, Listen())
    assert workspace.scope == scope.name
    assert scope.policy == policy(Strategy.DEFAULT)
    assert (web.name, web.platform, web.allow_key_only) == ("web", "web", True)
    assert (crm.name, crm.feed, crm.allow_key_only) == ("crm", "custom", False)
    assert configuration.credentials == ()


def test_every_key_is_a_fresh_one() -> None:
    """Each key and secret is a token of its own, secrets longer than keys."""
    configuration = read(generated())
    (workspace,) = configuration.workspaces()
    holders = [workspace, *workspace.inputs]
    keys = [holder.key for holder in holders]
    hidden = [holder.secret for holder in holders]
    assert configuration.admin_token is not None
    assert len({*keys, *(one.reveal() for one in (*hidden, configuration.admin_token))}) == 7
    assert all(key.endswith("-of-16-bytes") for key in keys)
    assert all(one.reveal().endswith("-of-32-bytes") for one in (*hidden, configuration.admin_token))


def test_the_same_tokens_make_the_same_file() -> None:
    """The text is a function of its tokens."""
    assert generated() == generated()


def test_the_commented_members_are_the_defaults() -> None:
    """Taking away every # before a member changes nothing."""
    text = generated()
    all_given, count = COMMENTED_MEMBER.subn(r"\1", text)
    assert count > 30
    assert read(all_given) == read(text)


def test_one_commented_member_can_be_changed_alone() -> None:
    """Taking away a single # gives a valid file."""
    text = generated()
    for match in COMMENTED_MEMBER.finditer(text):
        read(text[: match.start()] + match[1] + text[match.end() :])
    changed = text.replace("#max_age_seconds: 86400", "max_age_seconds: 5").replace("#port: 8080", "port: 9000")
    configuration = read(changed)
    assert configuration.scopes[0].policy.settings.max_age_seconds == 5
    assert configuration.listen.port == 9000


def members(section: Section[object]) -> Iterator[Member[object]]:
    for member in section.members:
        yield member
        nested = section_of(member.shape)
        if nested is not None and member.name not in {"credentials", "calculated_attributes", "allowed", "users"}:
            yield from members(nested)


@pytest.mark.parametrize("member", list(members(CONFIGURATION_SECTION)), ids=lambda member: member.name)
def test_every_member_is_there_and_explained(member: Member[object]) -> None:
    """With its meaning in the comment before it; those of clients, users and calculated attributes stand in an example."""
    words = " ".join(line.strip().lstrip("#").strip() for line in generated().splitlines())
    assert member.meaning in words
    assert re.search(rf"^ *(- )?#?{member.name}:", generated(), re.MULTILINE)


def test_no_line_of_explanation_is_long() -> None:
    """They fit a terminal."""
    assert max(len(line) for line in generated().splitlines() if "# " in line) <= 120


@pytest.mark.parametrize("token", ["", "two words", "a:b", "same", "${X}", "\ud800", "a\nb"])
def test_tokens_that_can_not_be_keys_are_refused(token: str) -> None:
    """Instead of a file that doesn't read."""
    with pytest.raises(ValueError, match="can't be keys"):
        generate_configuration(lambda _: token)


def test_a_token_of_any_printable_ascii_survives() -> None:
    """It is quoted where YAML needs it."""
    counter = itertools.count(1)
    configuration = read(generate_configuration(lambda _: f"-*&!\"'{{}}[],|>@`~\\{next(counter)}"))
    assert configuration.admin_token == Secret("-*&!\"'{}[],|>@`~\\7")


def test_the_file_is_broken_by_a_slip_in_its_line() -> None:
    """An edit of it that goes wrong is told where it is."""
    text = generated().replace("strategy: default", "strategy: defualt")
    line = 1 + text[: text.index("defualt")].count("\n")
    assert [fault.line for fault in faults_of(text)] == [line]
