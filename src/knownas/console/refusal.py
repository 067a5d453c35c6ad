"""Holds how a page is refused: a status, a stable code, a sentence, and what to do."""

from http import HTTPStatus
from typing import Final

from knownas.config.console_access import ConsoleRole
from knownas.console.rights import RIGHT_WORDS, RIGHTS, Right


class Refusal(Exception):
    """Ends a request with an error page. `advice` says what to do about it."""

    def __init__(self, status: int, code: str, sentence: str, advice: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.advice = advice


_AGAIN: Final = "Try again in a moment. If it stays like this, look at the server's log and at /readyz."


def unknown_page() -> Refusal:
    """Return the refusal of an address at which there is nothing."""
    return Refusal(
        HTTPStatus.NOT_FOUND, "unknown_path", "There is nothing at this address.", "Begin at the first page."
    )


def not_allowed(right: Right) -> Refusal:
    """Return the refusal of something that the visitor's roles may not do."""
    roles = ", ".join(role.value.replace("_", " ") for role in ConsoleRole if right in RIGHTS[role])
    return Refusal(
        HTTPStatus.FORBIDDEN,
        "right_missing",
        f"Your role may not {RIGHT_WORDS[right]}.",
        f"These may: {roles}. Whoever keeps the server's configuration gives roles.",
    )


def signed_out() -> Refusal:
    """Return the refusal of a form whose sender is not signed in any more."""
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "session_ended",
        "You are not signed in any more, and nothing was changed.",
        "Sign in, go back to the form, and send it again.",
    )


def foreign_form() -> Refusal:
    """Return the refusal of a form that was not sent from a page of this console."""
    return Refusal(
        HTTPStatus.FORBIDDEN,
        "foreign_form",
        "This did not come from a page of this console in this session, and nothing was changed.",
        "Open the page here and send its form. Behind a proxy that changes the host, set console.base_url.",
    )


def not_taken(sentence: str) -> Refusal:
    """Return the refusal of a form or query that can't be read; the sentence says why."""
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid_field", sentence, "Go back and change what you have entered.")


def too_long(sentence: str) -> Refusal:
    """Return the refusal of a form that is longer than any that is taken."""
    advice = "Go back and send less."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_long", sentence, advice)


def overloaded() -> Refusal:
    """Return the refusal of what would have to wait behind too many others."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "The server is busy.", _AGAIN)


def late(code: str, *, may_have_changed: bool) -> Refusal:
    """Return the refusal of what has no answer in time."""
    sentence, advice = "The server has no answer yet.", _AGAIN
    if may_have_changed:
        sentence = "The server has not said in time whether the change was kept."
        advice = "Look at the page again before you send the form again."
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, code, sentence, advice)


def store_failed(code: str) -> Refusal:
    """Return the refusal of what the store could not do."""
    sentence = "The store could not do it; nothing was changed."
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR, code, sentence, "Look at the server's log: an operator has to act."
    )


def broken() -> Refusal:
    """Return the refusal for a fault of the server."""
    sentence = "An error happened that nobody has expected."
    advice = "The server's log has more. Please report it to whoever keeps the server."
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", sentence, advice)
