"""What is wrong with a file: every kind of fault, each with its line, all at once."""

import pytest

from knownas.config.faults import Fault, InvalidConfiguration
from knownas.config.limits import FAULTS_MAX, LIST_ITEMS_MAX, NAME_CHARACTERS_MAX, SECRET_CHARACTERS_MAX
from knownas.core.identity.kinds import IdentityType
from tests.config.texts import faults_of, scope, web_input, workspace

TYPES = ", ".join(IdentityType)
SHOP = "scopes[0]"
HOME = "organization.accounts[0].workspaces[0]"
WEB = f"{HOME}.inputs[0]"
KEY = "printable ASCII without spaces, ':', '/', '?', '#' and '%', 1 to 200 characters"
SCOPE_TEXT = "letters, digits, '.', '_' and '-', the first a letter or digit, 1 to 200 characters"
SECOND = "    - {id: 101, key: other-key, secret: ws-secret}\n"

MEMBERS = [
    # Members that are not there, and members that are missing.
    ("databse: memory://", 1, "databse", "there is no member 'databse'; did you mean database?", "database, admin_to"),
    ("\nfoo: 1", 2, "foo", "there is no member 'foo'", "database, admin_token, scopes, organization, credentials,"),
    ("1: x", 1, "1", "there is no member '1'", "database"),
    ("<<: {database: x}", 1, "'<<'", "there is no member '<<'", "database"),
    (
        scope("strategi: default"),
        3,
        f"{SHOP}.strategi",
        "there is no member 'strategi'; did you mean strategy?",
        "name",
    ),
    (
        scope("settings:\n  capure: all"),
        4,
        f"{SHOP}.settings.capure",
        "there is no member 'capure'; did you mean",
        "im",
    ),
    (
        web_input("Allow_Search: true"),
        13,
        f"{WEB}.Allow_Search",
        "there is no member 'Allow_Search'; did you mean",
        "n",
    ),
    (web_input("limits: {rps: 1}"), 13, f"{WEB}.limits.rps", "there is no member 'rps'", "requests_per_second, per_id"),
    ("scopes:\n- strategy: default", 2, f"{SHOP}.name", "name is missing", SCOPE_TEXT),
    ("scopes:\n- name:", 2, f"{SHOP}.name", "name is missing", SCOPE_TEXT),
    (web_input().replace("key: web-key", ""), 9, f"{WEB}.key", "key is missing", KEY),
    (workspace().replace("secret: ws-secret", ""), 5, f"{HOME}.secret", "secret is missing", "1 to 512 characters"),
    (workspace().replace("id: 100", ""), 6, f"{HOME}.id", "id is missing", "1 to 9223372036854775807"),
    ("credentials:\n- client_id: a", 2, "credentials[0].client_secret", "client_secret is missing", "1 to 512 char"),
    ("listen:\n  certificate: a.pem", 1, "listen", "private_key is missing", "both certificate and private_key, or"),
    ("listen:\n  private_key: a.pem", 1, "listen", "certificate is missing", "both certificate and private_key, or"),
]

TYPES_OF_VALUES = [
    # Values of the wrong type.
    ("- 1", 1, "", "a mapping belongs here", "database, admin_token"),
    ("\nhello", 2, "", "a mapping belongs here", "database, admin_token"),
    ("scopes: shop", 1, "scopes", "a list belongs here", "list (mapping)"),
    ("scopes: {name: shop}", 1, "scopes", "a list belongs here", "list (mapping)"),
    ("scopes:\n- shop", 2, SHOP, "a mapping belongs here", "name, strategy"),
    ("scopes:\n- [name]", 2, SHOP, "a mapping belongs here", "name, strategy"),
    ("database: [a]", 1, "database", "a list stands where a single value belongs", "text: sqlite:///FILE"),
    ("admin_token: {a: b}", 1, "admin_token", "a mapping stands where a single value belongs", "text: printable"),
    (scope("login_ids:\n- email\n-"), 5, f"{SHOP}.login_ids[1]", "a value is missing", f"identity type: {TYPES}"),
    (scope("login_ids: email"), 3, f"{SHOP}.login_ids", "a list belongs here", "list (identity type)"),
    (scope("settings: [1]"), 3, f"{SHOP}.settings", "a mapping belongs here", "implicit_das, "),
    (scope("settings: {max_values: 3}"), 3, f"{SHOP}.settings.max_values", "a mapping belongs here", "mapping (ident"),
    (web_input("allow_search: yes"), 13, f"{WEB}.allow_search", "'yes' is neither true nor false", "true, false"),
    (web_input("allow_modify: 1"), 13, f"{WEB}.allow_modify", "'1' is neither true nor false", "true, false"),
    ("listen: {port: http}", 1, "listen.port", "'http' is no whole number", "0 to 65535"),
    ("listen: {port: 80.5}", 1, "listen.port", "'80.5' is no whole number", "0 to 65535"),
    ("listen: {port: 0o10}", 1, "listen.port", "'0o10' is no whole number", "0 to 65535"),
    ("listen: {port: 010}", 1, "listen.port", "'010' is no whole number", "0 to 65535"),
    ("listen: {port: ''}", 1, "listen.port", "'' is no whole number", "0 to 65535"),
    (
        web_input("limits: {burst_seconds: much}"),
        13,
        f"{WEB}.limits.burst_seconds",
        "'much' is no number",
        "above 0 to",
    ),
    (
        web_input("limits: {burst_seconds: .nan}"),
        13,
        f"{WEB}.limits.burst_seconds",
        "'.nan' is no number",
        "above 0 to",
    ),
    (
        web_input("limits: {burst_seconds: .inf}"),
        13,
        f"{WEB}.limits.burst_seconds",
        "'.inf' is no number",
        "above 0 to",
    ),
]

RANGES = [
    # Values out of range, of a wrong form, empty or too long.
    ("listen: {port: 65536}", 1, "listen.port", "'65536' is out of range", "0 to 65535"),
    ("listen: {port: -1}", 1, "listen.port", "'-1' is out of range", "0 to 65535"),
    (workspace().replace("100", "0"), 5, f"{HOME}.id", "'0' is out of range", "1 to 9223372036854775807"),
    (workspace().replace("100", "9223372036854775808"), 5, f"{HOME}.id", "'9223372036854775808' is out of range", "1"),
    (workspace().replace("100", "9" * 40), 5, f"{HOME}.id", f"'{'9' * 40}' is no whole number", "1 to 92233720"),
    (
        scope("settings: {max_age_seconds: -1}"),
        3,
        f"{SHOP}.settings.max_age_seconds",
        "'-1' is out of range",
        "0 to 315",
    ),
    (
        scope("settings: {max_values: {email: 0}}"),
        3,
        f"{SHOP}.settings.max_values.email",
        "'0' is out of range",
        "1 to ",
    ),
    (web_input("limits: {burst_seconds: 0}"), 13, f"{WEB}.limits.burst_seconds", "'0' is out of range", "above 0 to"),
    (
        web_input("limits: {burst_seconds: 1e999}"),
        13,
        f"{WEB}.limits.burst_seconds",
        "'1e999' is out of range",
        "above",
    ),
    (
        workspace("settings: {alias: {delay_hours: -1}}"),
        8,
        f"{HOME}.settings.alias.delay_hours",
        "'-1' is out of",
        "0 to",
    ),
    (
        workspace("settings: {alias: {window_days: 0}}"),
        8,
        f"{HOME}.settings.alias.window_days",
        "'0' is out of ra",
        "1 to",
    ),
    ("admin_token: ''", 1, "admin_token", "the value is empty", "printable ASCII without spaces, 1 to 512 characters"),
    (f"admin_token: {'x' * (SECRET_CHARACTERS_MAX + 1)}", 1, "admin_token", "the value is too long", "printable ASCII"),
    ("admin_token: two words", 1, "admin_token", "the value has another form than it must have", "printable ASCII wi"),
    (workspace("name: ''"), 8, f"{HOME}.name", "the value is empty", "1 to 200 characters"),
    (
        workspace(f"name: {'x' * (NAME_CHARACTERS_MAX + 1)}"),
        8,
        f"{HOME}.name",
        "the value is too long",
        "1 to 200 char",
    ),
    (workspace('name: "a\\nb"'), 8, f"{HOME}.name", "the value contains a line break", "1 to 200 characters"),
    (workspace('name: "\\ud800"'), 8, f"{HOME}.name", "the value contains a line break", "1 to 200 characters"),
    (workspace().replace("ws-key", "a:b"), 6, f"{HOME}.key", "'a:b' has another form than it must have", KEY),
    (workspace().replace("ws-key", "clé"), 6, f"{HOME}.key", "'clé' has another form than it must have", KEY),
    (workspace().replace("ws-key", "a b"), 6, f"{HOME}.key", "'a b' has another form than it must have", KEY),
    (web_input().replace("web-key", "a:b"), 11, f"{WEB}.key", "'a:b' has another form than it must have", KEY),
    (web_input().replace("web-key", "a/b"), 11, f"{WEB}.key", "'a/b' has another form than it must have", KEY),
    ("scopes: [{name: a/b}]", 1, f"{SHOP}.name", "'a/b' has another form than it must have", SCOPE_TEXT),
    ("scopes: [{name: ..}]", 1, f"{SHOP}.name", "'..' has another form than it must have", SCOPE_TEXT),
    ("database: mysql://root:pw@host/db", 1, "database", "the value has another form than it must have", "sqlite:///F"),
    ("listen: {host: a b}", 1, "listen.host", "'a b' has another form than it must have", "printable ASCII without sp"),
    (scope(f"priority: [{'email, ' * 101}]"), 3, f"{SHOP}.priority", "the list is too long", "at most 100 items"),
]

WORDS = [
    # Words and identity types that don't exist.
    (
        scope("strategy: profil_link"),
        3,
        f"{SHOP}.strategy",
        "'profil_link' is not one of the words allowed here; did you",
        "de",
    ),
    (
        scope("strategy: magic"),
        3,
        f"{SHOP}.strategy",
        "'magic' is not one of the words allowed here",
        "default, profile_",
    ),
    (
        scope("settings: {capture: some}"),
        3,
        f"{SHOP}.settings.capture",
        "'some' is not one of the words",
        "changes, all",
    ),
    (
        scope("settings:\n  tie_break:\n  - previous_mpid\n  - oldest"),
        6,
        f"{SHOP}.settings.tie_break[1]",
        "'oldest' i",
        "p",
    ),
    (
        web_input().replace("platform: web", "platform: wed"),
        10,
        f"{WEB}.platform",
        "'wed' is not one of the words",
        "ios,",
    ),
    (
        web_input("protection_level: none"),
        13,
        f"{WEB}.protection_level",
        "'none' is not one of the words",
        "create_and_u",
    ),
    (
        "credentials: [{client_id: a, client_secret: b, role: root}]",
        1,
        "credentials[0].role",
        "'root' is not",
        "read_only,",
    ),
    (
        scope("login_ids:\n- customerid\n- emial"),
        5,
        f"{SHOP}.login_ids[1]",
        "'emial' is no identity type; did you",
        TYPES,
    ),
    (
        scope("priority: [email, Email]"),
        3,
        f"{SHOP}.priority[1]",
        "'Email' is no identity type; did you mean email?",
        TYPES,
    ),
    (
        scope("settings:\n  max_values:\n    mail: 2"),
        5,
        f"{SHOP}.settings.max_values.mail",
        "'mail' is no identity ty",
        TYPES,
    ),
]

POLICIES = [
    # Policies that contradict themselves, at the list that does.
    (
        scope("\nimmutable_ids: [email]\nlogin_ids: [email]"),
        4,
        f"{SHOP}.immutable_ids",
        "an immutable type must also be un",
    ),
    (
        scope("login_ids: []\nimmutable_ids:\n- customerid"),
        4,
        f"{SHOP}.immutable_ids",
        "an immutable type must also be a lo",
    ),
    (scope("priority: [email, other, email]"), 3, f"{SHOP}.priority", "each type may stand in it once; twice: email"),
    (
        scope("settings: {implicit_das: false}\npriority: []"),
        4,
        f"{SHOP}.priority",
        "at least one identity type is needed",
    ),
    (scope("strategy: best_match\n\nlogin_ids: [email]"), 5, f"{SHOP}.login_ids", "best_match has none"),
    (scope("strategy: best_match\nunique_ids: [email]"), 4, f"{SHOP}.unique_ids", "best_match has none"),
    (
        scope("settings:\n  tie_break: [smallest_mpid, most_recent]"),
        4,
        f"{SHOP}.settings.tie_break",
        "the last rule must be smallest_mpid",
    ),
    (
        scope("settings:\n  tie_break: [most_recent, most_recent]"),
        4,
        f"{SHOP}.settings.tie_break",
        "each rule may stand in it once",
    ),
    (
        scope("settings: {max_values: {facebookcustomaudienceid: 1, facebook_custom_audience_id: 1}}"),
        3,
        f"{SHOP}.settings.max_values.facebook_custom_audience_id",
        "this is facebookcustomaudienceid again under another spelling",
    ),
]

NAMES = [
    # Names that are taken, and names that nobody has.
    ("scopes:\n- name: a\n- name: b\n- name: a", 4, "scopes[2].name", "this scope is used already in line 2"),
    (
        workspace() + SECOND.replace("101", "100"),
        8,
        f"{HOME[:-3]}[1].id",
        "this workspace id is used already in line 5",
    ),
    (
        workspace() + SECOND.replace("other-key", "ws-key"),
        8,
        f"{HOME[:-3]}[1].key",
        "this workspace key is used already in line 6",
    ),
    (
        workspace() + "  - id: 10\n",
        8,
        "organization.accounts[1].id",
        "this account id is used already in line 3",
    ),
    (
        web_input() + "      - {name: b, feed: c, key: web-key, secret: s}\n",
        13,
        f"{HOME}.inputs[1].key",
        "this input key is used already in line 11",
    ),
    (
        web_input() + SECOND.replace("}", ", inputs: [{name: web, feed: c, key: web-key, secret: s}]}"),
        13,
        f"{HOME[:-3]}[1].inputs[0].key",
        "this input key is used already in line 11",
    ),
    (
        web_input() + "      - {name: web, feed: c, key: b, secret: s}\n",
        13,
        f"{HOME}.inputs[1].name",
        "this input name is used already in line 9",
    ),
    (
        "credentials:\n- {client_id: a, client_secret: s}\n- {client_id: a, client_secret: s}",
        3,
        "credentials[1].client_id",
        "this client id is used already in line 2",
    ),
    (workspace("scope: shop"), 8, f"{HOME}.scope", "no scope 'shop' is in this file"),
    (scope() + workspace("scope: shoop"), 10, f"{HOME}.scope", "no scope 'shoop' is in this file; did you mean shop?"),
    (
        workspace() + "credentials:\n- {client_id: a, client_secret: s,\n   workspaces: [100, 7]}",
        10,
        "credentials[0].workspaces[1]",
        "no workspace id '7' is in this file",
    ),
    (
        web_input().replace("platform: web", ""),
        9,
        WEB,
        "the input has neither a platform nor a feed",
    ),
    (web_input("feed: custom"), 9, WEB, "the input has both a platform and a feed"),
]

VARIABLES = [
    # Variables.
    ("\nadmin_token: ${TOKEN}", 2, "admin_token", "the environment variable TOKEN is not set"),
    (scope("strategy: pre${MISSING}"), 3, f"{SHOP}.strategy", "the environment variable MISSING is not set"),
    (
        scope("login_ids:\n- email\n- ${MISSING}"),
        5,
        f"{SHOP}.login_ids[1]",
        "the environment variable MISSING is not set",
    ),
    ("database: ${", 1, "database", "${ starts the name of an environment variable, and none follows"),
]

CASES = [*MEMBERS, *TYPES_OF_VALUES, *RANGES, *WORDS, *((*case, "") for case in (*POLICIES, *NAMES, *VARIABLES))]


@pytest.mark.parametrize(("text", "line", "path", "message", "allowed"), CASES)
def test_a_fault_has_its_line_its_path_and_what_is_allowed(
    text: str, line: int, path: str, message: str, allowed: str
) -> None:
    """One slip is one fault, at its place, with what may stand there."""
    (fault,) = faults_of(text)
    assert (fault.line, fault.path) == (line, path)
    assert fault.message.startswith(message)
    assert (fault.allowed or "").startswith(allowed)


TEN = """\
databse: memory://
admin_token: ${ADMIN_TOKEN}
scopes:
- name: shop
  strategy: profile_conversion
  login_ids: [customerid, emial]
- name: shop
  priority: [email, email]
  settings:
    max_age_seconds: a day
    tie_break: [smallest_mpid, most_recent]
organization:
  id: 1
  id: 2
  accounts:
  - id: 10
    workspaces:
    - id: 100
      scope: shop
      key: ws:key
      secret: ws-secret
      inputs:
      - {name: web, platform: web, feed: custom, key: k, secret: s}
credentials:
- {client_id: a, client_secret: b, role: guest, workspaces: [100]}
"""


def test_a_file_with_eleven_faults_yields_eleven() -> None:
    """All kinds at once, each with its line, none of them followed by others that only follow from it."""
    assert [(fault.line, fault.path) for fault in faults_of(TEN)] == [
        (1, "databse"),
        (2, "admin_token"),
        (6, "scopes[0].login_ids[1]"),
        (7, "scopes[1].name"),
        (8, "scopes[1].priority"),
        (10, "scopes[1].settings.max_age_seconds"),
        (11, "scopes[1].settings.tie_break"),
        (14, "organization.id"),
        (20, "organization.accounts[0].workspaces[0].key"),
        (23, "organization.accounts[0].workspaces[0].inputs[0]"),
        (25, "credentials[0].role"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        scope("login_ids: [emial]\nunique_ids: [email]\nimmutable_ids: [email]"),
        scope("login_idz: [email]\nunique_ids: [email]\nimmutable_ids: [email]"),
        "scopes:\n- {name: a b}\n" + workspace("scope: shop"),
        "scopes: shop\n" + workspace("scope: shop"),
        "scops: [{name: shop}]\n" + workspace("scope: shop"),
        "scopes: [{nam: shop}]\n" + workspace("scope: shop"),
        workspace().replace("100", "x") + "credentials: [{client_id: a, client_secret: b, workspaces: [100]}]",
        web_input().replace("platform: web", "platfrom: web"),
        web_input().replace("platform: web", "platform: wub"),
        "scopes: ${MISSING}\n" + workspace("scope: shop"),
    ],
)
def test_what_only_follows_from_a_fault_is_not_told(text: str) -> None:
    """A list that can't be read is not said to contradict others, and a name that can't be read not to be missing."""
    assert len(faults_of(text)) == 1


def test_contradictions_of_a_policy_are_told_together() -> None:
    """All that the core finds."""
    faults = faults_of(
        scope("login_ids: [other]\nunique_ids: [other]\nimmutable_ids: [email]\npriority: [email, email]")
    )
    assert [fault.line for fault in faults] == [5, 5, 6]


SECRETS = [
    "database: mysql://root:hunter2@host/db",
    "admin_token: hunter2 hunter2",
    "admin_token: 'hunter2\n",
    "admin_token: hunter2: x",
    'admin_token: "hunter2\\n"',
    f"admin_token: {'hunter2' * 100}",
    "database: ${SECRET}",
    "listen: {port: '${SECRET}'}",
    scope("strategy: ${SECRET}"),
    scope("login_ids: ['${SECRET}']"),
    web_input("allow_search: ${SECRET}"),
    workspace().replace("ws-key", "'${SECRET}:'"),
    workspace("scope: ${SECRET}"),
    scope() + "- name: ${SECRET}\n- name: ${SECRET}\n",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_fault_shows_a_secret_or_the_value_of_a_variable(text: str) -> None:
    """Faults are printed and logged."""
    faults = faults_of(text, {"SECRET": "hunter2"})
    assert faults
    assert "hunter2" not in repr(faults)
    assert "hunter2" not in str(InvalidConfiguration(faults))


def test_a_fault_reads_as_one_line() -> None:
    """Where, what, and what is allowed."""
    fault = Fault(12, "scopes[0].strategy", "'magic' is not one of the words allowed here", "default, best_match")
    expected = (
        "line 12: scopes[0].strategy: 'magic' is not one of the words allowed here (allowed: default, best_match)"
    )
    assert str(fault) == expected
    assert str(Fault(1, "", "the file is too long")) == "line 1: the file is too long"
    assert str(InvalidConfiguration((fault, fault))) == f"{expected}\n{expected}"


def test_faults_have_a_limit() -> None:
    """A file of nothing but faults is answered with the first ones, and that there are more."""
    faults = faults_of("".join(f"member{n}: x\n" for n in range(FAULTS_MAX + 10)))
    assert len(faults) == FAULTS_MAX + 1
    assert faults[-1].message == f"there are more than {FAULTS_MAX} faults; the others are left out"


def test_lists_have_a_limit() -> None:
    """A list beyond it is one fault and not one for each item."""
    (fault,) = faults_of(f"credentials: [{'x, ' * (LIST_ITEMS_MAX + 1)}]")
    assert fault.allowed == f"at most {LIST_ITEMS_MAX} items"
