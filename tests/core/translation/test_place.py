"""The rule that comes of what somebody wishes and of the places that a destination has."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.consent import Purpose
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form, forms_of
from knownas.core.translation.outcome import Translated
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import InvalidPlace, Place, Wish, rule_of
from knownas.core.translation.rule import (
    Choice,
    InvalidRule,
    Keeps,
    OnIdentityChange,
    Requirement,
    Rule,
    RuleFault,
    Slot,
    Take,
    Users,
    Wanted,
)
from knownas.core.translation.target import MPID, Target
from knownas.core.translation.translate import translate
from tests.core.translation.profiles import MARKETING, SALE, TARGETS, hashed, idfa, phone, user, views

T = IdentityType
RAW, SHA1, SHA256 = Encoding.RAW, Encoding.SHA1, Encoding.SHA256
USER_ID = Place(
    "user_id",
    frozenset({T.CUSTOMER_ID, T.OTHER2, T.IOS_IDFV, MPID}),
    (T.CUSTOMER_ID,),
    encodings=frozenset({RAW, SHA256}),
    values=Take.NEWEST,
)
EMAIL = Place("email", frozenset({T.EMAIL, T.OTHER2}), (T.EMAIL,), SHA256, frozenset({SHA256}), Form.EMAIL)
DEVICES = Place("device", frozenset({T.IOS_IDFA, T.ANDROID_AAID}), (T.IOS_IDFA, T.ANDROID_AAID), choice=Choice.ALL)
PLACES = (USER_ID, EMAIL, DEVICES)


def faults(wish: Wish, *places: Place, requirement: Requirement = Requirement.EACH) -> list[tuple[str, str]]:
    """Return what is wrong with a wish."""
    with pytest.raises(InvalidRule) as refused:
        rule_of(wish, places, requirement=requirement)
    return [(fault.member, fault.sentence) for fault in refused.value.faults]


def made(wish: Wish, places: tuple[Place, ...], *options: Any) -> Rule | tuple[RuleFault, ...]:
    """Return the rule, or what is wrong with the wish."""
    try:
        return rule_of(wish, places, *options)
    except InvalidRule as refused:
        return refused.faults


def test_where_every_type_is_taken_each_wished_one_has_a_place() -> None:
    """Two types at a webhook are two slots, with all their values: two IDFAs are sent as two (platform §6.5)."""
    rule = rule_of(Wish((T.IOS_IDFA, T.EMAIL)))
    assert rule == Rule((Slot((Wanted(T.IOS_IDFA),)), Slot((Wanted(T.EMAIL),))))
    ann = user(1, phone((T.IOS_IDFA, idfa(1))), phone((T.IOS_IDFA, idfa(2))), email="ann@example.com")
    sent = translate(ann, rule)
    assert isinstance(sent, Translated)
    assert [one.value for one in sent.identities] == [idfa(1), idfa(2), "ann@example.com"]


def test_what_is_usual_fills_places_that_nobody_speaks_of() -> None:
    """Without a wish each place has its usual types, encoding, form and number of values."""
    assert rule_of(Wish(), PLACES).slots == (
        Slot((Wanted(T.CUSTOMER_ID),), "user_id", values=Take.NEWEST, devices=Take.NEWEST),
        Slot((Wanted(T.EMAIL, SHA256, Form.EMAIL),), "email"),
        Slot((Wanted(T.IOS_IDFA), Wanted(T.ANDROID_AAID)), "device", Choice.ALL),
    )


def test_identities_narrow_what_is_usual() -> None:
    """Of the usual types only those go out that are wished; a place without any of them stays empty."""
    slots = rule_of(Wish((T.EMAIL, T.ANDROID_AAID)), PLACES).slots
    assert [(slot.label, slot.types) for slot in slots] == [("email", "email"), ("device", "android_aaid")]


def test_a_place_is_filled_as_somebody_says() -> None:
    """A chain that is named fills its place in its order; an empty one leaves it empty; another type is read in the place's form."""
    wish = Wish(places={"user_id": (T.IOS_IDFV, MPID), "email": (T.OTHER2, T.EMAIL), "device": ()})
    slots = rule_of(wish, PLACES).slots
    assert [(slot.label, slot.types) for slot in slots] == [
        ("user_id", "ios_idfv or mpid"),
        ("email", "other2 or email"),
    ]
    sent = translate(user(7, other2=" Dee@Example.com "), rule_of(wish, PLACES))
    assert isinstance(sent, Translated)
    assert {(one.slot, one.value) for one in sent.identities} == {
        ("user_id", "7"),
        ("email", hashed("dee@example.com")),
    }


def test_how_much_goes_out_is_as_wished_or_as_the_destination_has_it() -> None:
    """All or the newest of values and devices, at places and without."""
    newest = Wish((T.EMAIL,), values=Take.NEWEST, devices=Take.NEWEST)
    assert rule_of(newest).slots == (Slot((Wanted(T.EMAIL),), values=Take.NEWEST, devices=Take.NEWEST),)
    assert rule_of(newest, PLACES).slots[0].values is Take.NEWEST
    assert rule_of(Wish((T.CUSTOMER_ID,), values=Take.ALL), PLACES).slots[0].values is Take.ALL


def test_everything_else_is_as_wished() -> None:
    """The settings that are not about places are the rule's; what happens on a change is the destination's if nobody says."""
    members: dict[str, Any] = {
        "excluded": frozenset({T.OTHER}),
        "users": Users.KNOWN,
        "send_anonymous_users": False,
        "consents": frozenset({MARKETING}),
        "numbering": Numbering("49"),
        "send_limited_ad_tracking": True,
        "send_opted_out_users": True,
        "send_unlike_a_person": True,
    }
    add_only = OnIdentityChange.ADD_ONLY
    for said, given_there, expected in (
        (None, add_only, add_only),
        (OnIdentityChange.REMOVE_OLD, add_only, OnIdentityChange.REMOVE_OLD),
        (add_only, OnIdentityChange.REMOVE_OLD, add_only),
    ):
        rule = rule_of(
            Wish((T.EMAIL,), **members, on_identity_change=said), (), Keeps.VALUES, Requirement.ANY, given_there
        )
        expected_rule = Rule(
            (Slot((Wanted(T.EMAIL),)),),
            requirement=Requirement.ANY,
            keeps=Keeps.VALUES,
            on_identity_change=expected,
            **members,
        )
        assert rule == expected_rule


def test_an_encoding_is_used_where_the_destination_takes_it() -> None:
    """Without places any, at places those that they take."""
    assert rule_of(Wish((T.EMAIL,), encoding=SHA1)).slots[0].wanted == (Wanted(T.EMAIL, SHA1),)
    hashed_ids = rule_of(Wish((T.CUSTOMER_ID, T.EMAIL), encoding=SHA256), PLACES)
    assert {one.encoding for slot in hashed_ids.slots for one in slot.wanted} == {SHA256}


@pytest.mark.parametrize(
    ("wish", "places", "found"),
    [
        (Wish(places={"phone": (T.EMAIL,)}), PLACES, [("places.phone", "it has user_id, email, device")]),
        (
            Wish(places={"email": (T.IOS_IDFA,)}),
            PLACES,
            [("places.email", "not take ios_idfa; it takes email or other2")],
        ),
        (
            Wish((T.CUSTOMER_ID,), {"email": (T.EMAIL,)}),
            PLACES,
            [("places.email", "email is not among the identities")],
        ),
        (Wish(places={"email": (T.EMAIL, T.EMAIL)}), PLACES, [("places.email", "twice: email")]),
        (Wish((T.EMAIL, T.TWITTER)), PLACES, [("identities", "no place of the destination takes twitter")]),
        (Wish((T.EMAIL, T.OTHER2)), PLACES, [("identities", "other2 fills no place; it can fill user_id or email")]),
        (Wish((T.EMAIL, T.EMAIL)), PLACES, [("identities", "twice: email")]),
        (Wish((T.EMAIL,), encoding=RAW), PLACES, [("encoding", "email is taken as sha256 only, not as raw")]),
        (Wish(encoding=SHA1), (USER_ID,), [("encoding", "user_id is taken as raw or sha256 only, not as sha1")]),
        (Wish(()), PLACES, [("identities", "nothing is left to send")]),
        (Wish(places={"user_id": ()}), (USER_ID,), [("identities", "nothing is left to send")]),
        (Wish(excluded=frozenset({T.EMAIL})), (EMAIL,), [("excluded", "nothing is left to send")]),
        (Wish((T.EMAIL,), excluded=frozenset({T.EMAIL})), (), [("excluded", "nothing can ever be sent")]),
        (Wish((MPID,), send_anonymous_users=False), (), [("send_anonymous_users", "only the MPID")]),
        (Wish(), (), [("identities", "say which types go out")]),
        (Wish((T.EMAIL,), {"email": (T.EMAIL,)}), (), [("places.email", "has no places")]),
    ],
)
def test_nothing_is_passed_over_in_silence(wish: Wish, places: tuple[Place, ...], found: list[tuple[str, str]]) -> None:
    """What the destination does not have or take, and what would go nowhere, is refused with its member and a sentence."""
    told = faults(wish, *places)
    assert [member for member, _ in told] == [member for member, _ in found]
    assert all(part in sentence for (_, sentence), (_, part) in zip(told, found, strict=True))


def test_all_faults_are_told_at_once() -> None:
    """Faults of places, types, encoding and general settings come together."""
    wish = Wish(
        (T.EMAIL, T.TWITTER), {"phone": (), "device": (T.EMAIL,)}, SHA1, numbering=Numbering("0"), users=Users.KNOWN
    )
    members = [member for member, _ in faults(wish, *PLACES)]
    assert members == ["places.phone", "places.device", "identities", "encoding", "encoding", "numbering.calling_code"]


def test_a_place_that_must_be_filled_is() -> None:
    """Of required places each has to be filled, or any where that is enough for the destination."""
    needed = Place("id", frozenset({T.CUSTOMER_ID}), (T.CUSTOMER_ID,), required=True)
    other = Place("email", frozenset({T.EMAIL}), (T.EMAIL,), required=True)
    wish = Wish((T.EMAIL,))
    assert faults(wish, needed, other) == [("places.id", "the destination needs it to be filled")]
    rule = rule_of(wish, (needed, other), requirement=Requirement.ANY)
    assert [slot.required for slot in rule.slots] == [True]
    assert rule.requirement is Requirement.ANY
    nothing = faults(Wish(()), needed, other, requirement=Requirement.ANY)
    assert [member for member, _ in nothing] == ["identities", "places.id", "places.email"]
    shut = Wish(excluded=frozenset({T.CUSTOMER_ID}))
    assert faults(shut, needed, other) == [("places.id", "the destination needs it to be filled")]


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""},
        {"accepts": frozenset()},
        {"usual": (T.EMAIL,)},
        {"encoding": SHA256},
        {"accepts": frozenset({T.EMAIL, MPID}), "form": Form.EMAIL},
    ],
)
def test_a_place_that_contradicts_itself_is_none(members: dict[str, Any]) -> None:
    """A place accepts what usually fills it, in the encoding and form in which it is usually written."""
    with pytest.raises(InvalidPlace):
        Place(**{"name": "id", "accepts": frozenset({MPID}), **members})


@st.composite
def drawn_places(draw: st.DrawFn) -> tuple[Place, ...]:
    """Draw the places of a destination; none at all is one that takes everything."""
    drawn: list[Place] = []
    for number in range(draw(st.integers(0, 3))):
        accepts = draw(st.frozensets(st.sampled_from(TARGETS), min_size=1))
        usual = draw(st.lists(st.sampled_from(sorted(accepts)), unique=True))
        encodings = draw(st.frozensets(st.sampled_from(Encoding), min_size=1))
        forms = frozenset.intersection(*(forms_of(one) for one in accepts)) - {Form.DIGEST}
        drawn.append(
            Place(
                f"place {number}",
                accepts,
                tuple(usual),
                draw(st.sampled_from(sorted(encodings))),
                encodings,
                draw(st.none() | st.sampled_from(sorted(forms))),
                draw(st.sampled_from(Choice)),
                draw(st.sampled_from(Take)),
                draw(st.booleans()),
            )
        )
    return tuple(drawn)


targets = st.lists(st.sampled_from(TARGETS), unique=True, max_size=4).map(tuple)


@st.composite
def drawn_wishes(draw: st.DrawFn, places: tuple[Place, ...]) -> Wish:
    """Draw a wish: mostly one that could be met at the places, sometimes any."""
    if draw(st.integers(0, 3)) == 0:
        names = st.sampled_from([*(place.name for place in places), "elsewhere"])
        identities = draw(st.none() | targets)
        chains = draw(st.dictionaries(names, targets, max_size=2))
        encoding = draw(st.none() | st.sampled_from(Encoding))
    else:
        fitting = {
            place.name: st.lists(st.sampled_from(sorted(place.accepts)), unique=True).map(tuple) for place in places
        }
        identities = None if places else draw(st.lists(st.sampled_from(TARGETS), unique=True, min_size=1).map(tuple))
        chains = draw(st.fixed_dictionaries({}, optional=fitting))
        shared = frozenset(Encoding).intersection(*(place.encodings for place in places))
        encoding = draw(st.none() | st.sampled_from(sorted(shared))) if shared else None
    return Wish(
        identities,
        chains,
        encoding,
        draw(st.none() | st.sampled_from(Take)),
        draw(st.none() | st.sampled_from(Take)),
        draw(st.frozensets(st.sampled_from(TARGETS), max_size=1)),
        send_anonymous_users=draw(st.booleans()),
        consents=draw(st.sampled_from([frozenset[Purpose](), frozenset({SALE}), frozenset({MARKETING})])),
        numbering=draw(st.sampled_from([Numbering(), Numbering("49")])),
        send_limited_ad_tracking=draw(st.booleans()),
        send_unlike_a_person=draw(st.booleans()),
        on_identity_change=draw(st.none() | st.sampled_from(OnIdentityChange)),
    )


@settings(max_examples=300)
@given(st.data(), drawn_places(), views(), st.sampled_from(Keeps), st.sampled_from(Requirement))
def test_a_rule_sends_what_was_wished_where_and_how_it_is_taken(
    data: st.DataObject, places: tuple[Place, ...], view: Any, keeps: Keeps, requirement: Requirement
) -> None:
    """Whatever goes out is of a wished type, at a place that accepts it, in an encoding that it takes; or the wish is refused with reasons."""
    wish = data.draw(drawn_wishes(places))
    rule = made(wish, places, keeps, requirement)
    if isinstance(rule, tuple):
        event("refused")
        assert rule
        assert all(fault.sentence and not fault.member.startswith("slots") for fault in rule)
        return
    by_name = {place.name: place for place in places}
    assert rule.keeps is keeps
    for slot in rule.slots:
        place = by_name.get(slot.label)
        assert (place is None) == (not places)
        for one in slot.wanted:
            assert wish.identities is None or one.target in wish.identities
            assert place is None or (one.target in place.accepts and one.encoding in place.encodings)
            assert wish.encoding in (None, one.encoding)
    sent = translate(view, rule)
    event(type(sent).__name__)
    for going in sent.identities if isinstance(sent, Translated) else ():
        assert going.target not in wish.excluded
        assert wish.identities is None or going.target in wish.identities
        assert not places or going.encoding in by_name[going.slot].encodings


@given(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True).map(tuple))
def test_every_wished_type_goes_out_somewhere(identities: tuple[Target, ...]) -> None:
    """Of a wish that is not refused no type is left aside."""
    for places in ((), PLACES):
        rule = made(Wish(identities), places)
        if isinstance(rule, tuple):
            continue
        assert {one.target for slot in rule.slots for one in slot.wanted} == set(identities)
