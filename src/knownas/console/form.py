"""Reads what a browser sends with a form, or in the query of an address, within limits."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from knownas.console.limits import FIELD_CHARACTERS_MAX, FORM_BYTES_MAX, FORM_FIELDS_MAX, QUERY_BYTES_MAX
from knownas.console.refusal import Refusal, not_taken, too_long

_ENCODED: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a form or query, each with all of its values. One that is not there counts as empty."""

    values: Mapping[str, tuple[str, ...]]

    def text(self, name: str, most: int = FIELD_CHARACTERS_MAX) -> str:
        """Return a field without the blanks around it; "" if it is not there.

        Raises:
            Refusal: it is longer than `most` characters, there twice, or not text.
        """
        return self.raw(name, most).strip()

    def raw(self, name: str, most: int = FIELD_CHARACTERS_MAX) -> str:
        """Return a field to the letter, as passwords and identities are; raises what `text` raises."""
        first, *others = self.values.get(name) or ("",)
        if others:
            raise not_taken(f"The field {name} stands there twice.")
        if len(first) > most:
            raise not_taken(f"The field {name} may have {most:,} characters.")
        if "\0" in first:
            raise not_taken(f"The field {name} holds a character that no text has.")
        return first

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, such as those of boxes that were ticked."""
        return self.values.get(name, ())

    def is_on(self, name: str) -> bool:
        """Whether a box was ticked."""
        return bool(self.values.get(name))


NO_FIELDS: Final = Fields(MappingProxyType({}))


async def read_form(content_type: str, parts: AsyncIterator[bytes]) -> Fields:
    """Read a form.

    Raises:
        Refusal: it is too long, or no form.
    """
    if content_type.partition(";")[0].strip().lower() != _ENCODED:
        raise Refusal(415, "unknown_encoding", "This is not sent as a form is.", "Send the form of the page.")
    body = b""
    async for part in parts:
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise too_long(f"A form may have {FORM_BYTES_MAX:,} bytes.")
    return _fields(body)


def read_query(query: bytes) -> Fields:
    """Read the query of an address.

    Raises:
        Refusal: it is too long, or none.
    """
    if len(query) > QUERY_BYTES_MAX:
        raise Refusal(
            414, "query_too_long", f"An address may ask with {QUERY_BYTES_MAX:,} bytes.", "Ask for less at once."
        )
    return _fields(query)


def _fields(encoded: bytes) -> Fields:
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        # What can't be read may hold a password, so it is not quoted.
        raise not_taken("What was sent can't be read.") from None
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    return Fields(fields)
