"""An archive that is written piece by piece is one that every program reads, and hands on what it has."""

import io
import zipfile
import zlib
from collections.abc import AsyncIterator

from knownas.service.access.streamed_zip import PIECE_BYTES, StreamedZip, at_once

NOON_MS = 1_700_000_000_000


async def written(files: dict[str, list[bytes]]) -> list[bytes]:
    """Write an archive, and return its pieces."""
    archive = StreamedZip(NOON_MS)
    pieces = [piece for name, parts in files.items() async for piece in archive.write(name, at_once(parts))]
    pieces.append(archive.end())
    assert archive.files == len(files)
    assert archive.bytes == sum(map(len, pieces))
    return pieces


async def test_what_was_written_is_read() -> None:
    """Each file comes out as it went in, with its time, also an empty one."""
    files = {"a.txt": [b"one", b"two"], "empty": [], "wide-ä.txt": ["ü".encode() * 200_000]}
    with zipfile.ZipFile(io.BytesIO(b"".join(await written(files)))) as packed:
        assert packed.testzip() is None
        assert {one: packed.read(one) for one in packed.namelist()} == {
            name: b"".join(parts) for name, parts in files.items()
        }
        assert packed.getinfo("a.txt").date_time == (2023, 11, 14, 22, 13, 20)


async def test_it_can_be_read_from_its_beginning() -> None:
    """Who reads the archive as it comes, without its end, finds a file's name, and its content behind that."""
    data = b"".join(await written({"a.txt": [b"one"]}))
    assert data.startswith(b"PK\x03\x04")
    name = data.index(b"a.txt")
    skipped = int.from_bytes(data[name - 2 : name], "little")
    assert zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[name + len(b"a.txt") + skipped :]) == b"one"


async def test_it_hands_on_what_it_has_before_the_file_ends() -> None:
    """A long file comes in many pieces of bounded size, the first of them long before the last part is asked for."""
    asked = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal asked
        for number in range(2_000):
            asked += 1
            yield bytes((number * n) % 251 for n in range(1_000))

    archive = StreamedZip(NOON_MS)
    pieces = archive.write("long", parts())
    assert len(await anext(pieces)) < 3 * PIECE_BYTES
    assert asked < 2_000
    rest = [piece async for piece in pieces]
    assert all(len(piece) < 3 * PIECE_BYTES for piece in rest)
