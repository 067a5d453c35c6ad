"""Imports: each row has an outcome, profiles and what is known of them are as the rows say, and twice is once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knownas.batch import import_arranging, import_working
from knownas.batch.import_preview import preview
from knownas.batch.import_results import ResultFile, UnusableResults
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import shown
from knownas.core.profile.event import Channel
from knownas.service.chance import SystemChance
from knownas.service.profile.sections import Sections
from knownas.store.opening import open_store
from knownas.store.port import Pool, Store
from knownas.store.user_data import SectionKey
from tests.batch.files import (
    NOW_MS,
    configured,
    job_of,
    mapped,
    people,
    run_job,
    write_csv,
    write_json_lines,
    write_parquet,
)

PRODUCTION = Pool("shop", "production")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database."""
    opened = open_store(f"sqlite:///{tmp_path / 'knownas.db'}")
    yield opened
    await opened.close()


async def attributes(store: Store, mpid: int | None, environment: str = "production") -> Any:
    """Return what the workspace shows of a profile."""
    assert mpid is not None
    section = await Sections(store.user_data).find(SectionKey(100, environment, mpid))
    assert section is not None
    return shown(section.attributes)


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
async def test_each_row_has_an_outcome(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Created, extended, matched; the same, however the rows are cut into chunks."""
    for module in (import_arranging, import_working):
        monkeypatch.setattr(module, "CHUNK_ROWS", chunk)
    rows = [
        {"customer_id": "c1", "email": "", "plan": "gold"},
        {"customer_id": "c1", "email": "a@x.org", "plan": ""},
        {"customer_id": "", "email": "a@x.org", "plan": "x"},
        {"customer_id": "c1", "email": "a@x.org", "plan": "silver"},
        {"customer_id": "", "email": "", "plan": "gold"},
        {"customer_id": "c" * 300, "email": "", "plan": ""},
    ]
    done = await run_job(await job_of(store, write_csv(tmp_path / "a.csv", rows)), store, tmp_path / "r.csv")
    # A known user is not opened by the e-mail alone: the third row makes an anonymous profile.
    assert done.outcomes == ["created", "extended", "created", "matched", "refused", "refused"]
    assert done.reasons == ["", "", "", "", "no_identities", "invalid_identity"]
    assert [result.row for result in done.results] == [1, 2, 3, 4, 5, 6]
    assert done.ended.tally.outcomes == {"created": 2, "extended": 1, "matched": 1, "refused": 2}
    assert done.ended.tally.reasons == {"no_identities": 1, "invalid_identity": 1}
    first = done.results[0].mpid
    assert {done.results[1].mpid, done.results[3].mpid} == {first}
    assert await attributes(store, first) == {"plan": "silver"}
    assert await store.decision(done.results[0].decision_id) is not None
    assert done.results[3].decision_id == ""


@pytest.mark.parametrize(
    ("name", "writer"), [("a.csv", write_csv), ("a.jsonl.gz", write_json_lines), ("a.parquet", write_parquet)]
)
async def test_every_format_makes_the_same_profiles(tmp_path: Path, store: Store, name: str, writer: Any) -> None:
    """And what is known of each is what the last of its rows says."""
    done = await run_job(await job_of(store, writer(tmp_path / name, people(300))), store, tmp_path / "r.csv")
    assert done.outcomes.count("created") == 100
    profiles = await store.records(PRODUCTION, None, 1_000)
    assert {record.identities[IdentityType.CUSTOMER_ID] for record in profiles} == {(f"c{one}",) for one in range(100)}
    for result in done.results[200:]:
        assert await attributes(store, result.mpid) == {"plan": f"plan-{result.row - 1}"}


async def test_types_of_json_are_kept(tmp_path: Path, store: Store) -> None:
    """Numbers, flags and lists stay what they are; whole numbers can be identities, fractions can't."""
    rows = [
        {"user_identities": {"customerid": 17}, "user_attributes": {"age": 5, "vip": True, "tags": ["a", 2]}},
        {"user_identities": {"customerid": 1.5}},
        {"user_identities": {"customerid": "18"}, "user_attributes": {"nested": {"a": {"b": {"c": 1}}}}},
        {"user_identities": {"customerid": "19"}, "events": {"data": "x"}},
    ]
    done = await run_job(await job_of(store, write_json_lines(tmp_path / "a.jsonl", rows)), store, tmp_path / "r.csv")
    assert done.reasons == ["", "invalid_identity", "invalid_attribute", "invalid_column"]
    mpid = done.results[0].mpid
    assert mpid is not None
    section = await Sections(store.user_data).find(SectionKey(100, "production", mpid))
    assert section is not None
    assert {name: one.value for name, one in section.attributes.items()} == {"age": 5, "vip": True, "tags": ("a", 2)}
    stored = await store.profile(mpid)
    assert stored is not None
    assert stored.record.holds(Identity(IdentityType.CUSTOMER_ID, "17"))


async def test_a_row_may_name_its_environment(tmp_path: Path, store: Store) -> None:
    """Production and development stay apart; another word refuses the row."""
    rows = [{"email": "a@x.org", "environment": one} for one in ("development", "", "staging")]
    done = await run_job(await job_of(store, write_csv(tmp_path / "a.csv", rows)), store, tmp_path / "r.csv")
    assert done.outcomes == ["created", "created", "refused"]
    assert len(await store.records(PRODUCTION, None, 9)) == 1
    assert len(await store.records(Pool("shop", "development"), None, 9)) == 1


async def test_a_row_that_names_an_mpid_updates_that_profile(tmp_path: Path, store: Store) -> None:
    """It learns identities that say nothing about who the user is; an MPID that nobody has is refused (platform §2.6)."""
    first = await run_job(
        await job_of(store, write_csv(tmp_path / "a.csv", [{"customerid": "c1", "email": "a@x.org"}])),
        store,
        tmp_path / "1.csv",
    )
    mpid = first.results[0].mpid
    rows = [
        {"mpid": str(mpid), "customerid": "c2", "email": "b@x.org", "plan": "gold"},
        {"mpid": str(mpid), "customerid": "", "email": "", "plan": "iron"},
        {"mpid": "4711", "customerid": "", "email": "", "plan": "iron"},
        {"mpid": "x", "customerid": "", "email": "", "plan": "iron"},
    ]
    done = await run_job(await job_of(store, write_csv(tmp_path / "b.csv", rows)), store, tmp_path / "2.csv")
    assert done.outcomes == ["extended", "matched", "refused", "refused"]
    assert done.reasons[2:] == ["unknown_mpid", "invalid_mpid"]
    stored = await store.profile(mpid or 0)
    assert stored is not None
    assert stored.record.identities[IdentityType.CUSTOMER_ID] == ("c1",)
    assert stored.record.identities[IdentityType.EMAIL] == ("a@x.org", "b@x.org")
    assert await attributes(store, mpid) == {"plan": "iron"}


async def test_an_input_that_only_updates_makes_no_profile(tmp_path: Path, store: Store) -> None:
    """The rows that nobody answers are refused, and say so (idsync §5.4)."""
    configuration = configured(protection_level="only_update_profiles")
    job = await job_of(store, write_csv(tmp_path / "a.csv", people(6)), configuration)
    done = await run_job(job, store, tmp_path / "r.csv")
    assert set(done.reasons) == {"not_found"}
    assert not await store.records(PRODUCTION, None, 9)


async def test_an_identity_that_was_left_out_is_named(tmp_path: Path, store: Store) -> None:
    """A unique value of somebody else stays there; the row says which of its identities was not taken."""
    configuration = configured({"strategy": "profile_conversion", "unique_ids": ["customerid", "email"]})
    rows = [{"customerid": "c1", "email": "a@x.org"}, {"customerid": "c2", "email": "a@x.org"}]
    job = await job_of(store, write_csv(tmp_path / "a.csv", rows), configuration)
    done = await run_job(job, store, tmp_path / "r.csv")
    assert done.outcomes == ["created", "created"]
    assert done.reasons[1] == "unique_held_by_another_profile"
    assert done.results[1].message.startswith("email was left out")


async def test_two_columns_for_one_type_must_agree(tmp_path: Path, store: Store) -> None:
    """Or the row is refused (platform §1.5)."""
    rows = [{"customerid": "a", "customer_id": "a"}, {"customerid": "a", "customer_id": "b"}]
    done = await run_job(await job_of(store, write_csv(tmp_path / "a.csv", rows)), store, tmp_path / "r.csv")
    assert done.reasons == ["", "identity_type_twice"]


async def test_a_partner_feed_brings_no_device(tmp_path: Path, store: Store) -> None:
    """Some partners send one constant as everybody's device stamp (idsync §5.3)."""
    rows = [{"email": "a@x.org", "mp_deviceid": "constant"}, {"email": "b@x.org", "mp_deviceid": "constant"}]
    job = await job_of(store, write_csv(tmp_path / "a.csv", rows), channel=Channel.PARTNER)
    done = await run_job(job, store, tmp_path / "r.csv")
    assert done.outcomes == ["created", "created"]
    for record in await store.records(PRODUCTION, None, 9):
        assert IdentityType.DEVICE_APPLICATION_STAMP not in record.identities


async def test_devices_are_known_to_the_workspace(tmp_path: Path, store: Store) -> None:
    """As those of a batch without events are."""
    rows = [{"email": "a@x.org", "mp_deviceid": "d-1", "ios_idfv": "v-1"}]
    done = await run_job(await job_of(store, write_csv(tmp_path / "a.csv", rows)), store, tmp_path / "r.csv")
    section = await Sections(store.user_data).find(SectionKey(100, "production", done.results[0].mpid or 0))
    assert section is not None
    assert section.first_seen_ms == section.last_seen_ms == NOW_MS
    assert section.devices[0].stamp == "d-1"
    assert section.devices[0].ids == {IdentityType.IOS_IDFV: "v-1"}


async def test_a_finished_import_does_nothing_again(tmp_path: Path, store: Store) -> None:
    """Not a byte of the result file changes, nor the log."""
    path = write_csv(tmp_path / "a.csv", people(30))
    first = await run_job(await job_of(store, path), store, tmp_path / "r.csv")
    before = (tmp_path / "r.csv").read_bytes()
    logged = len(await store.log(PRODUCTION, 0, 1_000))
    again = await run_job(await job_of(store, path), store, tmp_path / "r.csv", NOW_MS + 1)
    assert again.ended.was_finished
    assert again.ended.tally == first.ended.tally
    assert (tmp_path / "r.csv").read_bytes() == before
    assert len(await store.log(PRODUCTION, 0, 1_000)) == logged


async def test_a_file_imported_anew_matches_everybody(tmp_path: Path, store: Store) -> None:
    """With another result file it is another import; it makes no profile a second time, and logs nothing."""
    path = write_csv(tmp_path / "a.csv", people(30))
    first = await run_job(await job_of(store, path), store, tmp_path / "r.csv")
    logged = len(await store.log(PRODUCTION, 0, 1_000))
    again = await run_job(await job_of(store, path), store, tmp_path / "s.csv", NOW_MS + 1)
    assert set(again.outcomes) == {"matched"}
    assert [result.mpid for result in again.results] == [result.mpid for result in first.results]
    assert len(await store.log(PRODUCTION, 0, 1_000)) == logged
    stored = await store.profile(again.results[0].mpid or 0)
    assert stored is not None
    assert stored.record.active_ms == NOW_MS + 1


async def test_results_are_never_mixed(tmp_path: Path, store: Store) -> None:
    """Another file, another mapping, another database, a file of something else: each is refused with its reason."""
    path, results = write_csv(tmp_path / "a.csv", people(6)), tmp_path / "r.csv"
    await run_job(await job_of(store, path), store, results)
    with pytest.raises(UnusableResults, match="another file, input or mapping"):
        await run_job(await job_of(store, path, mapping=mapped("columns: {plan: ignore}")), store, results)
    with pytest.raises(UnusableResults, match="another file, input or mapping"):
        await run_job(await job_of(store, write_csv(tmp_path / "b.csv", people(9))), store, results)
    other = open_store("memory://")
    with pytest.raises(UnusableResults, match="another database"):
        await run_job(await job_of(other, path), other, results)
    await other.close()
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(UnusableResults, match="give another --results"):
        await run_job(await job_of(store, path), store, tmp_path / "mine.csv")
    with ResultFile(tmp_path / "held.csv"), pytest.raises(UnusableResults, match="another import is writing"):
        await run_job(await job_of(store, path), store, tmp_path / "held.csv")


async def test_profiles_come_over_with_their_mpids(tmp_path: Path, store: Store) -> None:
    """Several values of a type come in a list; a taken MPID or unique value refuses the row; again is matched."""
    rows: list[dict[str, Any]] = [
        {"mpid": "11", "identities": {"customerid": ["a"], "email": ["a@x.org", "b@x.org"]}, "plan": "gold"},
        {"mpid": "-12", "identities": {"customerid": "b", "device_application_stamp": "d"}},
        {"mpid": "12", "identities": {"customerid": "a"}},
        {"mpid": "11", "identities": {"customerid": "z"}},
        {"mpid": "13", "environment": "development", "identities": {"customerid": "a"}},
        {"mpid": "13", "identities": {"customerid": "c"}},
        {"mpid": "14", "plan": "gold"},
        {"identities": {"customerid": "d"}},
    ]
    path = write_json_lines(tmp_path / "a.jsonl", rows)
    done = await run_job(await job_of(store, path, seed=True), store, tmp_path / "r.csv")
    assert done.outcomes == ["created", "created", "refused", "refused", "created", "refused", "refused", "created"]
    assert [reason for reason in done.reasons if reason] == [
        "unique_taken",
        "mpid_taken",
        "mpid_taken",
        "no_identities",
    ]
    stored = await store.profile(11)
    assert stored is not None
    assert stored.record.identities[IdentityType.EMAIL] == ("a@x.org", "b@x.org")
    assert await attributes(store, 11) == {"plan": "gold"}
    again = await run_job(await job_of(store, path, seed=True), store, tmp_path / "s.csv")
    assert again.outcomes[:3] == ["matched", "matched", "refused"]


async def test_a_preview_tells_what_the_import_does_and_writes_nothing(tmp_path: Path) -> None:
    """The database is the same to the byte, and the outcomes are those that the import comes to afterwards."""
    file = tmp_path / "knownas.db"
    opened = open_store(f"sqlite:///{file}")
    await run_job(await job_of(opened, write_csv(tmp_path / "a.csv", people(30))), opened, tmp_path / "1.csv")
    await opened.close()
    before = file.read_bytes()
    path = write_csv(tmp_path / "b.csv", [*people(60), {"customer_id": "", "email": "", "plan": "x"}])
    store = open_store(f"sqlite:///{file}")
    job = await job_of(store, path)
    looked = await preview(job, store, SystemChance(), NOW_MS)
    await store.close()
    assert file.read_bytes() == before
    assert not (tmp_path / "b.csv.results.csv").exists()
    assert looked.rows == 61
    assert looked.refused[0].reason == "no_identities"
    store = open_store(f"sqlite:///{file}")
    done = await run_job(await job_of(store, path), store, tmp_path / "2.csv")
    await store.close()
    assert done.ended.tally == looked.decided


async def test_a_preview_leaves_even_a_pool_unnamed(tmp_path: Path, store: Store) -> None:
    """A scope and environment that nobody has written to is not noted down by looking."""
    path = write_csv(tmp_path / "a.csv", people(30))
    job = await job_of(store, path)
    looked = await preview(job, store, SystemChance(), NOW_MS)
    assert looked.decided.outcomes["created"] == 10
    assert not await store.log(PRODUCTION, 0, 9)
    assert job.reading.environment is Environment.PRODUCTION
