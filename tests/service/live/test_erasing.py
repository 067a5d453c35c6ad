"""Somebody who is erased is not quoted by what is watched."""

from knownas.service.live.wanted import Wanted
from tests.service.erasing_stage import ErasingStage, erase, subject


async def test_an_erasure_forgets_what_refusals_quote() -> None:
    """What somebody wrote in the wrong place, and was quoted in a sentence, is not told any more; that there was a refusal is."""
    stage = await ErasingStage().open()
    mpid = await stage.login(customerid="c-1", email="ann@example.com")
    live = stage.service.live
    live.refused(stage.door(), "identify", "unknown_identity_type", "'ann@example.com' is not an identity type.")
    await erase(stage, subject(mpid))
    assert [(one.reason, one.sentence) for one in live.newest(Wanted(), 9).lines] == [("unknown_identity_type", "")]
    await stage.service.close()
