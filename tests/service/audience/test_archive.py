"""Promises about archives of audiences: what is in them is what was asked for, and the manifest says so."""

import asyncio
import csv
import io
import itertools
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType, Surface, name_on
from knownas.service.audience.archive import Archive, MemberRow, archive_pieces
from tests.outputs.messages import MPIDS, NOW_MS, VALUES

ARCHIVE = Archive("export-1", "Eager shoppers", NOW_MS, (IdentityType.EMAIL, IdentityType.IOS_IDFA))
ROWS = st.builds(MemberRow, MPIDS, st.integers(0, 2**53), st.sampled_from(IdentityType), VALUES)


async def paged(rows: Iterable[MemberRow]) -> AsyncIterator[list[MemberRow]]:
    """Give members in pages of a thousand."""
    rest = iter(rows)
    while page := list(itertools.islice(rest, 1_000)):
        yield page


async def pieces_of(*audiences: tuple[int, Iterable[MemberRow]]) -> list[bytes]:
    """Make an archive."""
    return [one async for one in archive_pieces(ARCHIVE, [(number, paged(rows)) for number, rows in audiences])]


def opened(pieces: Iterable[bytes]) -> zipfile.ZipFile:
    """Open it."""
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


async def test_archive_is_as_documented() -> None:
    """An archive holds a CSV for each audience with the documented header, and a manifest with the documented members."""
    email = MemberRow(-5, NOW_MS - 9, IdentityType.EMAIL, "ada@example.com")
    idfa = MemberRow(-5, NOW_MS - 5, IdentityType.IOS_IDFA, "6D92078A")
    pack = opened(await pieces_of((7, [email, idfa]), (8, [])))
    assert pack.namelist() == ["audience-7.csv", "audience-8.csv", "manifest.json"]
    header = "mpid,scanned_timestamp_ms,identity_value,identity_type\r\n"
    rows = f"-5,{NOW_MS - 9},ada@example.com,email\r\n-5,{NOW_MS - 5},6D92078A,ios_advertising_id\r\n"
    assert pack.read("audience-7.csv").decode() == header + rows
    assert pack.read("audience-8.csv").decode() == header
    assert json.loads(pack.read("manifest.json")) == {
        "archive_name": "Eager shoppers",
        "id": "export-1",
        "audience_ids": [7, 8],
        "included_identities": ["email", "ios_advertising_id"],
        "manifest_generated": "2025-11-23T08:00:00.000Z",
        "min_timestamp_ms": NOW_MS - 9,
        "max_timestamp_ms": NOW_MS - 5,
        "total_rows": 2,
        "rows_by_identity": {"email": 1, "ios_advertising_id": 1},
        "files": [
            {"name": "audience-7.csv", "audience_id": 7, "rows": 2},
            {"name": "audience-8.csv", "audience_id": 8, "rows": 0},
        ],
    }


@given(st.lists(st.lists(ROWS, max_size=5), max_size=4))
def test_each_row_is_there_once(audiences: list[list[MemberRow]]) -> None:
    """Each identity is in the file of its audience exactly once, as it was, and the manifest counts it."""
    pack = opened(asyncio.run(pieces_of(*enumerate(audiences, 1))))
    assert pack.testzip() is None
    manifest = json.loads(pack.read("manifest.json"))
    for number, rows in enumerate(audiences, 1):
        text = pack.read(f"audience-{number}.csv").decode()
        found = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        assert [tuple(row.values()) for row in found] == [
            (str(row.mpid), str(row.scanned_ms), row.value, name_on(Surface.PROFILE, row.type)) for row in rows
        ]
    everything = [row for rows in audiences for row in rows]
    assert manifest["total_rows"] == sum(manifest["rows_by_identity"].values()) == len(everything)
    assert manifest["min_timestamp_ms"] == min((row.scanned_ms for row in everything), default=None)
    assert manifest["max_timestamp_ms"] == max((row.scanned_ms for row in everything), default=None)


async def test_same_members_make_the_same_archive() -> None:
    """An archive depends on nothing but what it is asked for."""
    rows = [MemberRow(1, 2, IdentityType.EMAIL, "a@b.example")]
    assert await pieces_of((7, rows)) == await pieces_of((7, rows))


async def test_memory_does_not_grow_with_the_audience() -> None:
    """An archive is handed out while it is made: sixty thousand rows take no more memory than a few pieces."""
    members = (MemberRow(n, n, IdentityType.EMAIL, f"{n}@example.com") for n in range(60_000))
    tracemalloc.start()
    try:
        size = sum([len(piece) async for piece in archive_pieces(ARCHIVE, [(7, paged(members))])])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 200_000
    assert peak < 1_000_000


async def test_archive_that_broke_off_is_not_taken_for_whole() -> None:
    """When members can't be read to the end, no reader takes what there is of the archive for all of it."""

    def members() -> Iterator[MemberRow]:
        yield from itertools.repeat(MemberRow(1, 2, IdentityType.EMAIL, "a@b.example"), 5_000)
        raise ConnectionError

    pieces: list[bytes] = []

    async def read() -> None:
        async for piece in archive_pieces(ARCHIVE, [(7, paged(members()))]):
            pieces.append(piece)  # noqa: PERF401 - what came before it broke off counts

    with pytest.raises(ConnectionError):
        await read()
    assert pieces
    with pytest.raises(zipfile.BadZipFile):
        opened(pieces)
