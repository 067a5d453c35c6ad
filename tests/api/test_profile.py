"""The Profile API: by what a profile is read, and what stands in the answer (platform §4)."""

from dataclasses import replace
from functools import partial
from itertools import product

import pytest

from knownas.api.profile_wire import ProfileField, profile_document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.consent import CCPA_PURPOSE, Consent, Purpose, Regulation
from knownas.core.profile.definition import DataPoint, Definition
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Event
from knownas.core.profile.section import Section
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import Window, WindowUnit
from tests.api.profile_stage import (
    APP,
    BANK,
    LOOSE,
    OTHER_APP,
    POOLED,
    READER,
    SHOP,
    UNKNOWN,
    Stage,
    refusal,
    subject,
)
from tests.store.world import START_MS

_T = IdentityType
ODD_MPIDS = [MPID_MAX, MPID_MIN, 9_007_199_254_740_993, -9_007_199_254_740_993, -1, 1]
"""The ends of the range, and numbers that no float can hold."""

SECTION = Section(
    first_seen_ms=START_MS - 5_000,
    last_seen_ms=START_MS + 7_000,
    attributes={
        "$city": Attribute("New York", 1),
        "interests": Attribute(("a", 2, True), 1),
        "age": Attribute(41, 1),
        "vip": Attribute(value=True, at_ms=1),
        "gone": Attribute(None, 2),
        "score": Attribute(0.5, 1),
    },
    consents={
        Purpose(Regulation.GDPR, "ads"): Consent(
            consented=True, at_ms=11, document="v4", location="17 Cherry Tree Lane", hardware_id="IDFA:x"
        ),
        Purpose(Regulation.GDPR, "analytics"): Consent(consented=False, at_ms=12),
        Purpose(Regulation.CCPA, CCPA_PURPOSE): Consent(consented=True, at_ms=13),
    },
    devices=(
        Device("das-1", "ios", {_T.IOS_IDFA: "idfa-1", _T.IOS_IDFV: "idfv-1"}, {"limit_ad_tracking": True}, 1, 9),
        Device(None, "android", {_T.ANDROID_AAID: "gaid-2"}, {}, 1, 8),
    ),
    attributions=(Attribution("a network", "spring", 21), Attribution("another", "summer", 22)),
    opted_out=True,
)


async def test_a_profile_looks_like_the_vendors(stage: Stage) -> None:
    """All fields asked for, the answer has the members of the vendor's, in its spelling, values as text."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"), (_T.EMAIL, "a@example.com"), (_T.IOS_IDFV, "idfv-1"))
    await stage.know(mpid, SECTION)

    answer = await stage.read(mpid)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {
        "mpid": mpid,
        "created_timestamp_ms": START_MS - 5_000,
        "last_stored_timestamp_ms": START_MS + 7_000,
        "is_opted_out": True,
        "limit_ad_tracking": True,
        "device_identities": [
            {"type": "ios_advertising_id", "encoding": "none", "value": "idfa-1"},
            {"type": "ios_vendor_id", "encoding": "none", "value": "idfv-1"},
            {"type": "device_application_stamp", "encoding": "none", "value": "das-1"},
            {"type": "google_advertising_id", "encoding": "none", "value": "gaid-2"},
        ],
        "user_identities": [
            {"type": "customer_id", "encoding": "none", "value": "c-1"},
            {"type": "email", "encoding": "none", "value": "a@example.com"},
        ],
        "account_userattributes": None,
        "user_attributes": {
            "$city": "New York",
            "age": "41",
            "interests": ["a", "2", "true"],
            "score": "0.5",
            "vip": "true",
        },
        "audience_memberships": [],
        "attribution": [
            {"publisher": "a network", "campaign": "spring", "timestamp_ms": 21},
            {"publisher": "another", "campaign": "summer", "timestamp_ms": 22},
        ],
        "consent_state": {
            "ccpa": {"data_sale_opt_out": {"consented": True, "timestamp_unixtime_ms": 13}},
            "gdpr": {
                "ads": {
                    "consented": True,
                    "timestamp_unixtime_ms": 11,
                    "document": "v4",
                    "location": "17 Cherry Tree Lane",
                    "hardware_id": "IDFA:x",
                },
                "analytics": {"consented": False, "timestamp_unixtime_ms": 12},
            },
        },
    }


@pytest.mark.parametrize("field", list(ProfileField))
async def test_only_what_was_asked_for_is_answered(stage: Stage, field: ProfileField) -> None:
    """One field asked for, the answer has that one beside what every answer has."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    await stage.know(mpid, SECTION)
    always = {
        "mpid",
        "created_timestamp_ms",
        "last_stored_timestamp_ms",
        "is_opted_out",
        "limit_ad_tracking",
        "account_userattributes",
    }

    assert set((await stage.read(mpid, fields=field)).json()) == {*always, field}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("mpid", ODD_MPIDS)
async def test_an_mpid_is_an_exact_number(stage: Stage, mpid: int, method: str) -> None:
    """Every MPID of 64 bits comes back as the JSON number that it is, asked by either method."""
    await stage.seed((_T.CUSTOMER_ID, "c-1"), mpid=mpid)

    answer = await stage.read(mpid, method=method)

    assert answer.status_code == 200
    assert answer.content.startswith(b'{"mpid":%d,' % mpid)
    assert (await stage.resolve(subject("c-1"))).content.startswith(b'{"mpid":%d,' % mpid)


@pytest.mark.parametrize("spelling", ["customer_id", "customerid"])
async def test_an_identity_may_be_spelled_as_elsewhere(stage: Stage, spelling: str) -> None:
    """The names that IDSync and events have for a type are understood as well as the Profile API's own."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    assert (await stage.resolve(subject("c-1", spelling))).json()["mpid"] == mpid


async def test_a_workspace_that_never_saw_a_profile_shows_its_identities(stage: Stage) -> None:
    """Identities and what holds of the user are the scope's; of what is a workspace's own, another shows nothing."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    await stage.know(mpid, SECTION, SHOP)

    seen = (await stage.read(mpid, APP, OTHER_APP)).json()

    assert seen["user_identities"] == [{"type": "customer_id", "encoding": "none", "value": "c-1"}]
    assert (seen["created_timestamp_ms"], seen["last_stored_timestamp_ms"]) == (START_MS - 5_000, START_MS)
    assert (seen["is_opted_out"], seen["limit_ad_tracking"]) == (True, True)
    assert seen["user_attributes"] == seen["consent_state"] == {}
    assert seen["device_identities"] == seen["attribution"] == seen["audience_memberships"] == []


async def test_an_opt_out_holds_in_every_workspace_of_the_scope(stage: Stage) -> None:
    """Whoever said last whether the user is opted out, and whichever workspace saw the user first, all show it."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    for said, (shop_ms, app_ms) in ((True, (2, 1)), (False, (2, 3))):
        await stage.know(mpid, Section(50, 60, opted_out=True, opted_out_ms=shop_ms), SHOP)
        await stage.know(mpid, Section(40, 70, opted_out=False, opted_out_ms=app_ms), APP)
        await stage.know(mpid, Section(30, 80, opted_out=not said, opted_out_ms=9), SHOP, Environment.DEVELOPMENT)
        await stage.know(mpid, Section(20, 90, opted_out=not said, opted_out_ms=9), BANK)
        for workspace, client, stored_ms in ((SHOP, READER, 60), (APP, OTHER_APP, 70)):
            seen = (await stage.read(mpid, workspace, client)).json()
            assert (seen["is_opted_out"], seen["created_timestamp_ms"]) == (said, 40)
            assert seen["last_stored_timestamp_ms"] == stored_ms


async def test_an_identity_that_looks_nothing_up_is_shown(stage: Stage) -> None:
    """A carried identity, of a type outside the priority, is one of the user's like the others, each shown once."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"), (_T.TWITTER, "t"), (_T.PHONE_NUMBER_3, "3"), (_T.PUSH_TOKEN, "p"))

    seen = (await stage.read(mpid)).json()

    named = {one["type"]: one["value"] for one in seen["user_identities"]}
    assert named == {"customer_id": "c-1", "twitter": "t", "phone_number_3": "3"}
    assert seen["device_identities"] == [{"type": "push_token", "encoding": "none", "value": "p"}]


async def test_a_read_sees_what_was_just_written(stage: Stage) -> None:
    """Each read shows the last acknowledged write, be it of identities or of what the workspace knows."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    for count in range(3):
        await stage.visit((_T.CUSTOMER_ID, "c-1"), (_T.OTHER, f"o-{count}"))
        await stage.know(mpid, Section(1, 2, {"count": Attribute(count, count)}))
        seen = (await stage.read(mpid)).json()
        assert seen["user_attributes"] == {"count": str(count)}
        assert f"o-{count}" in [one["value"] for one in seen["user_identities"]]


async def test_a_window_slides_between_reads(stage: Stage) -> None:
    """What counts the last days shows less as time goes by, also where nothing was written in between."""
    visits = Definition("visits", CalculationType.COUNT, DataPoint("session_start"), window=Window(7, WindowUnit.DAYS))
    calculations = WorkspaceCalculations([visits])
    stage.service = replace(stage.service, calculations={SHOP: calculations})
    stage.open()
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    states = calculations.count_in({}, [Event("session_start", START_MS, None, {})])
    await stage.know(mpid, Section(1, 2, calculated=states))
    seen = []
    for _ in range(3):
        # Tokens are good for hours only.
        stage.forget_bearers()
        seen += [(await stage.read(mpid)).json()["user_attributes"] for _ in range(2)]
        stage.now_ms += 4 * 86_400_000
    assert seen == [{"visits": "1"}] * 4 + [{"visits": "0"}] * 2


async def test_a_profile_that_is_too_old_comes_back_with_its_user(stage: Stage) -> None:
    """Once a user was not seen for as long as profiles are kept, the profile is not answered until the user returns."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    stage.now_ms += 730 * 86_400_000
    stage.forget_bearers()
    assert (await stage.read(mpid)).status_code == 200
    stage.now_ms += 1
    assert refusal(await stage.read(mpid)) == refusal(await stage.resolve(subject("c-1"))) == UNKNOWN
    await stage.know(mpid, Section(1, stage.now_ms), APP)
    assert (await stage.read(mpid)).status_code == 200
    await stage.know(mpid, Section(1, 1), APP)
    assert refusal(await stage.read(mpid)) == UNKNOWN
    await stage.visit((_T.CUSTOMER_ID, "c-1"))
    assert (await stage.resolve(subject("c-1"))).json()["mpid"] == mpid


async def _fresh(stage: Stage, mpid: int, workspace: int, fields: str) -> bytes:
    """Read as from a server that remembers no answer."""
    stage.open()
    return (await stage.read(mpid, workspace, fields=fields)).content


async def test_a_remembered_answer_is_what_a_fresh_server_would_say(stage: Stage) -> None:
    """After each change that can show: of identities, of what one workspace knows, of its times, and after none."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    other = await stage.seed((_T.CUSTOMER_ID, "c-2"))

    async def nothing() -> None:
        pass

    changes = [
        nothing,
        partial(stage.know, mpid, Section(1, 2, {"a": Attribute("x", 1)})),
        partial(stage.visit, (_T.CUSTOMER_ID, "c-1"), (_T.OTHER, "o")),
        partial(stage.know, mpid, Section(1, 3, {"a": Attribute("x", 1)})),
        partial(stage.know, mpid, Section(1, 4, {"a": Attribute("y", 1)}), APP),
        partial(stage.know, other, Section(1, 5, {"a": Attribute("z", 1)})),
        nothing,
    ]
    asked = list(product((mpid, other), (SHOP, APP), ("user_attributes", "user_attributes,user_identities")))
    for change in changes:
        await change()
        served = stage.client
        for _ in range(2):
            seen = {one: (await stage.read(one[0], one[1], fields=one[2])).content for one in asked}
        fresh = {one: await _fresh(stage, *one) for one in asked}
        stage.client = served
        assert seen == fresh


def test_a_calculated_attribute_hides_a_users() -> None:
    """Calculated attributes stand among the others, and win over one of the same name."""
    record = Record(5, {}, {}, known=False, created_ms=1, active_ms=2)
    section = Section(1, 2, {"visits": Attribute("told", 1), "city": Attribute("Ulm", 1)})

    seen = profile_document(
        record, section, frozenset({ProfileField.USER_ATTRIBUTES}), {"visits": "7", "seen": ["a", "b"]}
    )

    assert seen["user_attributes"] == {"city": "Ulm", "visits": "7", "seen": ["a", "b"]}


# By identity


async def test_an_immutable_identity_leads_to_its_profile(stage: Stage) -> None:
    """Resolving gives the very answer that reading by MPID gives, and a decision to look up."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    await stage.seed((_T.CUSTOMER_ID, "c-2"))
    await stage.know(mpid, SECTION)

    answer = await stage.resolve(subject("c-1"))

    assert answer.status_code == 200
    assert answer.content == (await stage.read(mpid)).content
    shown = await stage.service.decisions.show(answer.headers["x-decision-id"])
    assert shown is not None
    assert (shown["input"], shown["endpoint"], shown["changed"]) == ("profile_api", "search", False)


@pytest.mark.parametrize("value", ["c-2", "C-1", "c-1 ", "%", "ç"])
async def test_an_identity_that_nobody_has_makes_nobody(stage: Stage, value: str) -> None:
    """A value that is not held to the letter is answered with its own code, and makes no profile."""
    await stage.seed((_T.CUSTOMER_ID, "c-1"))

    for _ in range(2):
        assert refusal(await stage.resolve(subject(value))) == UNKNOWN


@pytest.mark.parametrize("kind", ["email", "other", "ios_advertising_id", "device_application_stamp", "other_id_2"])
async def test_only_immutable_types_are_resolved(stage: Stage, kind: str) -> None:
    """A type that the scope's policy does not call immutable is refused, whoever holds the value."""
    await stage.seed((_T.CUSTOMER_ID, "c-1"), (_T.EMAIL, "a@example.com"))

    answer = await stage.resolve(subject("a@example.com", kind))

    assert refusal(answer) == (400, "IDENTITY_TYPE_NOT_IMMUTABLE", "identity_type_not_immutable")


async def test_a_scope_without_immutable_types_resolves_none(stage: Stage) -> None:
    """Where the policy has no immutable types, there is no resolving."""
    await stage.seed((_T.CUSTOMER_ID, "c-1"), scope="loose")

    answer = await stage.resolve(subject("c-1"), LOOSE)

    assert refusal(answer) == (400, "IDENTITY_TYPE_NOT_IMMUTABLE", "identity_type_not_immutable")


# Environments


async def test_environments_are_apart(stage: Stage) -> None:
    """A profile of one environment is unknown in the other. An MPID says which one is meant, an identity production."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"), environment=Environment.DEVELOPMENT)
    await stage.know(mpid, SECTION, environment=Environment.DEVELOPMENT)

    assert refusal(await stage.read(mpid, environment="production")) == UNKNOWN
    assert refusal(await stage.resolve(subject("c-1"))) == UNKNOWN
    answers = [
        await stage.read(mpid),
        await stage.read(mpid, environment="development"),
        await stage.read(mpid, environment_type="development"),
        await stage.resolve(subject("c-1", environment_type="development")),
        await stage.resolve({"identity": {"type": "customer_id", "value": "c-1"}}, environment="development"),
    ]
    for answer in answers:
        assert answer.json()["user_attributes"]["$city"] == "New York"


async def test_where_environments_share_identities_sections_stay_apart(stage: Stage) -> None:
    """A scope may share its profiles between environments; what a workspace knows of them is never shared."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"), scope="pooled")
    await stage.know(mpid, SECTION, POOLED, Environment.DEVELOPMENT)

    assert (await stage.read(mpid, POOLED)).json()["user_attributes"] == {}
    assert (await stage.read(mpid, POOLED, environment="development")).json()["user_attributes"] != {}


# Fields


@pytest.mark.parametrize(
    "query",
    [
        "fields=user_attributes,user_identities",
        "fields=user_identities,user_attributes,user_identities,",
        "fields=user_attributes&fields=user_identities",
        "fields=user_attributes%2C%20user_identities&other=1",
    ],
)
async def test_fields_are_a_list(stage: Stage, query: str) -> None:
    """Fields may be named in any order, more than once, in one list or several."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    headers = {"Authorization": f"Bearer {stage.bearer(READER)}"}

    answer = await stage.client.get(f"/userprofile/v1/1/10/{SHOP}/{mpid}?{query}", headers=headers)

    assert {"user_attributes", "user_identities"} <= set(answer.json())
