"""Secrets at rest: sealed under the first key, opened by any, and by nothing else."""

import base64
import stat
from pathlib import Path

import pytest

from knownas.service.security.sealing import (
    InvalidSecretKey,
    SecretKeys,
    Unopenable,
    is_sealed,
    make_key_file,
    parse_secret_keys,
    read_secret_keys,
)

OLD, NEW = b"o" * 32, b"n" * 32


def written(key: bytes) -> str:
    """Write a key the way operators give it."""
    return base64.b64encode(key).decode()


def test_what_is_sealed_opens_and_does_not_show() -> None:
    """The text comes back as it was, and its sealed form tells nothing of it, not even that two are the same."""
    keys = SecretKeys([NEW])
    first, second = (keys.seal("a name", b"hidden-text") for _ in range(2))
    assert keys.open("a name", first) == keys.open("a name", second) == b"hidden-text"
    assert first != second
    assert is_sealed(first)
    assert "hidden" not in first


def test_a_changed_key_still_opens_what_the_old_one_sealed() -> None:
    """A new key in front seals from then on; the old one behind it opens what it sealed."""
    sealed = SecretKeys([OLD]).seal("a", b"text")
    both = SecretKeys([NEW, OLD])
    assert both.open("a", sealed) == b"text"
    assert SecretKeys([NEW]).open("a", both.seal("a", b"text")) == b"text"


def test_no_other_key_name_or_text_opens_it() -> None:
    """Without its key, under another name, or changed in one letter, a sealed text does not open."""
    keys = SecretKeys([NEW])
    sealed = keys.seal("a", b"text")
    letter = "A" if sealed[30] != "A" else "B"
    changed = f"{sealed[:30]}{letter}{sealed[31:]}"
    attempts = [
        (SecretKeys([OLD]), "a", sealed, "not among those given"),
        (SecretKeys(), "a", sealed, "KNOWNAS_SECRET_KEY"),
        (keys, "b", sealed, "damaged"),
        (keys, "a", changed, "damaged"),
        (keys, "a", sealed[:40], "damaged"),
        (keys, "a", "", "damaged"),
    ]
    for holder, name, text, words in attempts:
        with pytest.raises(Unopenable, match=words):
            holder.open(name, text)


def test_nothing_is_sealed_without_a_key() -> None:
    """Who has no key is told where to put one; nothing falls back to plain text."""
    with pytest.raises(Unopenable, match="KNOWNAS_SECRET_KEY"):
        SecretKeys().seal("a", b"text")


def test_several_keys_come_in_order_from_variable_and_file(tmp_path: Path) -> None:
    """Keys are separated by commas or lines, in either alphabet of base64; the environment's come first."""
    odd = bytes(range(224, 256))
    url = base64.urlsafe_b64encode(odd).decode().rstrip("=")
    assert parse_secret_keys(f"{written(NEW)}, {written(OLD)}\n{url}", "here") == [NEW, OLD, odd]
    file = tmp_path / "keys"
    file.write_text(f"{written(OLD)}\n")
    keys = read_secret_keys(written(NEW), file)
    assert SecretKeys([NEW]).open("a", keys.seal("a", b"x")) == b"x"
    assert keys.open("a", SecretKeys([OLD]).seal("a", b"x")) == b"x"
    assert not read_secret_keys(None, None)


@pytest.mark.parametrize("text", ["", " ,\n", "a-passphrase", written(b"short"), written(b"x" * 33), "é" * 43])
def test_what_is_no_key_is_refused_unseen(text: str) -> None:
    """A passphrase or a key of another length is refused with what to do, and is not shown."""
    with pytest.raises(InvalidSecretKey, match="openssl rand") as refused:
        parse_secret_keys(text, "here")
    assert not text.strip() or text not in str(refused.value)


def test_too_many_keys_are_refused() -> None:
    """More keys than anybody needs are a mistake."""
    many = ",".join(written(bytes([number]) * 32) for number in range(17))
    with pytest.raises(InvalidSecretKey, match="16"):
        parse_secret_keys(many, "here")
    with pytest.raises(InvalidSecretKey):
        SecretKeys([b"x"])


def test_a_key_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    """Only its owner may read it, it holds one good key, and making it again leaves it as it is."""
    file = tmp_path / "a.secret-key"
    make_key_file(file)
    first = file.read_bytes()
    make_key_file(file)
    assert file.read_bytes() == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_secret_keys(None, file)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_a_missing_key_file_is_told(tmp_path: Path) -> None:
    """A file that is not there, or holds nothing, is named."""
    with pytest.raises(InvalidSecretKey, match="absent"):
        read_secret_keys(None, tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidSecretKey, match="empty holds no secret key"):
        read_secret_keys(None, tmp_path / "empty")


def test_keys_do_not_show() -> None:
    """Printing the keys prints their names, by which sealed texts call them."""
    shown = repr(SecretKeys([NEW]))
    assert "nnnn" not in shown
    assert written(NEW)[:8] not in shown
