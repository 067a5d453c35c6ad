"""What is noted is remembered up to a number, the older forgotten first, and never more than the number."""

import pytest

from knownas.service.lately import GENERATIONS, Lately


@pytest.mark.parametrize("most", [8, 64, 200])
def test_the_newest_seven_eighths_are_always_remembered(most: int) -> None:
    """After any number of notes the newest seven eighths are there, and no more than the number in all."""
    lately: Lately[int, str] = Lately(most)
    for number in range(3 * most):
        lately.note(number, f"value {number}")
        remembered = [one for one in range(number + 1) if lately.find(one) is not None]
        assert len(remembered) <= most
        assert remembered == list(range(number + 1))[-len(remembered) or most :]
        assert len(remembered) >= min(number + 1, most * (GENERATIONS - 1) // GENERATIONS)


def test_the_last_note_counts() -> None:
    """A key noted again, at once or generations later, has its last value, and is as young as that."""
    lately: Lately[str, int] = Lately(16)
    lately.note("again", 1)
    lately.note("again", 2)
    assert lately.find("again") == 2
    for number in range(10):
        lately.note(str(number), number)
    lately.note("again", 3)
    for number in range(10, 20):
        lately.note(str(number), number)
    assert lately.find("again") == 3
    assert lately.find("nobody") is None
