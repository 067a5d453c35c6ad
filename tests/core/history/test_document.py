"""A counterfactual is shown whole, in plain values."""

import json

from knownas.core.history.counterfactual import Case, Counterfactual, HadBeen, Over, Supposition
from knownas.core.history.document import counterfactual_document
from knownas.core.history.recollection import Untold
from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.phrases import NOT_MADE

EMAIL = Identity(IdentityType.EMAIL, "e")


def test_every_case_has_both_forms() -> None:
    """Each case shows what is supposed, the answer, whether it is another, and the sentence for people."""
    new = Created(NOT_MADE, known=False)
    cases = (Case(Supposition(HadBeen.ABSENT, EMAIL), (new,), changes_answer=True),)

    document = counterfactual_document(Counterfactual(Over.DECISION, cases))

    assert json.loads(json.dumps(document)) == {
        "over": "records_of_the_decision",
        "untold": None,
        "cases": [
            {
                "type": "email",
                "value": "e",
                "had_been": "absent",
                "changes_answer": True,
                "answer": {"kind": "created", "mpid": None, "known": False, "source_mpid": None},
                "possible": [],
                "untold": None,
                "sentence": "Without email e, a new anonymous profile would have been made.",
            }
        ],
    }


def test_several_answers_are_possible_ones() -> None:
    """Where the answer is one of several, none is called the answer; the previous MPID is named as such."""
    answers = (Returned(-(2**63), known=True), Returned(2, known=False))
    cases = (Case(Supposition(HadBeen.ABSENT, None, 2**63 - 1), answers, changes_answer=None),)

    (case,) = json.loads(json.dumps(counterfactual_document(Counterfactual(Over.NOW, cases))))["cases"]

    assert (case["type"], case["value"], case["answer"]) == ("previous_mpid", str(2**63 - 1), None)
    assert [one["mpid"] for one in case["possible"]] == [str(-(2**63)), "2"]


def test_what_is_not_told_says_why() -> None:
    """Without cases, the reason stands in their place."""
    document = counterfactual_document(Counterfactual(None, untold=Untold.RECORDS_CHANGED))

    assert json.loads(json.dumps(document)) == {"over": None, "untold": "records_have_changed", "cases": []}
