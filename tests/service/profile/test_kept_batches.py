"""What is kept among the events of a section is read as it was written, whatever kind it is of."""

import pytest

from knownas.service.profile.kept_batches import KeptBatch, Remainder, kept_document, kept_from, remainder_of


@pytest.mark.parametrize("section", [None, b"{}", b'{"first_seen_ms":1,"last_seen_ms":2}'])
@pytest.mark.parametrize("is_all", [False, True])
def test_a_remainder_is_read_as_it_was_written(section: bytes | None, *, is_all: bool) -> None:
    """Also when nothing was known; and there is no section in one that an earlier version wrote of nothing."""
    kept = KeptBatch(None, None, "", [], remainder=remainder_of(section, is_all=is_all))
    read = kept_from(kept_document(kept)).remainder
    assert read is not None
    assert (read.document, read.is_all) == (section, is_all)


def test_a_remainder_of_nothing_needs_no_words() -> None:
    """An earlier version left the member out, or wrote null."""
    for text in (b"{}", b'{"section":null}'):
        read = kept_from(b'{"stamp":null,"platform":null,"input":"","events":[],"remainder":%s}' % text).remainder
        assert read is not None
        assert read.document is None
    assert Remainder().document is None
