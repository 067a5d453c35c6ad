"""Sections are written down and read back as they were."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import DEVICE_TYPES
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution
from knownas.core.profile.repeating import Repeat
from knownas.core.profile.section import Section
from knownas.service.profile.sections import read, written
from knownas.store.user_data import StoredSection

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
    repeats=st.dictionaries(names, st.builds(Repeat, times, st.dictionaries(names, names, max_size=3)), max_size=3),
)


def read_back(section: Section) -> Section:
    """Write a section down for a store, and read it."""
    return read(StoredSection(written(section), 1))


@given(sections)
def test_a_section_comes_back_as_it_was(section: Section) -> None:
    """What is written for a store and read again is the same section, in the same types."""
    after = read_back(section)
    assert after == section
    assert repr(after) == repr(section)


@given(sections)
def test_the_same_section_is_the_same_document(section: Section) -> None:
    """Writing, reading and writing again gives the same document."""
    assert written(read_back(section)) == written(section)


def test_an_empty_section_is_a_short_document() -> None:
    """What is empty is not written."""
    section = Section(1, 2)
    assert written(section) == b'{"first_seen_ms":1,"last_seen_ms":2}'
    assert read_back(section) == section
