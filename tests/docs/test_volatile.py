"""The comparison of a page with a run notices what it should, and only that."""

import pytest

from tests.docs.volatile import Bindings

ANN, BOB = "7185555223422650938", "5895782903288790390"
OTHER, THIRD = "8185555223422650931", "9185555223422650932"
ID = "01a201661167bc26aac30737b3d86f5c"


def test_other_ids_times_and_ports_match() -> None:
    """Values that differ from run to run may differ, and lines may break elsewhere."""
    said = f'{{"mpid":"{ANN}"}} at 2026-11-22T03:56:36.093Z\nfrom http://127.0.0.1:8080'
    came = f'{{"mpid":"{OTHER}"}} at 2030-01-01T00:00:00.000Z from\n  http://127.0.0.1:40001\n'
    bindings = Bindings()
    assert bindings.matches(said, came)
    assert bindings.filled(f"curl http://127.0.0.1:8080/{ANN}") == f"curl http://127.0.0.1:40001/{OTHER}"


@pytest.mark.parametrize(
    ("said", "came"),
    [
        pytest.param(f"{ANN} {ANN}", f"{OTHER} {THIRD}", id="one of the page is two of the run"),
        pytest.param(f"{ANN} {BOB}", f"{OTHER} {OTHER}", id="two of the page are one of the run"),
        pytest.param(f"profile {ANN}", f"profil {OTHER}", id="a word"),
        pytest.param(f"profile {ANN}", f"profile {ID}", id="another kind of value"),
        pytest.param("nothing", "", id="nothing came"),
        pytest.param("", "something", id="something came"),
        pytest.param("first\n[...]\nlast", "first and more", id="after a gap"),
        pytest.param('"known":true', '"known":false', id="a plain value"),
    ],
)
def test_differences_are_noticed(said: str, came: str) -> None:
    """What a reader would call a difference is one."""
    assert not Bindings().matches(said, came)


def test_a_value_goes_on_standing_for_the_same() -> None:
    """A value that was seen once stands for the same one in everything that follows."""
    bindings = Bindings()
    assert bindings.matches(ANN, OTHER)
    assert bindings.matches(f"again {ANN}", f"again {OTHER}")
    assert not bindings.matches(f"again {ANN}", f"again {THIRD}")
    assert not bindings.matches(BOB, OTHER)


def test_gaps_stand_for_anything() -> None:
    """A line `[...]` stands for any output, at the start, in the middle and at the end."""
    for said in ("[...]\nend", "start\n[...]", "start\n[...]\nend", "[...]"):
        assert Bindings().matches(said, "start of it, and then the end".replace("the end", "the\nend"))
