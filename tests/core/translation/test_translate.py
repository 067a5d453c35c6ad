"""Which identities of a profile go out, and why none does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import ADVERTISING_TYPES, IdentityType
from knownas.core.profile.consent import Consent
from knownas.core.translation.encoding import Encoding, digest_in, encoded
from knownas.core.translation.form import Form
from knownas.core.translation.outcome import LeftOut, Outgoing, Skipped, Translated
from knownas.core.translation.phone import Numbering
from knownas.core.translation.reason import Reason
from knownas.core.translation.rule import Choice, Requirement, Rule, Slot, Take, Users, Wanted, wanting
from knownas.core.translation.target import MPID, Target
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from tests.core.translation.profiles import (
    DEVICE_IDS,
    MARKETING,
    NOBODY,
    SALE,
    TARGETS,
    hashed,
    idfa,
    phone,
    rules,
    user,
    views,
)

T = IdentityType
SHA256 = Encoding.SHA256


def values(view: ProfileView, rule: Rule) -> list[str]:
    """Return the values that go out; there must be some."""
    translated = translate(view, rule)
    assert isinstance(translated, Translated), translated
    return [one.value for one in translated.identities]


def skipped(view: ProfileView, rule: Rule, *withheld: Target) -> tuple[Reason, str]:
    """Return why nothing goes out, and the sentence; nothing must."""
    translation = translate(view, rule, frozenset(withheld))
    assert isinstance(translation, Skipped), translation
    assert translation.mpid == view.mpid
    return translation.reason, translation.sentence


def one_slot(*targets: Target, **members: Any) -> Rule:
    return Rule((Slot(tuple(map(Wanted, targets)), **members),))


def test_an_identity_goes_out_as_the_rule_says() -> None:
    """What goes out names the slot, the type, the encoding, and the value in its form."""
    rule = Rule((Slot((Wanted(T.EMAIL, SHA256),), "em"),))
    assert translate(user(email=" Ann@Example.com"), rule) == Translated(
        1, (Outgoing("em", T.EMAIL, SHA256, hashed("ann@example.com")),)
    )


@pytest.mark.parametrize(
    ("view", "members", "reason", "sentence"),
    [
        (user(known=False, email="a@example.com"), {"users": Users.KNOWN}, Reason.ANONYMOUS, "is anonymous"),
        (replace(user(email="a@example.com"), opted_out=True), {}, Reason.OPTED_OUT, "has opted out"),
        (user(), {}, Reason.NO_IDENTITY, "has no email"),
        (user(email="ann"), {}, Reason.NO_EMAIL, "has no email that is an e-mail address"),
        (user(email="guest@example.com"), {}, Reason.UNLIKE_A_PERSON, "has no email that could be a person's"),
        (user(email=hashed("a")), {}, Reason.HASHED_OTHERWISE, "has email only as a digest"),
        (
            user(email="a@example.com"),
            {"consents": frozenset({MARKETING})},
            Reason.CONSENT_MISSING,
            "has not said anything about consent to marketing",
        ),
        (
            replace(user(email="a@example.com"), consents={MARKETING: Consent(consented=False, at_ms=1)}),
            {"consents": frozenset({MARKETING})},
            Reason.CONSENT_REFUSED,
            "has not consented to marketing",
        ),
        (
            replace(user(email="a@example.com"), consents={SALE: Consent(consented=True, at_ms=1)}),
            {"consents": frozenset({SALE})},
            Reason.SALE_OPTED_OUT,
            "has opted out of the sale of data",
        ),
    ],
    ids=lambda given: given.value if isinstance(given, Reason) else "",
)
def test_who_is_not_sent_has_a_reason(
    view: ProfileView, members: dict[str, Any], reason: Reason, sentence: str
) -> None:
    """Whoever is skipped is skipped for a reason that can be counted, and for a sentence that can be read."""
    told = skipped(view, Rule((Slot((Wanted(T.EMAIL),)),), **members))
    assert told[0] is reason
    assert told[1].startswith(sentence)


def test_consent_lets_a_user_pass() -> None:
    """Under GDPR consent has to be given; under CCPA nothing has to be said, or that data may be sold."""
    rule = Rule(wanting(T.EMAIL).slots, consents=frozenset({MARKETING, SALE}))
    given = {MARKETING: Consent(consented=True, at_ms=1)}
    for more in ({}, {SALE: Consent(consented=False, at_ms=1)}):
        assert values(replace(user(email="a@example.com"), consents={**given, **more}), rule)


def test_who_has_opted_out_goes_where_the_rule_says_so() -> None:
    """A destination that keeps who may not be bothered gets them."""
    rule = Rule(wanting(T.EMAIL).slots, send_opted_out_users=True)
    assert values(replace(user(email="a@example.com"), opted_out=True), rule) == ["a@example.com"]


def test_a_fallback_chain_takes_the_first_that_is_there() -> None:
    """A slot is filled by the first type that the profile has in a form that can be sent."""
    rule = one_slot(T.EMAIL, T.IOS_IDFV, T.DEVICE_APPLICATION_STAMP, MPID, name="id")
    view = user(1, phone(stamp="das"), email="ann")
    assert values(view, rule) == ["das"]
    assert translate(view, rule) == Translated(
        1,
        (Outgoing("id", T.DEVICE_APPLICATION_STAMP, Encoding.RAW, "das"),),
        (LeftOut(T.EMAIL, Reason.NO_EMAIL),),
    )
    assert values(user(7), rule) == ["7"]


def test_all_types_of_a_slot_go_out_in_its_order() -> None:
    """A slot that takes all has every type, in the order of the rule, and of each the newest value first."""
    rule = one_slot(T.OTHER, T.EMAIL, choice=Choice.ALL)
    view = user(email=("old@example.com", "new@example.com"), other="o")
    assert values(view, rule) == ["o", "new@example.com", "old@example.com"]


def test_the_newest_value_is_the_one_set_last_that_can_be_sent() -> None:
    """A slot for one value has the newest; one that is no address does not stand in its way."""
    view = user(email=("old@example.com", "new@example.com", "oops"))
    assert values(view, one_slot(T.EMAIL, values=Take.NEWEST)) == ["new@example.com"]


def test_two_devices_have_two_ids() -> None:
    """Of a user with two phones both ids go out, that of the phone seen last first, and an id of a phone that nobody has seen last."""
    view = user(
        1, phone((T.IOS_IDFA, idfa(1)), seen_ms=1), phone((T.IOS_IDFA, idfa(2)), seen_ms=2), ios_idfa=(idfa(3), idfa(1))
    )
    assert values(view, wanting(T.IOS_IDFA)) == [idfa(2), idfa(1), idfa(3)]


def test_the_latest_device_is_one_device() -> None:
    """A slot for the latest device has all its ids, and none of another one, whichever types they are of."""
    both = ((T.IOS_IDFA, idfa(1)), (T.IOS_IDFV, idfa(2)))
    view = user(1, phone(*both, seen_ms=1, stamp="a"), phone((T.IOS_IDFV, idfa(3)), seen_ms=2, stamp="b"))
    rule = one_slot(T.IOS_IDFA, T.IOS_IDFV, choice=Choice.ALL, devices=Take.NEWEST)
    assert values(view, rule) == [idfa(3)]
    assert values(view, one_slot(T.IOS_IDFA, devices=Take.NEWEST)) == [idfa(1)]
    (seen,) = translate(view, rule).identities
    assert (seen.device, seen.platform) == ("b", "iOS")


def test_an_id_whose_user_limits_tracking_goes_nowhere() -> None:
    """An id for advertising from a device with limited tracking is left out, and one from another device is not."""
    view = user(1, phone((T.IOS_IDFA, idfa(1)), limited=True, stamp="a"), phone((T.IOS_IDFA, idfa(2)), stamp="b"))
    rule = wanting(T.IOS_IDFA)
    assert values(view, rule) == [idfa(2)]
    assert values(view, Rule(rule.slots, send_limited_ad_tracking=True)) == [idfa(1), idfa(2)]
    alone = replace(view, devices=view.devices[:1], identities={T.IOS_IDFA: (idfa(1),)})
    assert skipped(alone, rule) == (
        Reason.AD_TRACKING_LIMITED,
        "has ios_idfa only on devices on which ad tracking is limited",
    )
    assert values(user(1, phone((T.IOS_IDFV, idfa(1)), limited=True)), wanting(T.IOS_IDFV)) == [idfa(1)]


def test_the_device_seen_last_says_whether_tracking_is_limited() -> None:
    """A user who limits tracking, or allows it again, is obeyed for every device record that has the id."""
    for first, last, goes in ((True, False, True), (False, True, False), (True, None, False)):
        view = user(
            1,
            phone((T.IOS_IDFA, idfa(1)), seen_ms=1, limited=first, stamp="a"),
            phone((T.IOS_IDFA, idfa(1)), seen_ms=2, limited=last, stamp="b"),
        )
        assert isinstance(translate(view, wanting(T.IOS_IDFA)), Translated) is goes


def test_a_limited_id_is_the_same_in_capitals() -> None:
    """An id whose user limits tracking goes nowhere either where the record has it in another spelling."""
    view = user(1, phone((T.IOS_IDFA, idfa(1)), limited=True), ios_idfa=f" {idfa(1).lower()}")
    assert skipped(view, wanting(T.IOS_IDFA))[0] is Reason.AD_TRACKING_LIMITED


def test_of_devices_seen_at_the_same_time_their_stamps_decide() -> None:
    """Which of two devices is the latest does not depend on which is told first."""
    devices = [phone((T.IOS_IDFA, idfa(number)), stamp=f"{9 - number}") for number in range(1, 4)]
    devices += [phone((T.IOS_IDFA, idfa(number))) for number in range(4, 6)]
    for order in (devices, devices[::-1]):
        assert values(user(1, *order), wanting(T.IOS_IDFA)) == [idfa(number) for number in (4, 5, 3, 2, 1)]


def test_an_id_of_zeros_goes_nowhere_unless_the_rule_says_so() -> None:
    """What a phone gives whose owner said no would join strangers at the destination."""
    view = user(1, phone((T.IOS_IDFA, NOBODY)))
    assert skipped(view, wanting(T.IOS_IDFA))[0] is Reason.UNLIKE_A_PERSON
    assert values(view, Rule(wanting(T.IOS_IDFA).slots, send_unlike_a_person=True)) == [NOBODY]


def test_values_look_like_what_fills_the_slot() -> None:
    """Where another type fills the e-mail field, nobody's address is known by its looks there too."""
    rule = Rule((Slot((Wanted(T.OTHER2, form=Form.EMAIL),)),))
    assert skipped(user(other2="noreply@example.com"), rule)[0] is Reason.UNLIKE_A_PERSON
    numbers = Rule((Slot((Wanted(T.OTHER2, form=Form.E164),)),))
    assert skipped(user(other2="+1 000 000 0000"), numbers)[0] is Reason.UNLIKE_A_PERSON


def test_two_spellings_of_one_value_go_out_once() -> None:
    """Values that have the same form at the destination are one identity there."""
    rule = Rule(wanting(T.EMAIL, T.MOBILE_NUMBER).slots, numbering=Numbering("49"))
    view = user(email=("ann@example.com", "Ann@Example.com "), mobile_number=("030 123456", "+49 30 123456"))
    assert values(view, rule) == ["ann@example.com", "+4930123456"]


def test_required_slots_skip_who_cannot_fill_them() -> None:
    """Each required slot must be filled, or any of them where the destination says so; the first that is missing is told."""
    slots = (Slot((Wanted(T.EMAIL),)), *(Slot((Wanted(one),), required=True) for one in (T.CUSTOMER_ID, T.OTHER)))
    view = user(email="a@example.com", other="o")
    assert skipped(view, Rule(slots)) == (Reason.NO_IDENTITY, "has no customerid")
    assert values(view, Rule(slots, requirement=Requirement.ANY)) == ["a@example.com", "o"]
    bare = user(email="a@example.com")
    assert skipped(bare, Rule(slots, requirement=Requirement.ANY)) == (
        Reason.NO_IDENTITY,
        "has no customerid or other",
    )


def test_a_user_who_fills_no_slot_is_skipped() -> None:
    """Without anything to send there is no message, required or not; a value that could not be sent says more than that there is none."""
    assert skipped(user(), wanting(T.EMAIL, T.OTHER)) == (Reason.NO_IDENTITY, "has no email or other")
    assert skipped(user(mobile_number="12"), wanting(T.EMAIL, T.MOBILE_NUMBER))[0] is Reason.UNLIKE_A_PERSON


def test_users_whom_only_the_mpid_names_can_be_left_out() -> None:
    """Switched off, "Send Anonymous Users" leaves out those of whom only the MPID would be sent (platform §6.5)."""
    slots = wanting(T.EMAIL, MPID).slots
    assert values(user(7), Rule(slots)) == ["7"]
    assert skipped(user(7), Rule(slots, send_anonymous_users=False))[0] is Reason.MPID_ONLY
    assert values(user(7, email="a@example.com"), Rule(slots, send_anonymous_users=False)) == ["a@example.com", "7"]


def test_what_the_filter_holds_back_is_a_reason() -> None:
    """A type that is switched off does not go out, and who has nothing else is skipped for that."""
    rule = one_slot(T.EMAIL, T.OTHER)
    view = user(email="a@example.com", other="o")
    translated = translate(view, rule, frozenset({T.EMAIL}))
    assert translated == Translated(
        1, (Outgoing("email", T.OTHER, Encoding.RAW, "o"),), (LeftOut(T.EMAIL, Reason.WITHHELD),)
    )
    assert skipped(view, rule, T.EMAIL, T.OTHER) == (
        Reason.WITHHELD,
        "has email, which the data filter holds back",
    )


@given(views(), rules(), st.frozensets(st.sampled_from(TARGETS), max_size=2))
def test_nothing_that_may_not_go_out_does(view: ProfileView, rule: Rule, withheld: frozenset[Target]) -> None:
    """Whatever the rule: no excluded or withheld type, nothing unhashed where it hashes, nobody barred, nothing limited."""
    translation = translate(view, rule, withheld)
    if isinstance(translation, Skipped):
        return
    assert translation.identities
    assert len(set(translation.identities)) == len(translation.identities)
    assert view.known or rule.users is Users.ALL
    assert not view.opted_out or rule.send_opted_out_users
    wanted = {(slot.label, one.target, one.encoding) for slot in rule.slots for one in slot.wanted}
    said: dict[str, list[tuple[int, bool]]] = {}
    for device in view.devices:
        if device.limits_ad_tracking is not None and T.IOS_IDFA in device.ids:
            id_there = device.ids[T.IOS_IDFA].lower()
            said.setdefault(id_there, []).append((device.last_seen_ms, device.limits_ad_tracking))
    limited = {value for value, statements in said.items() if max(statements)[1]}
    for one in translation.identities:
        assert one.target not in rule.excluded | withheld
        assert (one.slot, one.target, one.encoding) in wanted
        if one.encoding is not Encoding.RAW:
            assert digest_in(one.value) is one.encoding
        if one.target in ADVERTISING_TYPES and not rule.send_limited_ad_tracking:
            assert one.value.lower() not in limited | {encoded(value, one.encoding) for value in limited}


@given(views(), rules())
def test_a_hashing_rule_tells_nothing_of_a_value(view: ProfileView, rule: Rule) -> None:
    """If every type is hashed, no value of the profile is in what goes out, nor in what is said of it, but for digests it was given."""
    hashing = Rule(
        tuple(
            replace(slot, wanted=tuple({Wanted(one.target, SHA256): None for one in slot.wanted}))
            for slot in rule.slots
        ),
        rule.excluded,
    )
    translation = translate(view, hashing)
    held = {value for values in view.identities.values() for value in values if digest_in(value) is None}
    held |= {value for device in view.devices for value in device.ids.values()}
    if isinstance(translation, Translated):
        assert held.isdisjoint(one.value for one in translation.identities)
    else:
        assert not any(value in translation.sentence for value in held)


@given(views(), rules(), st.data())
def test_the_order_of_what_is_known_makes_no_difference(view: ProfileView, rule: Rule, data: st.DataObject) -> None:
    """However devices and types of identities are ordered, the same goes out in the same order."""
    shuffled = replace(
        view,
        identities=dict(data.draw(st.permutations(list(view.identities.items())))),
        devices=tuple(data.draw(st.permutations(view.devices))),
    )
    assert translate(shuffled, rule) == translate(view, rule)


@given(views(), rules(), st.sampled_from(TARGETS))
def test_excluding_a_type_changes_nothing_else_where_all_are_taken(
    view: ProfileView, rule: Rule, target: Target
) -> None:
    """Where every slot takes all there is, excluding a type takes out that type and nothing else."""
    slots = tuple(
        replace(slot, choice=Choice.ALL, values=Take.ALL, devices=Take.ALL, required=False) for slot in rule.slots
    )
    if all(one.target in {target, *rule.excluded} for slot in slots for one in slot.wanted):
        return
    before = translate(view, replace(rule, slots=slots, send_anonymous_users=True))
    after = translate(view, replace(rule, slots=slots, send_anonymous_users=True, excluded=rule.excluded | {target}))
    if isinstance(after, Translated):
        assert isinstance(before, Translated)
        assert after.identities == tuple(one for one in before.identities if one.target is not target)


@given(views())
def test_the_newest_is_the_first_of_all(view: ProfileView) -> None:
    """What goes out of the newest value or device alone is the first of what goes out of all."""
    for kind in (T.EMAIL, *DEVICE_IDS):
        everything, newest = (
            translate(view, Rule((Slot((Wanted(kind),), values=take, devices=take),)))
            for take in (Take.ALL, Take.NEWEST)
        )
        if isinstance(everything, Translated):
            assert isinstance(newest, Translated)
            assert newest.identities == everything.identities[:1]
        else:
            assert newest == everything
