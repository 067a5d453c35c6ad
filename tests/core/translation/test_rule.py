"""What a rule of a connection may say."""

from typing import Any

import pytest

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.consent import CCPA_PURPOSE, Purpose, Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form
from knownas.core.translation.limits import CONSENTS_NEEDED_MAX, SLOTS_MAX, WANTED_MAX
from knownas.core.translation.phone import Numbering
from knownas.core.translation.rule import Choice, InvalidRule, Rule, RuleFault, Slot, Wanted, listed, wanting
from knownas.core.translation.target import MPID

T = IdentityType
EMAIL = Slot((Wanted(T.EMAIL),))


def faults(*slots: Slot, **members: Any) -> list[tuple[str, str]]:
    """Return what is wrong with a rule."""
    with pytest.raises(InvalidRule) as refused:
        Rule(slots, **members)
    assert all(isinstance(fault, RuleFault) for fault in refused.value.faults)
    return [(fault.member, fault.sentence) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("slots", "members", "member", "why"),
    [
        ((), {}, "slots", "1 to"),
        (tuple(Slot((Wanted(T.EMAIL),), str(number)) for number in range(SLOTS_MAX + 1)), {}, "slots", "1 to"),
        ((EMAIL, EMAIL), {}, "slots", "twice: email"),
        ((Slot(()),), {}, "slots[0].wanted", "1 to"),
        ((EMAIL, Slot((Wanted(T.OTHER),) * 2)), {}, "slots[1].wanted", "once"),
        ((Slot(tuple(Wanted(T.EMAIL) for _ in range(WANTED_MAX + 1))),), {}, "slots[0].wanted", "1 to"),
        ((Slot((Wanted(T.EMAIL),), ""),), {}, "slots[0].name", "1 to"),
        ((Slot((Wanted(T.EMAIL),), "a" * 101),), {}, "slots[0].name", "1 to"),
        ((Slot((Wanted(T.EMAIL, form=Form.E164),)),), {}, "slots[0].wanted[0].form", "email has no form e164"),
        ((Slot((Wanted(T.MOBILE_NUMBER, form=Form.EMAIL),)),), {}, "slots[0].wanted[0].form", "no form email"),
        ((Slot((Wanted(T.IOS_IDFA, form=Form.DIGEST),)),), {}, "slots[0].wanted[0].form", "no form digest"),
        ((Slot((Wanted(MPID, form=Form.LOWER),)),), {}, "slots[0].wanted[0].form", "allowed: exact"),
        ((Slot((Wanted(T.OTHER, form=Form.DIGEST),)),), {}, "slots[0].wanted[0].form", "name which in encoding"),
        ((EMAIL,), {"excluded": frozenset({T.EMAIL})}, "excluded", "nothing can ever be sent"),
        (
            (EMAIL, Slot((Wanted(T.OTHER),), required=True)),
            {"excluded": frozenset({T.OTHER})},
            "slots[1].required",
            "nobody could ever be sent",
        ),
        ((Slot((Wanted(MPID),)),), {"send_anonymous_users": False}, "send_anonymous_users", "nobody"),
        ((EMAIL,), {"consents": frozenset({Purpose(Regulation.CCPA, "sale")})}, "consents", CCPA_PURPOSE),
        (
            (EMAIL,),
            {"consents": frozenset(Purpose(Regulation.GDPR, str(one)) for one in range(CONSENTS_NEEDED_MAX + 1))},
            "consents",
            "20 purposes",
        ),
        ((EMAIL,), {"numbering": Numbering("+49")}, "numbering.calling_code", "no country's"),
        ((EMAIL,), {"numbering": Numbering("49", plus_left_out=True)}, "numbering.plus_left_out", "either"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_rule_that_makes_no_sense_is_refused(
    slots: tuple[Slot, ...], members: dict[str, Any], member: str, why: str
) -> None:
    """Whatever contradicts itself or could never send anything is refused, with the member and a sentence."""
    assert any(at == member and why in sentence for at, sentence in faults(*slots, **members))


def test_all_faults_are_told_at_once() -> None:
    """A rule with several faults names each, and its message has them all."""
    found = faults(
        Slot((Wanted(T.EMAIL, form=Form.E164),)), Slot(()), excluded=frozenset({T.EMAIL}), numbering=Numbering("0")
    )
    assert [member for member, _ in found] == [
        "slots[0].wanted[0].form",
        "slots[1].wanted",
        "excluded",
        "numbering.calling_code",
    ]
    with pytest.raises(InvalidRule, match=r"slots: .*; .*consents"):
        Rule((), consents=frozenset({Purpose(Regulation.CCPA, "sale")}))


def test_what_the_vendor_offers_can_be_said() -> None:
    """External id with a fallback chain, an e-mail field filled by another type, and switches by type are rules (platform §7.2)."""
    chain = tuple(Wanted(one) for one in (T.CUSTOMER_ID, T.IOS_IDFV, T.DEVICE_APPLICATION_STAMP, MPID))
    rule = Rule(
        (
            Slot(chain, "external_id", required=True),
            Slot((Wanted(T.OTHER2, Encoding.SHA256, Form.EMAIL),), "email"),
            Slot((Wanted(T.IOS_IDFA), Wanted(T.ANDROID_AAID)), "ads", Choice.ALL),
        ),
        frozenset({T.ANDROID_AAID}),
    )
    assert [slot.label for slot in rule.slots] == ["external_id", "email", "ads"]
    assert rule.slots[0].types == "customerid, ios_idfv, device_application_stamp or mpid"
    assert wanting(T.EMAIL, T.IOS_IDFA).slots[1].label == "ios_idfa"


def test_types_are_listed_once() -> None:
    """A sentence names each type once."""
    assert listed([T.EMAIL, T.EMAIL]) == "email"
    assert listed([T.EMAIL, MPID]) == "email or mpid"
    assert listed([]) == ""
