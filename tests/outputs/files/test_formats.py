"""Promises about files: whatever the values, a reader finds the same ones in CSV and in Parquet."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given

from knownas.core.delivery.message import MembershipMessage
from knownas.outputs.files import formats
from knownas.outputs.files.formats import Format, FormatMissing, can_write, written
from knownas.outputs.files.rows import ERASURES, EVENTS, KINDS, MEMBERSHIPS, rows
from tests.outputs.messages import (
    CUSTOMER,
    EMAIL,
    MPID_OF_ADA,
    NOW_MS,
    erasure,
    events,
    membership,
    purchase,
    some_memberships,
    subscription,
)

AT_MS = str(NOW_MS - 1_000)
HEAD = ["message_id", "timestamp_ms", "workspace_id", "environment", "mpid"]
IDENTITY = ["identity_type", "identity_encoding", "identity_value"]


def test_members_are_a_row_for_each_identity() -> None:
    """A change of a membership is a row for each identity, with all that is needed to apply it."""
    text = written(Format.CSV, MEMBERSHIPS, rows([membership(EMAIL, CUSTOMER)])).decode()
    header, *found = csv.reader(io.StringIO(text, newline=""))
    assert header == [*HEAD, "audience_id", "audience_name", "action", "is_member", *IDENTITY]
    start = ["m-1", AT_MS, "100", "production", str(MPID_OF_ADA), "7", "Eager shoppers", "add", "true"]
    assert found == [[*start, "email", "raw", "ada@example.com"], [*start, "customerid", "raw", "customer-42"]]
    assert text.count("\r\n") == 3


def test_events_are_a_row_for_each_batch() -> None:
    """What a user did is a row with the raw output batch as JSON."""
    text = written(Format.CSV, EVENTS, rows([events()])).decode()
    header, found = csv.reader(io.StringIO(text, newline=""))
    assert header == [*HEAD, "batch"]
    assert json.loads(found[-1]) == purchase()


def test_erasure_without_identities_is_told() -> None:
    """An erasure is a row for each identity, or one by its MPID alone; without a profile that field is empty."""
    text = written(Format.CSV, ERASURES, rows([erasure(EMAIL, mpid=None)])).decode()
    header, found = csv.reader(io.StringIO(text, newline=""))
    assert header == [*HEAD, "request_id", "regulation", "submitted_ms", *IDENTITY]
    request = ["a7551968-d5d6-44b2-9831-815ac9017798", "gdpr", str(NOW_MS - 60_500)]
    assert found == ["d-1", AT_MS, "100", "production", "", *request, "email", "raw", "ada@example.com"]
    message = erasure()
    object.__setattr__(message, "identities", ())
    [row] = rows([message])
    assert (row[4], row[-3:]) == (MPID_OF_ADA, (None, None, None))


def test_connection_has_no_rows() -> None:
    """A connection says nothing of anybody, and is in no file."""
    assert list(rows([subscription()])) == []
    assert type(subscription()) not in KINDS


@given(some_memberships())
def test_values_come_back_as_they_were(messages: tuple[MembershipMessage, ...]) -> None:
    """Whatever is in a value, commas, quotes, line ends or what a spreadsheet takes for a formula, it is read as it was written."""
    expected = [
        (message.id, message.mpid, one.target.value, one.encoding.value, one.value)
        for message in messages
        for one in message.identities
    ]
    text = written(Format.CSV, MEMBERSHIPS, rows(messages)).decode()
    found = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [(row["message_id"], int(row["mpid"]), *(row[name] for name in IDENTITY)) for row in found] == expected
    table = pq.read_table(io.BytesIO(written(Format.PARQUET, MEMBERSHIPS, rows(messages)))).to_pylist()
    assert [(row["message_id"], row["mpid"], *(row[name] for name in IDENTITY)) for row in table] == expected


@pytest.mark.parametrize("value", ["=1+1", "+49 170", "-1", "@SUM(A1)", "\tx"])
def test_value_like_a_formula_is_not_changed(value: str) -> None:
    """A value that a spreadsheet would compute is written as it is: another one would meet nothing."""
    message = membership()
    changed = message.identities[0]
    object.__setattr__(message, "identities", (type(changed)("email", changed.target, changed.encoding, value),))
    text = written(Format.CSV, MEMBERSHIPS, rows([message])).decode()
    assert next(csv.DictReader(io.StringIO(text, newline="")))["identity_value"] == value


def test_parquet_has_the_types_of_its_columns() -> None:
    """Numbers and truth values are such in Parquet, also in a column in which there is nothing."""
    for kind, message in ((MEMBERSHIPS, membership()), (EVENTS, events()), (ERASURES, erasure(mpid=None))):
        schema = pq.read_schema(io.BytesIO(written(Format.PARQUET, kind, rows([message]))))
        types = {"text": "string", "integer": "int64", "boolean": "bool"}
        assert {field.name: str(field.type) for field in schema} == {
            name: types[column] for name, column in kind.columns.items()
        }
    empty = pq.read_schema(io.BytesIO(written(Format.PARQUET, EVENTS, [])))
    assert str(empty.field("mpid").type) == "int64"


def test_missing_arrow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Arrow CSV can be written, and Parquet says what to install."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    monkeypatch.setattr(formats, "import_module", missing)
    assert (can_write(Format.CSV), can_write(Format.PARQUET)) == (True, False)
    with pytest.raises(FormatMissing, match=r"knownas\[files\]"):
        written(Format.PARQUET, EVENTS, [])
