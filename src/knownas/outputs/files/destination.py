"""Writes each request's worth of messages as one file that is never changed: a log of changes, in CSV or Parquet.

A file is named after the first message in it. What is written again because nobody knows whether it arrived takes the place of the first try, and
each row has the id of its message, by which a reader finds out what came twice all the same.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from knownas.core.delivery.message import ErasureMessage, EventsMessage, MembershipMessage, Message, Settings
from knownas.core.delivery.outcome import NotAtAll, NotNow, Outcome, Taken
from knownas.outputs.files.folder import Folder
from knownas.outputs.files.formats import MISSING as ARROW_MISSING
from knownas.outputs.files.formats import Format, FormatMissing, can_write, written
from knownas.outputs.files.rows import KINDS, rows
from knownas.outputs.limits import FILE_MEMBERSHIPS_MAX, FILE_MESSAGES_MAX, FILE_WAIT_SECONDS, LOCATION_CHARACTERS_MAX
from knownas.outputs.posting import address_faults
from knownas.service.delivery.destination import Batching, Destination, Setting, SettingKind, Surroundings

if TYPE_CHECKING:
    from knownas.outputs.files.bucket import Bucket

_T = TypeVar("_T")

STORE_MISSING: Final = "knownas is installed without a client of S3: pip install 'knownas[files]'"
CHECK_NAME: Final = "knownas-check"
"""The file that a check writes, again and again."""

_S3: Final = "s3://"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


class FilesSender:
    """Who writes files to one place."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        """Take settings that have no fault."""
        self._settings = settings
        self._format = Format(str(settings.get("format") or Format.CSV))
        self._surroundings = surroundings
        self._location = str(settings["location"])
        self._bucket: Bucket | None = None
        self._thread = ThreadPoolExecutor(1, "files")

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Write messages of one kind as one file. That an audience is connected is told by its members' rows alone."""
        kind = KINDS.get(type(messages[0]))
        if kind is None:
            return Taken()
        try:
            content = await self._in_thread(written, self._format, kind, rows(messages))
        except FormatMissing:
            return NotAtAll(ARROW_MISSING)
        return await self._written(file_name(messages[0], self._format), content)

    async def check(self) -> Outcome:
        """Write a file that tells of nobody: the time."""
        at = datetime.fromtimestamp(self._surroundings.now_ms() / 1000, UTC)
        return await self._written(CHECK_NAME, f"{at.isoformat()}\n".encode())

    async def close(self) -> None:
        """Let go of the place."""
        self._bucket = None
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., _T], *given: Any) -> _T:
        """Do what takes long in a thread that nobody else shares: a disk that does not answer holds up no other output."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    async def _written(self, name: str, content: bytes) -> Outcome:
        failure = await self._write(name, content)
        return Taken() if failure is None else failure

    async def _write(self, name: str, content: bytes) -> NotNow | NotAtAll | None:
        if not self._location.startswith(_S3):
            folder = Folder(Path(self._location))
            return await self._in_thread(folder.write, name, content, self._surroundings.new_id())
        if find_spec("obstore") is None:
            return NotAtAll(STORE_MISSING)
        # An extra, which need not be there.
        from knownas.outputs.files.bucket import Bucket  # noqa: PLC0415

        bucket, _, prefix = self._location.removeprefix(_S3).partition("/")
        if self._bucket is None:
            self._bucket = Bucket(bucket, self._settings)
        return await self._bucket.write(str(PurePosixPath(prefix) / name), content)


def file_name(first: Message, file_format: Format) -> str:
    """Return where a file is that begins with a message: by kind and by day, so that one can be read without the others."""
    day = datetime.fromtimestamp(first.at_ms / 1000, UTC).date().isoformat()
    return f"{KINDS[type(first)].folder}/date={day}/{_NAME.sub('_', first.id)}.{file_format.value}"


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    location = str(settings.get("location") or "")
    parts = PurePosixPath(location.removeprefix(_S3)).parts
    is_store = location.startswith(_S3)
    if len(location) > LOCATION_CHARACTERS_MAX or not location.isprintable() or ".." in parts:
        yield "location", f"it must have at most {LOCATION_CHARACTERS_MAX} printable characters, and no .."
    elif is_store and (not parts or _BUCKET.fullmatch(parts[0]) is None):
        yield "location", "it must name a bucket: s3://bucket, or s3://bucket/prefix"
    elif not is_store and not location.startswith("/"):
        yield "location", "it must be the full path of a folder, or s3:// and a bucket"
    if is_store and find_spec("obstore") is None:
        yield "location", STORE_MISSING
    if not can_write(Format(str(settings.get("format") or Format.CSV))):
        yield "format", ARROW_MISSING
    if settings.get("endpoint"):
        may_be_plain = bool(settings.get("plain_http"))
        yield from address_faults("endpoint", str(settings["endpoint"]), may_be_plain=may_be_plain)
    if bool(settings.get("access_key")) is not bool(settings.get("secret_key")):
        yield "secret_key", "the two keys go together"


DESTINATION: Final = Destination(
    name="files",
    title="Files (folder or S3)",
    takes=frozenset({MembershipMessage, EventsMessage, ErasureMessage}),
    settings=(
        Setting(
            "location",
            SettingKind.TEXT,
            "The full path of a folder that holds a file .knownas-output, or s3://bucket/prefix.",
            required=True,
        ),
        Setting(
            "format",
            SettingKind.TEXT,
            "How files are written.",
            default=Format.CSV.value,
            choices=tuple(one.value for one in Format),
        ),
        Setting("endpoint", SettingKind.TEXT, "The URL of a store that is compatible with S3; without it Amazon's."),
        Setting("region", SettingKind.TEXT, "The region of the bucket; us-east-1 if none is set."),
        Setting(
            "access_key",
            SettingKind.TEXT,
            "The id of the key to the bucket; without it the machine's own rights are used.",
        ),
        Setting("secret_key", SettingKind.TEXT, "The key to the bucket.", confidential=True),
        Setting("session_token", SettingKind.TEXT, "What goes with a key that is given for a time.", confidential=True),
        Setting(
            "plain_http",
            SettingKind.BOOLEAN,
            "Whether the endpoint may begin with http://, though anybody on the way can read what is sent.",
            default=False,
        ),
    ),
    open=FilesSender,
    batching=Batching(FILE_MESSAGES_MAX, FILE_WAIT_SECONDS, is_whole=True, memberships_max=FILE_MEMBERSHIPS_MAX),
    faults=lambda settings: tuple(_faults(settings)),
)
