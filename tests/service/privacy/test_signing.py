"""A server signs with the certificate it is given, or with one of its own that stays the same."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from knownas.config.values import PrivacySettings
from knownas.service.privacy import signing as module
from knownas.service.privacy.processor import InvalidProcessor, is_signed
from knownas.service.privacy.signing import Signing, configured_processor
from knownas.service.security.sealing import SecretKeys
from knownas.store.errors import StoreDamaged
from knownas.store.memory.store import MemoryStore
from tests.service.privacy_stage import authority, kept_processor, processor
from tests.store.world import START_MS


def given(folder: Path, key: str | None = None, certificate: str | None = None) -> PrivacySettings:
    """Return settings with a certificate and a key in files."""
    (folder / "key.pem").write_text(authority().key if key is None else key)
    (folder / "cert.pem").write_text(authority().certificates if certificate is None else certificate)
    return PrivacySettings(certificate=folder / "cert.pem", key=folder / "key.pem")


async def test_what_is_configured_signs(tmp_path: Path) -> None:
    """And nothing is made or kept."""
    store = MemoryStore()
    signing = Signing(store, given(tmp_path), lambda: START_MS)
    signature = (await signing.processor()).sign(b"said")
    assert is_signed(b"said", signature, authority().certificates.encode())
    assert await store.kept(kept_processor()[0]) is None


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"key": "nothing"}, "not PEM"),
        ({"certificate": "nothing"}, "not PEM"),
        ({}, "is not of privacy.example.com"),
    ],
)
def test_what_does_not_fit_is_refused(members: dict[str, str], says: str, tmp_path: Path) -> None:
    """With the reason, which shows nothing of the key."""
    settings = replace(given(tmp_path, **members), domain="localhost" if members else "privacy.example.com")
    with pytest.raises(InvalidProcessor, match=says):
        configured_processor(settings)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    settings = replace(given(tmp_path), key=tmp_path / "gone.pem")
    with pytest.raises(InvalidProcessor, match=r"gone\.pem can't be read"):
        configured_processor(settings)


async def test_an_authority_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at the same time; and the next process has the same."""
    made: list[str] = []

    def make(domain: str, _now_ms: int) -> object:
        made.append(domain)
        return authority()

    monkeypatch.setattr(module, "make_authority", make)
    store = MemoryStore()
    signing = Signing(store, PrivacySettings(), lambda: START_MS)
    opened = await asyncio.gather(*(signing.processor() for _ in range(5)))
    assert {one.certificates for one in opened} == {processor().certificates}
    again = await Signing(store, PrivacySettings(), lambda: START_MS).processor()
    assert again.certificates == processor().certificates
    assert made == ["localhost"]


async def test_a_key_that_can_not_be_opened_is_told() -> None:
    """It was sealed with a secret key that is gone."""
    store = MemoryStore()
    await store.keep(*kept_processor(SecretKeys([b"k" * 32])))
    signing = Signing(store, PrivacySettings(), lambda: START_MS, keys=SecretKeys([b"x" * 32]))
    with pytest.raises(StoreDamaged, match="can't be opened"):
        await signing.processor()
