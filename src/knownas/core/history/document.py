"""Turns counterfactuals into plain JSON-ready values, as `core.identity.document` does with decisions."""

from knownas.core.history.counterfactual import Case, Counterfactual
from knownas.core.history.counterfactual_story import case_sentence
from knownas.core.identity.decision import Outcome
from knownas.core.identity.document import Document, outcome_document
from knownas.core.identity.phrases import NOT_MADE

PREVIOUS_MPID = "previous_mpid"
"""Stands in the place of a type where the previous MPID is meant, which is no identity."""


def counterfactual_document(told: Counterfactual) -> Document:
    """Show a counterfactual whole: every case, whether or not it changes the answer."""
    return {
        "over": told.over,
        "untold": told.untold,
        "cases": [_case_document(case) for case in told.cases],
    }


def _case_document(case: Case) -> Document:
    one, previous = case.supposed.identity, case.supposed.previous_mpid
    answers = [_outcome(outcome) for outcome in case.answers]
    return {
        "type": PREVIOUS_MPID if one is None else one.type,
        "value": str(previous) if one is None else one.value,
        "had_been": case.supposed.had_been,
        "changes_answer": case.changes_answer,
        "answer": answers[0] if len(answers) == 1 else None,
        "possible": answers if len(answers) > 1 else [],
        "untold": case.untold,
        "sentence": case_sentence(case),
    }


def _outcome(outcome: Outcome) -> Document:
    """Show an outcome; a profile that would be made has no MPID yet."""
    document = outcome_document(outcome)
    return {**document, "mpid": None} if document.get("mpid") == str(NOT_MADE) else document
