"""What is counted of an audience that goes to several outputs: each gets what it needs, and the rest is explained."""

from dataclasses import replace

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Skipped, Translated
from knownas.core.translation.reason import Reason
from knownas.core.translation.report import Why, report_of
from knownas.core.translation.rule import Rule, Slot, Take, Wanted, wanting
from knownas.core.translation.target import MPID
from knownas.core.translation.translate import translate
from tests.core.translation.profiles import hashed, idfa, phone, user

T = IdentityType
MEMBERS = [
    user(
        number,
        phone((T.IOS_IDFA, idfa(number)), stamp=f"das-{number}"),
        **({"email": f"Member{number}@Example.com"} if number <= 65 else {}),
    )
    for number in range(1, 101)
]
ADS = wanting(T.IOS_IDFA)
MAIL = wanting(T.EMAIL, encoding=Encoding.SHA256)


def test_one_audience_reaches_each_output_with_the_identity_that_it_needs() -> None:
    """Of 100 members with an IDFA and 65 with an e-mail, A gets 100 IDFAs, B 65 digests, and 35 skips are explained."""
    ads = [translate(one, ADS) for one in MEMBERS]
    assert report_of(ads) == (100, 100, {("ios_idfa", T.IOS_IDFA): 100}, {}, {})
    assert {value.value for one in ads if isinstance(one, Translated) for value in one.identities} == {
        idfa(number) for number in range(1, 101)
    }
    mail = [translate(one, MAIL) for one in MEMBERS]
    report = report_of(mail)
    why = Why(Reason.NO_IDENTITY, "email")
    assert report == (100, 65, {("email", T.EMAIL): 65}, {why: 35}, {})
    assert (why.reason.value, why.sentence) == ("no_identity", "has no email")
    sent = [value for one in mail if isinstance(one, Translated) for value in one.identities]
    assert {value.value for value in sent} == {hashed(f"member{number}@example.com") for number in range(1, 66)}
    assert {value.encoding for value in sent} == {Encoding.SHA256}
    assert [one.mpid for one in mail if isinstance(one, Skipped)] == list(range(66, 101))


def test_two_devices_are_two_identities() -> None:
    """A member with two phones is sent with two IDFAs, or with the one of the phone seen last where the output wants one."""
    both = replace(
        MEMBERS[0], devices=(*MEMBERS[0].devices, phone((T.IOS_IDFA, idfa(999)), seen_ms=2, stamp="another"))
    )
    assert report_of([translate(both, ADS)]).identities == {("ios_idfa", T.IOS_IDFA): 2}
    latest = Rule((Slot((Wanted(T.IOS_IDFA),), devices=Take.NEWEST),))
    translated = translate(both, latest)
    assert isinstance(translated, Translated)
    assert [one.value for one in translated.identities] == [idfa(999)]


def test_values_left_out_of_members_who_are_sent_are_counted() -> None:
    """A member who is sent by another identity is no skip, and what could not be sent of them is counted as well."""
    rule = Rule(wanting(T.MOBILE_NUMBER, MPID).slots)
    report = report_of([translate(user(1, mobile_number="call me"), rule), translate(user(2), rule)])
    assert (report.sent, report.skipped) == (2, {})
    assert report.left_out == {Why(Reason.NO_PHONE, "mobile_number"): 1}
