"""Who is to stay out is recognised by a keyed digest, and by nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.privacy.suppression import DIGEST_BYTES, KEY_BYTES, Suppressed, brought_by, digest_of

KEY, OTHER_KEY = b"k" * KEY_BYTES, b"o" * KEY_BYTES
IDENTITIES = st.builds(Identity, st.sampled_from(IdentityType), st.text(min_size=1, max_size=20))
ANN, BOB = Identity(IdentityType.EMAIL, "ann@example.com"), Identity(IdentityType.EMAIL, "bob@example.com")
AT = (1, Environment.PRODUCTION, "crm")


@given(st.lists(IDENTITIES, max_size=50), st.lists(IDENTITIES, max_size=50))
def test_exactly_the_suppressed_are_recognised(out: list[Identity], others: list[Identity]) -> None:
    """Each identity that is to stay out is recognised, in its scope and environment, and no other one is."""
    suppressed = Suppressed(KEY, [digest_of(KEY, "shop", "production", one) for one in out])
    assert all(suppressed.has("shop", "production", one) for one in out)
    assert not any(suppressed.has("shop", "production", one) for one in others if one not in out)
    assert not any(suppressed.has(*pool, one) for one in out for pool in (("bank", "production"), ("shop", "")))


def test_a_digest_tells_nothing_without_its_key() -> None:
    """Under another key an identity has another digest, and what was made with it recognises nobody."""
    digests = [digest_of(key, "shop", "production", ANN) for key in (KEY, OTHER_KEY)]
    assert [len(one) for one in digests] == [DIGEST_BYTES] * 2
    assert not Suppressed(OTHER_KEY, digests[:1]).has("shop", "production", ANN)


def test_what_is_only_taken_away_is_not_brought() -> None:
    """A modify brings the values that a profile would get, also those set aside; a correction brings nobody."""
    changed = (
        IdentityChange(IdentityType.EMAIL, ANN.value, BOB.value),
        IdentityChange(IdentityType.EMAIL, ANN.value, None),
    )
    assert list(brought_by(ModifyRequest(*AT, 7, changed))) == [BOB]
    assert list(brought_by(ModifyRequest(*AT, 7, (), set_aside=changed))) == [BOB]
    assert list(brought_by(IdentityRequest(Endpoint.LOGIN, *AT, (ANN,), set_aside=(BOB,)))) == [ANN, BOB]
    assert list(brought_by(SeedRequest(*AT, None, (ANN,), (BOB,)))) == [ANN, BOB]
    assert list(brought_by(Correction(*AT, ()))) == []
