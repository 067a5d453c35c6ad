"""Writes audiences as an archive to be downloaded: a CSV file for each, and a manifest that says what is in them (platform §6.5).

The archive is made while it is read, so one of any size takes little memory. Values are as they are. A spreadsheet may take one that
begins with `=` for a formula, so the how-to says how to open it.
"""

import asyncio
import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from knownas.core.identity.kinds import IdentityType, Surface, name_on

HEADER: Final = ("mpid", "scanned_timestamp_ms", "identity_value", "identity_type")
MANIFEST: Final = "manifest.json"


class MemberRow(NamedTuple):
    """One identity of a member, and when it was looked at (Unix milliseconds)."""

    mpid: int
    scanned_ms: int
    type: IdentityType
    value: str


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive is called, its id, when it is made (Unix milliseconds), and which types of identities are asked for."""

    id: str
    name: str
    generated_ms: int
    included: Sequence[IdentityType]


@dataclass(slots=True)
class _Seen:
    """What is counted on the way, for the manifest."""

    files: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    by_type: Counter[IdentityType] = field(default_factory=Counter[IdentityType])
    min_ms: int | None = None
    max_ms: int | None = None

    def counted(self, page: Sequence[MemberRow]) -> Iterator[tuple[int, int, str, str | None]]:
        """Yield rows as they are written, and count them."""
        for row in page:
            self.by_type[row.type] += 1
            self.min_ms = row.scanned_ms if self.min_ms is None else min(self.min_ms, row.scanned_ms)
            self.max_ms = row.scanned_ms if self.max_ms is None else max(self.max_ms, row.scanned_ms)
            yield row.mpid, row.scanned_ms, row.value, name_on(Surface.PROFILE, row.type)


async def archive_pieces(
    archive: Archive, audiences: Iterable[tuple[int, AsyncIterable[Sequence[MemberRow]]]]
) -> AsyncGenerator[bytes]:
    """Yield a zip archive piece by piece, from pages of members of audiences by their ids, no audience twice.

    If a page of members can't be had, the archive ends without its directory, so that nobody takes it for whole.
    """
    sink, seen = _Sink(), _Seen()
    at = datetime.fromtimestamp(archive.generated_ms / 1000, UTC)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as pack:
        for audience, members in audiences:
            name = f"audience-{audience}.csv"
            before = seen.by_type.total()
            with pack.open(_entry(name, at), "w", force_zip64=True) as file:
                file.write(_csv([HEADER]))
                async for page in members:
                    # What is compressed takes long enough to be felt by others.
                    await asyncio.to_thread(file.write, _csv(seen.counted(page)))
                    yield sink.taken()
            seen.files.append({"name": name, "audience_id": audience, "rows": seen.by_type.total() - before})
        manifest = json.dumps(_manifest(archive, seen, at), indent=2)
        pack.writestr(_entry(MANIFEST, at), manifest.encode())
    yield sink.taken()


def _csv(rows: Iterable[Sequence[int | str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _manifest(archive: Archive, seen: _Seen, at: datetime) -> dict[str, Any]:
    return {
        "archive_name": archive.name,
        "id": archive.id,
        "audience_ids": [file["audience_id"] for file in seen.files],
        "included_identities": [name_on(Surface.PROFILE, one) for one in archive.included],
        "manifest_generated": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "min_timestamp_ms": seen.min_ms,
        "max_timestamp_ms": seen.max_ms,
        "total_rows": seen.by_type.total(),
        "rows_by_identity": {name_on(Surface.PROFILE, kind): count for kind, count in sorted(seen.by_type.items())},
        "files": seen.files,
    }


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


class _Sink(io.RawIOBase):
    """What an archive is written to: it keeps what was not taken yet, and can't go back."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole
