"""What the page about identity translation states in tables is what the core does."""

import re

import pytest

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form, written
from knownas.core.translation.outcome import Translated
from knownas.core.translation.phone import NO_COUNTRY, Numbering
from knownas.core.translation.reason import SENTENCES, Reason
from knownas.core.translation.rule import Rule, Slot, Wanted
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "explanation" / "identity-translation.md").read_text(encoding="utf-8")


def test_every_reason_has_its_line_and_its_sentence() -> None:
    """The table has each reason once, with the sentence that is said."""
    part = PAGE.partition("## Why somebody was skipped\n")[2].partition("\nThe first that applies")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE))
    told = {
        reason.value: SENTENCES[reason].format("*purpose*" if "consent" in reason.value else "*type*")
        for reason in Reason
    }
    assert rows == told


@pytest.mark.parametrize(
    ("form", "numbering"),
    [
        (Form.EMAIL, NO_COUNTRY),
        (Form.EMAIL_GOOGLE, NO_COUNTRY),
        (Form.E164, Numbering("49")),
    ],
)
def test_each_example_of_a_form_comes_out_as_told(form: Form, numbering: Numbering) -> None:
    """What the table shows of a form is how values are written."""
    shown = {
        Form.EMAIL: r"^\| e-mail \|.*\| `␣(\S+)` → `(\S+)` \|",
        Form.EMAIL_GOOGLE: r"^\| e-mail, `email_google` \|.*\| `(\S+)` → `(\S+)` \|",
        Form.E164: r"^\| the three phones \|.*\| `([^`]+)` in Germany → `(\S+)` \|",
    }
    found = re.search(shown[form], PAGE, re.MULTILINE)
    assert found is not None
    assert written(f" {found[1]}", form, Encoding.RAW, numbering) == found[2]


def test_the_number_that_reads_two_ways_does() -> None:
    """The example of a number that may be two is refused as the page says."""
    found = re.search(
        r"`phone_reads_two_ways`, since the other one\nis somebody else's: `([^`]+)` in Italy \(\+(\d+)\)", PAGE
    )
    assert found is not None
    assert written(found[1], Form.E164, Encoding.RAW, Numbering(found[2])) is Reason.READS_TWO_WAYS


def test_another_type_fills_the_e_mail_field() -> None:
    """An `other2` that holds addresses fills the slot for them, as the page says."""
    rule = Rule((Slot((Wanted(IdentityType.OTHER2, form=Form.EMAIL),), "email"),))
    view = ProfileView(1, known=True, identities={IdentityType.OTHER2: ("Ann@Example.com",)})
    translated = translate(view, rule)
    assert isinstance(translated, Translated)
    (sent,) = translated.identities
    assert (sent.slot, sent.value) == ("email", "ann@example.com")
