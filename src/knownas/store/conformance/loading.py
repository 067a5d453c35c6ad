"""Tests what is loaded: the records that identities lead to, as they were written, and compared to the byte."""

import unicodedata
from typing import Final

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX, RECORD_IDENTITIES_MAX
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    OTHER_ENVIRONMENT,
    OTHER_SCOPE,
    PAGE,
    SHOP,
    STAMP,
    START_MS,
    found,
    get,
    loaded,
    look_up,
    plain,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import is_so, same, turns

SEVERAL_STATEMENTS: Final = 300
"""More identities than an adapter will want to ask for at once."""

_E_ACUTE: Final = "\N{LATIN SMALL LETTER E WITH ACUTE}"

LOOKALIKES: Final = (
    *("ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@example.com ", " ann@example.com"),
    *("ann@example.com\t", "ann@example.com\n", "ann@example.com\N{NO-BREAK SPACE}", "ann@example.com\u200b"),
    *(unicodedata.normalize("NFC", _E_ACUTE), unicodedata.normalize("NFD", _E_ACUTE), "e", "E"),
    *("strasse", "stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE", "\N{FULLWIDTH LATIN SMALL LETTER A}", "a"),
    *("i", "I", "\N{LATIN SMALL LETTER DOTLESS I}", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"),
    *("1", "01", "1.0", "1e0", "+1", "0x1", "true", "null", "NULL", "''", "'", '"', "\\", "%", "_", "a%", "a_"),
    *("\x01", "\x7f", "\u0085", "\u2028", "\ufeff", "\ufffd", "\uffff", "\U0010ffff"),
    "\N{GRINNING FACE}" * IDENTITY_VALUE_CHARACTERS_MAX,
    "\N{GRINNING FACE}" * (IDENTITY_VALUE_CHARACTERS_MAX - 1),
    "\N{GRINNING FACE}" * (IDENTITY_VALUE_CHARACTERS_MAX - 1) + "\N{GRINNING FACE WITH SMILING EYES}",
    "x" * IDENTITY_VALUE_CHARACTERS_MAX,
)
"""Values that some collation, normalisation, affinity or padding rule takes for one another."""

BATCH: Final = 300


class LoadingPromises(Subject):
    """What `load` and `profile` show."""

    async def test_an_empty_store_holds_nothing(self) -> None:
        """Nothing leads anywhere in a store that nobody has written to."""
        async with self.opened() as store:
            snapshot = await store.load([wanted(Identity(EMAIL, "a"), mpids=[1]), wanted(pool=OTHER_SCOPE)])
            same(found(snapshot), {}, "records of an empty store")
            same(list(loaded(snapshot).crowded), [], "crowded identities of an empty store")
            same(await store.profile(1), None, "a profile of an empty store")
            same(dict((await store.load([])).pools), {}, "what nobody wanted")

    async def test_a_record_comes_back_as_it_was_written(self) -> None:
        """Every member of a record, and the order of a type's values, comes back from load, profile and records."""
        written = Record(
            mpid=77,
            identities={EMAIL: ("z@example.com", "a@example.com", "m@example.com"), STAMP: ("one",)},
            carried={IdentityType.OTHER7: ("carried", "along"), IdentityType.PUSH_TOKEN: ("t",)},
            known=True,
            created_ms=1,
            active_ms=START_MS,
            source_mpid=-5,
        )
        async with self.opened() as store:
            await put(store, written)
            snapshot = await store.load([wanted(Identity(EMAIL, "m@example.com"))])
            same([plain(one) for one in found(snapshot).values()], [written], "the loaded record")
            same(plain(await get(store, 77)), written, "the profile")
            same([plain(one) for one in await store.records(SHOP, None, PAGE)], [written], "the page of records")
            same(list((await get(store, 77)).identities), list(written.identities), "the order of types")

    async def test_every_value_leads_to_its_profile(self) -> None:
        """A profile is found by each of its values of each type, by none of its carried ones, and once if by two."""
        values = {kind: (f"{kind.value}-1", f"{kind.value}-2") for kind in IdentityType}
        async with self.opened() as store:
            await put(store, record(5, values)._replace(carried={IdentityType.OTHER: ("carried",)}))
            for one in record(5, values).lookups():
                same(await look_up(store, one), [5], f"the holders of {one}")
            same(await look_up(store, Identity(IdentityType.OTHER, "carried")), [], "the holders of a carried value")
            same(await look_up(store, *record(5, values).lookups()), [5], "the holders of all values at once")

    async def test_types_are_told_apart(self) -> None:
        """The same value under two types is two identities."""
        async with self.opened() as store:
            kinds = list(enumerate(IdentityType, start=1))
            await put(store, *(record(mpid, {kind: ["same"]}) for mpid, kind in kinds))
            for mpid, kind in kinds:
                same(await look_up(store, Identity(kind, "same")), [mpid], f"the holders of {kind.value}")

    async def test_values_are_compared_to_the_byte(self) -> None:
        """Case, normal form, spaces, digits and signs tell values apart, up to 256 astral characters."""
        async with self.opened() as store:
            await put(store, *(record(mpid, {CUSTOMER: [value]}) for mpid, value in enumerate(LOOKALIKES, start=1)))
            for mpid, value in enumerate(LOOKALIKES, start=1):
                same(await look_up(store, Identity(CUSTOMER, value)), [mpid], f"the holders of {value!r}")
                same((await get(store, mpid)).identities, {CUSTOMER: (value,)}, "the value as it came back")
            everyone = await look_up(store, *(Identity(CUSTOMER, value) for value in LOOKALIKES))
            same(everyone, list(range(1, len(LOOKALIKES) + 1)), "the holders of all of them")

    async def test_mpids_use_all_64_bits(self) -> None:
        """The smallest, the largest and negative MPIDs are told apart and come back whole."""
        mpids = sorted([MPID_MIN, MPID_MIN + 1, -1, 1, 2**53, 2**53 + 1, MPID_MAX - 1, MPID_MAX])
        async with self.opened() as store:
            await put(store, *(record(mpid, {EMAIL: [str(mpid)]}) for mpid in mpids))
            same(sorted(found(await store.load([wanted(mpids=mpids)]))), mpids, "profiles by MPID")
            same([one.mpid for one in await store.records(SHOP, None, PAGE)], mpids, "the page of records")
            for mpid in mpids:
                same(await look_up(store, Identity(EMAIL, str(mpid))), [mpid], "the holder")

    async def test_profiles_are_loaded_by_mpid(self) -> None:
        """A wanted MPID brings its record, whether or not an identity leads to it; one that nobody has brings none."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["a"]}), record(2, {}), record(3, {EMAIL: ["c"]}))
            snapshot = await store.load([wanted(Identity(EMAIL, "a"), mpids=[1, 2, 4, 2])])
            same(sorted(found(snapshot)), [1, 2], "the loaded profiles")

    async def test_a_sole_holder_is_named(self) -> None:
        """Of an identity with exactly one holder in its pool, that one's record is given; of others, none."""
        mail, device = Identity(EMAIL, "e"), Identity(STAMP, "device")
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["e"], STAMP: ["device"]}), record(2, {STAMP: ["device"]}))
            await put(store, record(3, {EMAIL: ["e"]}), pool=OTHER_SCOPE)
            asked = [(SHOP, device), (SHOP, mail), (OTHER_SCOPE, mail), (SHOP, Identity(EMAIL, "nobody")), (SHOP, mail)]
            first, third = await get(store, 1), await get(store, 3)
            same(await store.sole_holders(asked), [None, first, third, None, first], "the sole holders")
            await put(store, record(1, {EMAIL: ["e"]}), record(2, {EMAIL: ["e"], STAMP: ["device"]}))
            second = await get(store, 2)
            same(await store.sole_holders(asked), [second, None, third, None, None], "the sole holders after a change")
            same(await store.sole_holders([]), [], "the sole holders of nothing")

    async def test_many_sole_holders_are_given_in_order(self) -> None:
        """However many identities are asked for, each answer stands where its question stood."""
        async with self.opened() as store:
            await put(store, *[record(mpid, {EMAIL: [f"e{mpid}"]}) for mpid in range(1, SEVERAL_STATEMENTS, 2)])
            asked = [(SHOP, Identity(EMAIL, f"e{mpid}")) for mpid in range(1, SEVERAL_STATEMENTS)]
            held = [one and one.mpid for one in await store.sole_holders(asked)]
            same(held, [mpid if mpid % 2 else None for mpid in range(1, SEVERAL_STATEMENTS)], "the sole holders")

    async def test_a_batch_is_loaded_together(self) -> None:
        """Requests for several pools, with identities in common and absent, are answered in one snapshot."""
        shop, club = Identity(EMAIL, "shop"), Identity(EMAIL, "club")
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["shop"]}))
            await put(store, record(2, {EMAIL: ["club"]}), pool=OTHER_SCOPE)
            wishes = [
                wanted(shop, Identity(EMAIL, "nobody")),
                wanted(club, pool=OTHER_SCOPE),
                wanted(shop, shop),
                wanted(club, mpids=[1]),
                wanted(shop, pool=OTHER_ENVIRONMENT),
            ]
            snapshot = await store.load(wishes)
            same(sorted(found(snapshot)), [1], "what the shop holds")
            same(sorted(found(snapshot, OTHER_SCOPE)), [2], "what the club holds")
            same(sorted(found(snapshot, OTHER_ENVIRONMENT)), [], "what the shop's development holds")

    async def test_a_large_batch_is_loaded_whole(self) -> None:
        """Hundreds of requests with identities of their own each find their profile."""
        kinds = (CUSTOMER, EMAIL, STAMP)
        mpids = range(1, BATCH + 1)
        async with self.opened() as store:
            await put(store, *(record(mpid, {kind: [f"{kind.value}-{mpid}"] for kind in kinds}) for mpid in mpids))
            wishes = [
                wanted(*(Identity(kind, f"{kind.value}-{mpid + offset}") for kind in kinds))
                for mpid in mpids
                for offset in (0, BATCH)
            ]
            same(sorted(found(await store.load(wishes))), list(mpids), "the loaded profiles")

    async def test_a_full_record_comes_back(self) -> None:
        """A record with as many values as there can be, the longest there are, comes back whole."""
        longest = "\N{GRINNING FACE}" * (IDENTITY_VALUE_CHARACTERS_MAX - 4)
        values = [f"{number:04}{longest}" for number in range(RECORD_IDENTITIES_MAX)]
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: values}))
            same((await get(store, 1)).identities, {EMAIL: tuple(values)}, "the values")
            same(await look_up(store, Identity(EMAIL, values[-1])), [1], "the holder of the last value")

    async def test_records_are_paged_by_mpid(self) -> None:
        """Pages of a pool's records follow one another by ascending MPID, without gap or repeat, to an empty one."""
        mpids = [MPID_MIN, -3, -1, 2, 4, 6, MPID_MAX]
        async with self.opened() as store:
            await put(store, *(record(mpid, {}) for mpid in reversed(mpids)))
            for limit in (1, 2, len(mpids), PAGE):
                seen: list[int] = []
                after: int | None = None
                for _ in turns():
                    page = [one.mpid for one in await store.records(SHOP, after, limit)]
                    if not page:
                        break
                    is_so(len(page) <= limit, "a page within its limit")
                    seen += page
                    after = page[-1]
                same(seen, mpids, f"the MPIDs of pages of {limit}")
            same([one.mpid for one in await store.records(SHOP, 3, PAGE)], [4, 6, MPID_MAX], "those after a gap")
