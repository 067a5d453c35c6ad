"""Holds the schema of an audience's definition against the reader of definitions: each takes what the other takes."""

import copy
from random import Random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from knownas.api.schema_parts import ref
from knownas.api.schemas_definition import DEFINITION, definition_schemas
from knownas.core.audience.field import IDENTITY_NAMES, Model, field_of
from knownas.core.audience.reading import read_definition
from tests.core.audience.drawn import definitions

SAID_IN_WORDS = ("alias", "a date or a time", "parts within", "parts")
"""What faults tell of that the schema can't say: aliases of steps, dates of the calendar, the size of the whole."""

SCHEMA = {**ref(DEFINITION), "components": {"schemas": definition_schemas()}}
FITS = Draft202012Validator(SCHEMA, format_checker=FormatChecker(["date"]))
FITS_FIELD = Draft202012Validator({**SCHEMA, **ref("AudienceField")})
STRANGE = (None, "", 0, 2**63, True, [], {}, "equals", "and", "user", "events", {"model": "user"}, {"audience": "1"})
WORDS = st.sampled_from(
    (
        "gdpr",
        "ccpa",
        "data_sale_opt_out",
        "timestamp",
        "document",
        "attributes",
        "mail",
        "name",
        "publisher",
        "email",
        "",
    )
)
PATHS = st.one_of(st.lists(WORDS, max_size=4).map(".".join), st.text(max_size=3), st.just("x" * 513))


def mended(definition: Any, chance: Random) -> Any:
    """Return a definition with something strange, or with a part of another place, in a place of it."""
    changed = copy.deepcopy(definition)
    places = [(changed, name) for name in changed]
    for within, name in places:
        inner = within[name]
        names = inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        places += [(inner, one) for one in names]
    within, name = chance.choice(places)
    other, from_name = chance.choice(places)
    match chance.randrange(4):
        case 0:
            within[name] = chance.choice(STRANGE)
        case 1 if isinstance(within, dict):
            del within[name]
        case 2 if isinstance(within, dict):
            within["strange"] = 1
        case _:
            within[name] = copy.deepcopy(other[from_name])
    return changed


@given(definitions())
def test_what_can_be_asked_fits_the_schema(definition: Any) -> None:
    """No definition that the reader takes is called wrong by the schema, on which users' editors rely."""
    FITS.validate(definition)


@given(definitions(), st.integers(0, 2**40))
def test_a_spoilt_definition_is_refused_by_both_or_by_none(definition: Any, number: int) -> None:
    """What the schema lets pass the reader takes, but for what the schema only says in words; and the other way round."""
    spoilt = mended(definition, Random(number))
    read = read_definition(spoilt)
    if not isinstance(read, tuple):
        FITS.validate(spoilt)
    elif FITS.is_valid(spoilt):
        assert all(any(word in f"{one.place} {one.sentence}" for word in SAID_IN_WORDS) for one in read), read


@given(st.sampled_from(Model), st.one_of(PATHS, st.sampled_from(sorted(IDENTITY_NAMES[Model.USER_IDENTITIES]))))
@example(Model.CONSENT, "gdpr.timestamp")
@example(Model.CONSENT, "gdpr..timestamp")
@example(Model.CONSENT, "gdpr.timestamp.timestamp")
@example(Model.EVENTS, "attributes.")
@example(Model.EVENTS, "attributes..")
def test_a_path_means_something_if_the_schema_has_it(model: Model, path: str) -> None:
    """The patterns of the paths say what `field_of` does."""
    assert FITS_FIELD.is_valid({"model": model.value, "path": path}) == (not isinstance(field_of(model, path), str))
