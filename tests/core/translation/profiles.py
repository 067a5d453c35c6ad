"""Profiles and rules for the tests of translation: examples, and what Hypothesis draws."""

from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.consent import CCPA_PURPOSE, Consent, Purpose, Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form, forms_of
from knownas.core.translation.phone import Numbering
from knownas.core.translation.rule import Choice, InvalidRule, Requirement, Rule, Slot, Take, Users, Wanted
from knownas.core.translation.target import MPID, Target
from knownas.core.translation.view import DeviceView, ProfileView

T = IdentityType
MARKETING = Purpose(Regulation.GDPR, "marketing")
SALE = Purpose(Regulation.CCPA, CCPA_PURPOSE)
NOBODY = "00000000-0000-0000-0000-000000000000"

TARGETS: tuple[Target, ...] = (
    T.EMAIL,
    T.CUSTOMER_ID,
    T.OTHER2,
    T.MOBILE_NUMBER,
    T.IOS_IDFA,
    T.IOS_IDFV,
    T.DEVICE_APPLICATION_STAMP,
    MPID,
)


def hashed(text: str) -> str:
    """Return the SHA-256 digest of a text, as destinations want it."""
    return sha256(text.encode()).hexdigest()


def idfa(number: int) -> str:
    """Return an id for advertising, as an iPhone writes it."""
    return str(UUID(int=0x1234567890AB << 64 | number)).upper()


def phone(
    *ids: tuple[IdentityType, str], seen_ms: int = 1, limited: bool | None = None, stamp: str | None = None
) -> DeviceView:
    """Return an iPhone."""
    return DeviceView(stamp, "iOS", dict(ids), seen_ms, limited)


def user(mpid: int = 1, *devices: DeviceView, known: bool = True, **identities: str | tuple[str, ...]) -> ProfileView:
    """Return a profile with identities by their IDSync names."""
    values = {T(name): (held,) if isinstance(held, str) else held for name, held in identities.items()}
    return ProfileView(mpid, known, values, devices)


VALUES: dict[IdentityType, list[str]] = {
    T.EMAIL: [
        "ann@example.com",
        " Ann@Example.com",
        "bob@example.org",
        "no address",
        "guest@example.com",
        hashed("x@y.z"),
    ],
    T.CUSTOMER_ID: ["c1", "C2", "null"],
    T.OTHER2: ["dee@example.com", hashed("dee@example.com"), "o-1"],
    T.MOBILE_NUMBER: ["+49 30 123456", "0049 30 123456", "030 123456", "12", "call me"],
    T.IOS_IDFA: [idfa(1), idfa(2), idfa(1).lower(), NOBODY],
    T.IOS_IDFV: [idfa(7), idfa(8)],
    T.DEVICE_APPLICATION_STAMP: ["das-1", "das-2"],
}
DEVICE_IDS = (T.IOS_IDFA, T.IOS_IDFV)


def _several(kind: IdentityType) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(VALUES[kind]), unique=True, min_size=1, max_size=3).map(tuple)


devices = st.builds(
    DeviceView,
    st.none() | st.sampled_from(VALUES[T.DEVICE_APPLICATION_STAMP]),
    st.sampled_from(["iOS", None]),
    st.fixed_dictionaries({}, optional={kind: st.sampled_from(VALUES[kind]) for kind in DEVICE_IDS}),
    st.integers(0, 3),
    st.sampled_from([None, True, False]),
)

consents = st.fixed_dictionaries(
    {}, optional={purpose: st.builds(Consent, st.booleans(), st.just(1)) for purpose in (MARKETING, SALE)}
)


def views(mpids: Iterable[int] = (1,)) -> st.SearchStrategy[ProfileView]:
    """Draw profiles."""
    return st.builds(
        ProfileView,
        st.sampled_from(list(mpids)),
        st.booleans(),
        st.fixed_dictionaries({}, optional={kind: _several(kind) for kind in VALUES}),
        st.lists(devices, max_size=3).map(tuple),
        consents,
        st.sampled_from([False, False, False, True]),
    )


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    """Draw an identity that may fill a slot."""
    target = draw(st.sampled_from(TARGETS))
    encoding = draw(st.sampled_from(Encoding))
    forms = sorted(forms_of(target) - (frozenset({Form.DIGEST}) if encoding is Encoding.RAW else frozenset()))
    return Wanted(target, encoding, draw(st.none() | st.sampled_from(forms)))


slots = st.builds(
    Slot,
    st.lists(wanted(), min_size=1, max_size=3, unique=True).map(tuple),
    st.none(),
    st.sampled_from(Choice),
    st.sampled_from(Take),
    st.sampled_from(Take),
    st.booleans(),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw rules that could send something."""
    drawn = draw(st.lists(slots, min_size=1, max_size=3))
    named = tuple(
        Slot(one.wanted, f"slot {place}", one.choice, one.values, one.devices, one.required)
        for place, one in enumerate(drawn)
    )
    excluded = draw(st.frozensets(st.sampled_from(TARGETS), max_size=2))
    members = {
        "requirement": draw(st.sampled_from(Requirement)),
        "users": draw(st.sampled_from(Users)),
        "send_anonymous_users": draw(st.booleans()),
        "consents": draw(st.frozensets(st.sampled_from([MARKETING, SALE]), max_size=1)),
        "numbering": draw(st.sampled_from([Numbering(), Numbering("49"), Numbering(plus_left_out=True)])),
        "send_limited_ad_tracking": draw(st.booleans()),
        "send_opted_out_users": draw(st.booleans()),
        "send_unlike_a_person": draw(st.booleans()),
    }
    try:
        return Rule(named, excluded, **members)
    except InvalidRule:
        # Everything that it wants is excluded.
        return Rule(named, frozenset(), **{**members, "send_anonymous_users": True})
