"""Columns: each means what its name says, unless a mapping file says otherwise; every fault is told at once."""

import pytest

from knownas.batch.import_limits import COLUMNS_MAX
from knownas.batch.import_mapping import BY_NAME, InvalidColumns, InvalidMapping, Special, read_mapping
from tests.batch.files import mapped

NAMES = (
    "customerid, customer_id, facebook, twitter, google, microsoft, yahoo, email, facebook_custom_audience_id, other, "
    "other_id_2, other_id_10, mobile_number, phone_number_2, phone_number_3, android_uuid, ios_advertising_id, "
    "push_token, ios_idfv, android_advertising_id, amp_id, roku_advertising_id, roku_publisher_id, "
    "microsoft_advertising_id, microsoft_publisher_id, fire_advertising_id, mp_deviceid"
)


@pytest.mark.parametrize("name", NAMES.split(", "))
def test_the_names_of_the_specification_are_identities_whatever_their_capitals(name: str) -> None:
    """Platform §11.3 names them."""
    assert str(BY_NAME.target(name)).startswith("identity ")
    assert BY_NAME.target(name.upper()) == BY_NAME.target(name)


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("MPID", "mpid"),
        ("Environment", "environment"),
        ("user_identities.email", "identity email"),
        ("user_identities.other2", "identity other2"),
        ("device_info.ios_advertising_id", "identity ios_idfa"),
        ("identities.device_application_stamp", "identity device_application_stamp"),
        ("user_attributes.Plan", "attribute Plan"),
        ("Plan", "attribute Plan"),
        ("$city", "attribute $city"),
        ("ignore", "attribute ignore"),
        ("", "ignored"),
    ],
)
def test_a_column_means_what_its_name_or_path_says(column: str, target: str) -> None:
    """What is no identity is an attribute, under its own name with its capitals."""
    assert str(BY_NAME.target(column)) == target


def test_all_columns_that_cannot_be_imported_are_told_at_once() -> None:
    """Each with what is allowed."""
    columns = ("events.data.event_name", "user_identities.phone", "device_info.email", "plan", "plan", "mpid", "MPID")
    faults = BY_NAME.targets(columns)
    assert isinstance(faults, InvalidColumns)
    assert [fault.column for fault in faults.faults] == [
        "events.data.event_name",
        "user_identities.phone",
        "device_info.email",
        "plan",
        "MPID",
    ]
    assert all(fault.allowed for fault in faults.faults)


def test_a_file_that_names_nobody_is_not_imported() -> None:
    """A column with identities or MPIDs is needed."""
    faults = BY_NAME.targets(("plan", "city"))
    assert isinstance(faults, InvalidColumns)
    assert "whom a row is about" in faults.faults[0].message


def test_columns_have_a_limit() -> None:
    """Beyond it, the file is refused as a whole."""
    faults = BY_NAME.targets(("email", *(f"a{number}" for number in range(COLUMNS_MAX))))
    assert isinstance(faults, InvalidColumns)
    assert faults.faults[0].allowed == f"at most {COLUMNS_MAX}"


def test_a_mapping_file_overrules_names() -> None:
    """By column, whatever its capitals; identity types have their IDSync names or those of the Events API."""
    mapping = mapped(
        "columns:\n  Kundennummer: {identity: customer_id}\n  Email: {attribute: mail}\n  notes: ignore\n"
        "  stamp: {identity: device_application_stamp}\n  profile: mpid\n  env: environment\n"
    )
    columns = ("KUNDENNUMMER", "email", "notes", "stamp", "profile", "env")
    targets = mapping.targets(columns)
    assert not isinstance(targets, InvalidColumns)
    assert [str(target) for target in targets] == [
        "identity customerid",
        "attribute mail",
        "ignored",
        "identity device_application_stamp",
        "mpid",
        "environment",
    ]
    assert targets[-1] is Special.ENVIRONMENT


def test_a_mapping_of_a_column_that_is_not_there_is_a_fault() -> None:
    """It is most likely a slip, and would lose the column it was meant for."""
    faults = mapped("columns: {kundennumer: {identity: customerid}}").targets(("email", "kundennummer"))
    assert isinstance(faults, InvalidColumns)
    assert faults.faults[0].column == "kundennumer"
    assert faults.faults[0].allowed == "email, kundennummer"


def test_all_faults_of_a_mapping_file_are_told_at_once() -> None:
    """Each with its line, its path, and what is allowed there."""
    read = read_mapping(
        "column: {}\n"
        "columns:\n"
        "  a: {identity: emial}\n"
        "  b: {attribute: ''}\n"
        "  c: {identity: email, attribute: x}\n"
        "  d: delete\n"
        "  e: {type: email}\n"
        "  f: ignore\n"
        "  F: ignore\n"
    )
    assert isinstance(read, InvalidMapping)
    assert [(fault.line, fault.path) for fault in read.faults] == [
        (1, "column"),
        (3, "columns.a.identity"),
        (4, "columns.b.attribute"),
        (5, "columns.c"),
        (6, "columns.d"),
        (7, "columns.e"),
        (9, "columns.F"),
    ]
    assert "did you mean email?" in read.faults[1].message
    assert all(fault.allowed for fault in read.faults)


@pytest.mark.parametrize("text", ["", "columns:", "columns: []", "- a", "columns: {a: {identity: [email]}}", "a: ["])
def test_a_mapping_file_of_another_shape_is_refused(text: str) -> None:
    """Whatever stands in it, the answer is a fault and no crash."""
    assert isinstance(read_mapping(text), InvalidMapping) or text == ""
