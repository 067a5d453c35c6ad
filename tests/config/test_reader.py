"""What a valid file says."""

from dataclasses import fields
from pathlib import Path

import pytest

from knownas.config.reader import read_configuration, warnings_of
from knownas.config.scopes import SETTINGS_SECTION
from knownas.config.values import (
    Account,
    AliasSettings,
    Configuration,
    Credential,
    Input,
    InputPlatform,
    Listen,
    Organization,
    ProtectionLevel,
    RateLimits,
    Role,
    Scope,
    Secret,
    Workspace,
    WorkspaceSettings,
)
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    Capture,
    EmptyRecord,
    EnvironmentPools,
    EphemeralPolicy,
    ErrorBody,
    LoginRequiresLoginId,
    LogoutLoginIds,
    SearchImmutablePolicy,
    Settings,
    Strategy,
    TieBreak,
    policy,
)
from knownas.core.identity.toxic_limits import MetLimits, ToxicLimit, ToxicMode, ToxicSettings
from tests.config.texts import DESIGN_EXAMPLE, read, scope, web_input, workspace

T = IdentityType


def test_the_example_of_the_contract_reads_to_the_letter() -> None:
    """Every member of it arrives where it belongs."""
    web = Input("web", InputPlatform.WEB, None, "web-key", Secret("web-secret"), allow_key_only=True)
    level = ProtectionLevel.ONLY_UPDATE_PROFILES
    crm = Input("crm", None, "custom", "crm-key", Secret("crm-secret"), protection_level=level)
    settings = WorkspaceSettings(AliasSettings(provisioned=True, delay_hours=24))
    shop = Workspace(100, "Web shop", "shop", "ws-key", Secret("ws-secret"), (web, crm), settings)
    customer = [T.CUSTOMER_ID]
    assert read(DESIGN_EXAMPLE) == Configuration(
        database="sqlite:///knownas.db",
        admin_token=Secret("change-me"),
        scopes=(
            Scope(
                "shop",
                policy(
                    Strategy.PROFILE_CONVERSION,
                    priority=[T.CUSTOMER_ID, T.EMAIL, T.IOS_IDFV, T.DEVICE_APPLICATION_STAMP],
                    login_ids=customer,
                    unique_ids=customer,
                    immutable_ids=customer,
                ),
            ),
        ),
        organization=Organization(1, "Acme", (Account(10, "Retail", (shop,)),)),
        credentials=(Credential("personalisation", Secret("s3cret"), Role.READ_ONLY, (100,)),),
        listen=Listen(),
    )


def test_an_empty_file_is_the_defaults() -> None:
    """Everything has a default, and without a token the admin API is off."""
    configuration = read("")
    assert configuration == Configuration()
    assert configuration.admin_token is None
    assert configuration.listen == Listen("127.0.0.1", 8080, None, None)


@pytest.mark.parametrize("member", ["database", "admin_token", "scopes", "organization", "credentials", "listen"])
def test_a_member_without_a_value_is_left_out(member: str) -> None:
    """So that a section whose members are all commented out is no fault."""
    assert read(f"{member}:\n") == Configuration()


def test_a_workspace_without_a_scope_has_its_own() -> None:
    """It is named after the workspace and has the default strategy."""
    configuration = read(workspace())
    assert configuration.organization.accounts[0].workspaces[0].scope == "workspace-100"
    assert configuration.scopes == (Scope("workspace-100", policy(Strategy.DEFAULT)),)


def test_the_own_scope_of_a_workspace_can_be_ruled_by_name() -> None:
    """A scope of that name in the file is the one."""
    configuration = read(f"scopes:\n- {{name: workspace-100, strategy: best_match}}\n{workspace()}")
    assert configuration.scopes == (Scope("workspace-100", policy(Strategy.BEST_MATCH)),)


def test_what_is_left_out_is_named_after_its_id() -> None:
    """Accounts and workspaces need no name."""
    account = read(workspace()).organization.accounts[0]
    assert (account.name, account.workspaces[0].name) == ("Account 10", "Workspace 100")


@pytest.mark.parametrize("strategy", list(Strategy))
def test_lists_that_a_scope_leaves_out_are_the_presets(strategy: Strategy) -> None:
    """A scope with only a strategy is that strategy."""
    assert read(scope(f"strategy: {strategy}")).scope("shop").policy == policy(strategy)


def test_a_list_that_a_scope_gives_replaces_the_preset() -> None:
    """One by one, the others stay."""
    made = read(scope("strategy: profile_link\nlogin_ids: [email]")).scope("shop").policy
    assert made == policy(Strategy.PROFILE_LINK, login_ids=[T.EMAIL])


def test_every_setting_of_a_scope_can_be_given() -> None:
    """Each arrives, none keeps its default."""
    text = """\
settings:
  implicit_das: false
  search_immutable_policy: guards_only
  logout_login_ids: resolve
  best_match_login_logout: reject
  login_requires_login_id: always
  max_values: {email: 3, facebook_custom_audience_id: 1, other: unlimited}
  environment_pools: shared
  tie_break: [most_recent, smallest_mpid]
  is_ephemeral_policy: never
  empty_record: refuse
  modify_device_application_stamp: true
  max_age_seconds: 0
  capture: all
  error_body: documented_only
  toxic:
    mode: quarantine
    patterns: false
    limits: {email: {known_users: 5, devices: 60, scopes: 3, within_days: 14, devices_within: 20, known_users_within: 4}}
    allowed: [{type: email, value: info@example.com}]
"""
    given = read(scope(text)).scope("shop").policy.settings
    assert given == Settings(
        implicit_das=False,
        search_immutable_policy=SearchImmutablePolicy.GUARDS_ONLY,
        logout_login_ids=LogoutLoginIds.RESOLVE,
        best_match_login_logout=BestMatchLoginLogout.REJECT,
        login_requires_login_id=LoginRequiresLoginId.ALWAYS,
        max_values={T.EMAIL: 3, T.FACEBOOK_CUSTOM_AUDIENCE_ID: 1},
        environment_pools=EnvironmentPools.SHARED,
        tie_break=(TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID),
        is_ephemeral_policy=EphemeralPolicy.NEVER,
        empty_record=EmptyRecord.REFUSE,
        modify_device_application_stamp=True,
        max_age_seconds=0,
        capture=Capture.ALL,
        error_body=ErrorBody.DOCUMENTED_ONLY,
        toxic=ToxicSettings(
            ToxicMode.QUARANTINE,
            patterns=False,
            limits={T.EMAIL: ToxicLimit(MetLimits(5, 60, 3), MetLimits(4, 20), 14)},
            allowed=(Identity(T.EMAIL, "info@example.com"),),
        ),
    )
    defaults = Settings()
    assert [one.name for one in fields(Settings) if getattr(given, one.name) == getattr(defaults, one.name)] == []


def test_the_table_of_settings_is_that_of_the_core() -> None:
    """No setting of a policy is missing from the file's format, none is made up, and the defaults are the same."""
    defaults = Settings()
    of_core = {one.name: getattr(defaults, one.name) for one in fields(Settings)}
    assert {member.name: member.default for member in SETTINGS_SECTION.members} == of_core


@pytest.mark.parametrize(
    ("setting", "member", "expected"),
    [
        ("login_requires_login_id: isolation only", "login_requires_login_id", LoginRequiresLoginId.ISOLATION_ONLY),
        ("error_body: both spellings", "error_body", ErrorBody.BOTH_SPELLINGS),
        ("error_body: documented only", "error_body", ErrorBody.DOCUMENTED_ONLY),
        ("is_ephemeral_policy: Anonymous", "is_ephemeral_policy", EphemeralPolicy.ANONYMOUS),
        ("tie_break: [most recent, smallest MPID]", "tie_break", (TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID)),
    ],
)
def test_the_words_of_the_specification_are_understood(setting: str, member: str, expected: object) -> None:
    """With spaces and capital letters, as people copy them."""
    settings = read(scope(f"settings: {{{setting}}}")).scope("shop").policy.settings
    assert getattr(settings, member) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("[]", (TieBreak.SMALLEST_MPID,)),
        ("[previous_mpid]", (TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID)),
        ("[most_recent, previous_mpid]", (TieBreak.MOST_RECENT, TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID)),
    ],
)
def test_the_last_tie_break_is_appended(given: str, expected: tuple[TieBreak, ...]) -> None:
    """The one that always decides doesn't need to be written."""
    assert read(scope(f"settings: {{tie_break: {given}}}")).scope("shop").policy.settings.tie_break == expected


def test_every_setting_of_an_input_can_be_given() -> None:
    """Each arrives."""
    text = """\
allow_key_only: true
allow_search: false
allow_modify: false
allow_unique_moves: false
protection_level: only update profiles
limits: {requests_per_second: 100, per_identity_per_second: 0.5, burst_seconds: 1e1}
"""
    ((_, one),) = read(web_input(text)).inputs()
    assert one == Input(
        "web",
        InputPlatform.WEB,
        None,
        "web-key",
        Secret("web-secret"),
        allow_key_only=True,
        allow_search=False,
        allow_modify=False,
        allow_unique_moves=False,
        protection_level=ProtectionLevel.ONLY_UPDATE_PROFILES,
        limits=RateLimits(100.0, 0.5, 10.0),
    )


@pytest.mark.parametrize("platform", list(InputPlatform))
def test_every_platform_has_inputs(platform: InputPlatform) -> None:
    """All of idsync §1.4."""
    ((_, one),) = read(web_input().replace("platform: web", f"platform: {platform}")).inputs()
    assert one.platform is platform


def test_alias_settings_can_be_given() -> None:
    """Each arrives."""
    text = "settings: {alias: {provisioned: true, delay_hours: 0.5, window_days: 30}}"
    (one,) = read(workspace(text)).workspaces()
    assert one.settings.alias == AliasSettings(provisioned=True, delay_hours=0.5, window_days=30)


def test_where_to_listen_can_be_given() -> None:
    """Host, port and both halves of a certificate."""
    listen = read("listen: {host: '::', port: 0, certificate: c.pem, private_key: /k.pem}").listen
    assert listen == Listen("::", 0, Path("c.pem"), Path("/k.pem"))


@pytest.mark.parametrize(
    "database",
    ["sqlite:///a b.db", "sqlite:////var/lib/knownas.db", "postgresql://u:p@h:5432/db?sslmode=require", "memory://"],
)
def test_a_database_is_a_url(database: str) -> None:
    """Of the stores that there are."""
    assert read(f"database: '{database}'").database == database


def test_a_variable_works_in_every_kind_of_value() -> None:
    """Text, secrets, numbers, flags, words, types, list items; alone and inside other text."""
    environment = {
        "PASSWORD": "p4ss",
        "TOKEN": "a-long-enough-token",
        "PORT": "9000",
        "YES": "true",
        "STRATEGY": "profile_link",
        "EMAIL": "email",
        "RATE": "2.5",
        "NAME": "shop",
    }
    text = """\
database: postgresql://me:${PASSWORD}@host/db
admin_token: ${TOKEN}
listen: {port: "${PORT}"}
scopes:
- name: ${NAME}
  strategy: ${STRATEGY}
  login_ids: ["${EMAIL}", "customer${NOTHING}id"]
"""
    text += web_input("allow_key_only: ${YES}\nlimits: {requests_per_second: '${RATE}'}")
    configuration = read(text, environment | {"NOTHING": ""})
    ((_, one),) = configuration.inputs()
    assert configuration.database == "postgresql://me:p4ss@host/db"
    assert configuration.admin_token == Secret("a-long-enough-token")
    assert configuration.listen.port == 9000
    assert configuration.scope("shop").policy == policy(Strategy.PROFILE_LINK, login_ids=[T.EMAIL, T.CUSTOMER_ID])
    assert one.allow_key_only
    assert one.limits.requests_per_second == 2.5


def test_a_literal_dollar_brace_can_be_written() -> None:
    """With a second dollar."""
    assert read("admin_token: $${NOT_A_VARIABLE}").admin_token == Secret("${NOT_A_VARIABLE}")


@pytest.mark.parametrize("text", ["0123", "true", "1e3", "0x10", "12:30:00", "2020-01-01", "no"])
def test_a_secret_is_what_the_file_says(text: str) -> None:
    """YAML's own types don't get at it."""
    assert read(f"admin_token: {text}").admin_token == Secret(text)


def test_anchors_and_aliases_can_be_used() -> None:
    """Two scopes can share a list and the settings."""
    text = """\
scopes:
- {name: a, priority: &types [customerid, email], settings: &fast {max_age_seconds: 5}}
- {name: b, priority: *types, settings: *fast}
"""
    configuration = read(text)
    assert configuration.scope("a").policy == configuration.scope("b").policy
    assert configuration.scope("a").policy.priority == (T.CUSTOMER_ID, T.EMAIL)


def test_names_of_inputs_repeat_in_another_workspace() -> None:
    """Only siblings must differ."""
    text = web_input() + "    - {id: 101, key: k, secret: s, inputs: [{name: web, platform: web, key: l, secret: s}]}\n"
    assert [one.name for _, one in read(text).inputs()] == ["web", "web"]


def test_the_environment_is_only_read_where_the_file_says_so() -> None:
    """A variable with the name of a member changes nothing."""
    assert read("", {"database": "memory://", "ADMIN_TOKEN": "x"}) == Configuration()


def test_the_example_of_the_contract_draws_warnings() -> None:
    """For the token of the documentation and for the short secret, without showing either secret."""
    warnings = warnings_of(read(DESIGN_EXAMPLE))
    assert warnings == (
        "admin_token: change-me is the token of the documentation, which everybody knows",
        "credential personalisation: the secret has fewer than 8 characters",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("admin_token: fifteen-letters", "admin_token: it has fewer than 16 characters"),
        (
            scope("strategy: profile_conversion\npriority: [customerid]\nlogin_ids: [customerid, email, other]"),
            "scope shop: login_ids has types outside the priority, where they have no effect: email, other",
        ),
        (
            web_input().replace("web-secret", "short"),
            "workspace 100, input web: the secret has fewer than 8 characters",
        ),
        (workspace().replace("ws-secret", "short"), "workspace 100: the secret has fewer than 8 characters"),
        (
            "credentials: [{client_id: a, client_secret: long-enough}]",
            "credential a: it names no workspaces, so it reaches none",
        ),
    ],
)
def test_what_is_probably_a_mistake_draws_a_warning(text: str, expected: str) -> None:
    """One sentence, and the file still reads."""
    assert warnings_of(read(text)) == (expected,)


def test_nothing_draws_a_warning_without_need() -> None:
    """A sensible file has none."""
    assert warnings_of(read(f"admin_token: sixteen-letters.\n{web_input()}")) == ()


def test_reading_is_a_function_of_its_arguments() -> None:
    """The same text and environment give the same configuration."""
    assert read_configuration(DESIGN_EXAMPLE, environment={}) == read_configuration(DESIGN_EXAMPLE, environment={})
