"""Sections are written down and read back as they were."""

import json

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import DEVICE_TYPES
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.document import section_document, section_from
from knownas.core.profile.event import Attribution
from knownas.core.profile.section import Section

names = st.text(max_size=6)
times = st.integers(0, 2**53)
maybe = st.none() | names
scalars = names | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | scalars | st.lists(scalars, max_size=3).map(tuple)
documents = st.dictionaries(names, st.lists(scalars, max_size=2) | scalars, max_size=3)

sections = st.builds(
    Section,
    first_seen_ms=times,
    last_seen_ms=times,
    attributes=st.dictionaries(names, st.builds(Attribute, values, times), max_size=4),
    consents=st.dictionaries(
        st.builds(Purpose, st.sampled_from(Regulation), names),
        st.builds(Consent, st.booleans(), times, maybe, maybe, maybe),
        max_size=4,
    ),
    devices=st.lists(
        st.builds(
            Device,
            maybe,
            maybe,
            st.dictionaries(st.sampled_from(sorted(DEVICE_TYPES)), names, max_size=3),
            st.dictionaries(names, scalars, max_size=3),
            times,
            times,
        ),
        max_size=3,
    ).map(tuple),
    attributions=st.lists(st.builds(Attribution, names, names, times), max_size=3).map(tuple),
    opted_out=st.booleans(),
    inputs=st.dictionaries(names, times, max_size=3),
    calculated=st.dictionaries(names, documents, max_size=3),
    notes=st.lists(names, max_size=3).map(tuple),
    opted_out_ms=times,
)


@given(sections)
def test_a_section_comes_back_as_it_was(section: Section) -> None:
    """What is written as JSON and read again is the same section, in the same types."""
    assert section_from(json.loads(json.dumps(section_document(section)))) == section


@given(sections)
def test_the_same_section_is_the_same_document(section: Section) -> None:
    """Writing, reading and writing again gives the same document."""
    written = json.dumps(section_document(section))
    assert json.dumps(section_document(section_from(json.loads(written)))) == written


def test_an_empty_section_is_a_short_document() -> None:
    """What is empty is not written."""
    section = Section(1, 2)
    assert section_document(section) == {"first_seen_ms": 1, "last_seen_ms": 2}
    assert section_from({"first_seen_ms": 1, "last_seen_ms": 2}) == section
