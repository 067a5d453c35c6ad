"""Promises about files in a store that is compatible with S3, held against a real one on loopback, which checks signatures."""

import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from knownas.core.delivery.outcome import NotAtAll, NotNow, Outcome, Taken, Trouble
from knownas.outputs.files import bucket
from knownas.outputs.files.destination import DESTINATION
from tests.outputs.messages import MPID_OF_ADA, membership, surroundings
from tests.outputs.receiving import answering, receiving
from tests.outputs.refusals import REFUSALS, each_refusal
from tests.waiting import wait_until

START_WITHIN_SECONDS = 60
KEY, SECRET = "a-key-for-tests", "a-secret-for-tests"
OBJECT = "memberships/date=2025-11-23/m-1.csv"


@dataclass(frozen=True)
class Store:
    """A store with a bucket that is called `bucket`, whose objects are files of a folder."""

    url: str
    objects: Path

    def settings(self, **others: str) -> dict[str, str]:
        """Return settings that lead there."""
        return {
            "location": "s3://bucket/from/knownas", "endpoint": self.url, "access_key": KEY, "secret_key": SECRET, **others
        }  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    (folder / "bucket").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    where = ["--addr", f"127.0.0.1:{port}", "--config", str(folder / "none")]
    command = [str(program), "serve", "s3", "--auth-key", f"{KEY},{SECRET}", *where, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _listens(port), START_WITHIN_SECONDS)
            yield Store(f"http://127.0.0.1:{port}", folder / "bucket" / "from" / "knownas")
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def _sent(settings: dict[str, str], *ids: str) -> Outcome:
    sender = DESTINATION.open(settings, surroundings())
    messages = [membership(id=name, mpid=number) for number, name in enumerate(ids or ("m-1",), 1)]
    outcome = await sender.send(messages)
    await sender.close()
    return outcome


async def test_object_is_written_and_written_again(store: Store) -> None:
    """A request's worth of messages is one object, and another try takes its place."""
    assert await _sent(store.settings()) == Taken()
    before = (store.objects / OBJECT).read_bytes()
    assert await _sent(store.settings()) == Taken()
    assert (store.objects / OBJECT).read_bytes() == before
    assert await _sent(store.settings(), "m-1", "m-2") == Taken()
    objects = [path for path in store.objects.rglob("*.csv") if path.is_file()]
    assert objects == [store.objects / OBJECT]
    assert b"m-2" in objects[0].read_bytes()


async def test_parquet_can_be_read_from_there(store: Store) -> None:
    """An object in Parquet is one that readers understand."""
    sender = DESTINATION.open(store.settings(format="parquet"), surroundings())
    assert await sender.send([membership(id="p-1")]) == Taken()
    await sender.close()
    table = pq.read_table(store.objects / "memberships" / "date=2025-11-23" / "p-1.parquet")
    assert table.column("mpid").to_pylist() == [MPID_OF_ADA] * 2


async def test_check_writes_there(store: Store) -> None:
    """The check finds out whether it may write, and tells of nobody."""
    sender = DESTINATION.open(store.settings(), surroundings())
    assert await sender.check() == Taken()
    await sender.close()
    assert (store.objects / "knownas-check").read_text() == "2025-11-23T08:00:00+00:00\n"


@pytest.mark.parametrize(
    "others",
    [{"secret_key": "another"}, {"access_key": "another"}, {"location": "s3://another-bucket"}],
    ids=["secret", "key", "bucket"],
)
async def test_wrong_keys_and_buckets_stop(store: Store, others: dict[str, str]) -> None:
    """A store that does not know our keys, or has no such bucket, stops the output; nothing of them is told."""
    outcome = await _sent(store.settings(**others))
    assert isinstance(outcome, NotAtAll)
    assert "another" not in outcome.detail


TROUBLES = {
    "hang": Trouble.TIMEOUT, "hang up": Trouble.FAILED, "cut off": Trouble.FAILED, "429": Trouble.BUSY, "500": Trouble.FAILED,
    "503": Trouble.BUSY,
}  # fmt: skip


@each_refusal
async def test_refusal_has_its_outcome(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs, breaks off or refuses has the outcome that it means, and is asked once: trying again is not the client's to decide."""
    monkeypatch.setattr(bucket, "REQUEST_SECONDS", 0.5)
    async with receiving(otherwise=REFUSALS[how]) as server:
        outcome = await _sent(Store(server.url, Path()).settings())
    [request] = server.requests
    assert (request.method, request.target.split("/")[1]) == ("PUT", "bucket")
    assert SECRET not in str(request)
    if how in {"400", "401"}:
        assert isinstance(outcome, NotAtAll)
        return
    assert isinstance(outcome, NotNow)
    assert outcome.trouble is TROUBLES[how]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_proxy_of_the_surroundings_is_not_used(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies does not lead files elsewhere."""
    stored = answering(200, ETag='"1"')
    async with receiving(otherwise=stored) as proxy, receiving(otherwise=stored) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await _sent(Store(server.url.replace("127.0.0.1", host), Path()).settings()) == Taken()
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


async def test_store_that_is_not_there_is_tried_again() -> None:
    """A store that can't be reached is tried again."""
    async with receiving() as server:
        url = server.url
    outcome = await _sent(Store(url, Path()).settings())
    assert outcome == NotNow(Trouble.NOT_REACHED, "was not reached")
