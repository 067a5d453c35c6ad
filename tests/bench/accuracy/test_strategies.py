"""In worlds clear enough to reason about, each strategy scores what its rules say it must."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from bench.accuracy import scored
from bench.accuracy.business import MARKETPLACE, Business
from bench.accuracy.contenders import CONTENDERS
from bench.accuracy.playing import Played, play
from bench.accuracy.world import Standing, world
from tests.bench.accuracy.worlds import CLEAR, CROWDED, STEADY

LINES = tuple(scored(world(replace(STEADY, people=1), 1)))
BY_NAME = {contender.name: contender for contender in CONTENDERS}
BY_EMAIL_TOO = "profile_conversion, e-mail a login ID"


@cache
def scores(name: str) -> Mapping[str, Mapping[str, float]]:
    """Return the scores of every line in a named world; a world is played once."""
    return scored(world(WORLDS[name], 1))


WORLDS: Mapping[str, Business] = {
    "clear": CLEAR,
    "steady": STEADY,
    "kiosk": replace(CLEAR, days=30, kiosks=1, kiosk_use=0.5, kiosk_log_out=1.0),
    "second app": replace(STEADY, people=25, app_first=1.0, app_use=1.0, second_app=1.0, sign_up=0.3),
    "several devices": replace(CLEAR, days=30, has_account=1.0, own_device_counts={3: 1.0}, log_out=0.0),
}


@pytest.mark.parametrize("line", LINES)
def test_nobody_is_mixed_where_nothing_is_shared(line: str) -> None:
    """If each identity is one person's, no strategy puts two people on one profile, however it is read."""
    found = scores("clear")[line]
    assert (found["precision"], found["most_people_on_a_profile"]) == (1.0, 1)


@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith(("profile_link", "profile_isolation"))])
def test_a_device_that_forgets_nothing_is_a_person(line: str) -> None:
    """With one device each and no logouts, whoever is converted, or matched at best, keeps everything."""
    found = scores("steady")[line]
    assert (found["f1"], found["recovered_before_first_login"], found["profiles_a_person"]) == (1.0, 1.0, 1.0)


def test_a_link_leads_to_what_it_left_behind() -> None:
    """Link keeps the history before the sign-up apart; its links, or aliases, lead to all of it."""
    found = scores("steady")
    assert found["profile_link"]["recovered_before_first_login"] == 0.0
    assert found["profile_link"]["recall"] < 1.0
    for line in ("profile_link, links followed", "profile_link, aliased"):
        assert (found[line]["f1"], found[line]["recovered_before_first_login"]) == (1.0, 1.0)


def test_isolation_brings_nothing_over() -> None:
    """Isolation keeps all history before the sign-up apart, and nothing leads there."""
    found = scores("steady")["profile_isolation"]
    assert (found["precision"], found["recovered_signed_out"]) == (1.0, 0.0)
    assert found["recall"] == scores("steady")["profile_link"]["recall"] < 1.0


def test_a_kiosk_ruins_who_keeps_one_visitor_a_device() -> None:
    """Where many use one device, a logout that starts a new visitor keeps them apart; no other rule does."""
    found = scores("kiosk")
    converting = found["profile_conversion"]["precision"]
    for line in ("profile_isolation", "best_match"):
        assert found[line]["precision"] < 0.75 * converting
        assert found[line]["most_people_on_a_profile"] > found["profile_conversion"]["most_people_on_a_profile"]


def test_an_alias_at_a_kiosk_is_somebody_elses_past() -> None:
    """Aliases asked for at a kiosk cost precision; those asked for elsewhere cost next to none, and add recall."""
    found = scores("kiosk")
    before = found["profile_conversion"]
    assert found["profile_conversion, aliased"]["precision"] < 0.8 * before["precision"]
    # A pure past on a profile that is mixed already makes some more wrong pairs.
    but_there = found["profile_conversion, aliased but at kiosks"]
    assert but_there["precision"] > 0.98 * before["precision"]
    assert but_there["recall"] > before["recall"]


def test_a_kiosk_that_forgets_mixes_nobody() -> None:
    """With a new device stamp after each visit a kiosk is as good as a device of one's own, under every strategy."""
    found = scored(world(replace(WORLDS["kiosk"], people=20).with_forgetful_kiosks(), 1))
    assert {(line["precision"], line["most_people_on_a_profile"]) for line in found.values()} == {(1.0, 1)}


def test_an_app_that_knows_only_addresses_needs_them_as_login_ids() -> None:
    """Of two apps with one scope, one that logs in by address meets the other's profile if addresses are login IDs."""
    found = scores("second app")
    assert found[BY_EMAIL_TOO]["recall"] > found["profile_conversion"]["recall"]
    assert found["profile_link, links followed"]["recall"] > found["profile_conversion"]["recall"]


def test_an_alias_recovers_what_came_before_a_login_elsewhere() -> None:
    """A user who logs in on a further device brings its history along only by an alias; it costs no precision here."""
    found = scores("several devices")
    for line in ("default", "profile_conversion", "profile_link"):
        aliased = found[f"{line}, aliased"]
        assert aliased["recovered_signed_out"] > found[line]["recovered_signed_out"] + 0.3
        assert aliased["recall"] > found[line]["recall"]
        assert aliased["profiles_a_person"] < found[line]["profiles_a_person"]


@pytest.mark.parametrize("strategy", ["default", "profile_conversion", "profile_link", "profile_isolation"])
@pytest.mark.parametrize("seed", [1, 2])
def test_two_accounts_are_never_one_profile(strategy: str, seed: int) -> None:
    """However devices are shared and logouts forgotten, what people do in accounts of their own stays apart."""
    played = play(world(replace(CROWDED, people=20, days=30), seed).steps, BY_NAME[strategy].policy)
    assert max(len(people) for people in in_their_accounts(played).values()) == 1


def test_a_couples_address_is_one_login_id() -> None:
    """Two accounts with one address are one profile where addresses are login IDs, and two where they are not."""
    couples = replace(CROWDED, people=20, days=30, household_sizes={2: 1.0}, shared_email=1.0, email_change=0.0)
    lived = world(replace(couples, has_account=1.0, names_email=1.0), 1)
    mixed = {
        name: max(map(len, in_their_accounts(play(lived.steps, contender.policy)).values()))
        for name, contender in BY_NAME.items()
    }
    assert (mixed["default"], mixed["profile_conversion"]) == (1, 1)
    assert min(mixed["profile_link"], mixed["profile_isolation"], mixed[BY_EMAIL_TOO], mixed["best_match"]) > 1


def test_junk_costs_whoever_matches_by_anything() -> None:
    """Identities that are nobody's join people who have nothing to do with each other, best match's first of all."""
    business = replace(MARKETPLACE, people=60, days=30)
    junk, clean = (
        scored(world(one, 1), [BY_NAME["best_match"]])["best_match"] for one in (business, business.without_junk())
    )
    assert junk["precision"] < 0.8 * clean["precision"]
    assert junk["most_people_on_a_profile"] > clean["most_people_on_a_profile"]


def test_strategies_without_an_alias_get_none() -> None:
    """Isolation and best match take no alias and make no link, whatever an app asks for; conversion takes some."""
    lived = world(replace(MARKETPLACE, people=20, days=30), 1)
    assert play(lived.steps, BY_NAME["profile_conversion"].policy).aliases
    for name in ("profile_isolation", "best_match"):
        played = play(lived.steps, BY_NAME[name].policy)
        assert not played.aliases
        assert not played.links


def in_their_accounts(played: Played) -> Mapping[int, set[int]]:
    """Return who did anything on each profile while logged in as themselves."""
    people: defaultdict[int, set[int]] = defaultdict(set)
    for one in played.sent:
        if one.standing is Standing.OWN:
            people[one.mpid].add(one.person)
    return people
