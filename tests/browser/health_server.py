"""Is `knownas` with a town's hour already played, and nine days like it counted, of which the last hours are not well.

Run as a program: `python -m tests.browser.health_server serve …`. What the hour decided is counted again for earlier hours, fewer at night; for
the last hours an app sends no login, so it is answered by new profiles. Nothing else knows of these days.
"""

from random import Random
from typing import Any, Final

from knownas.cli import serve as serving
from knownas.cli.main import main
from knownas.config.values import Configuration
from knownas.core.health.intervals import HOUR_MS
from knownas.core.health.tally import KNOWN, MADE, Came, came_of
from knownas.core.identity.decision import Decision
from knownas.service.health.tallying import Tallying
from knownas.service.server import Service
from knownas.store.port import Store
from tests.browser.console_server import open_played

HOURS, UNWELL_HOURS, HOURS_A_DAY, WRITTEN_HOURS, SEED = 9 * 24, 6, 24, 12, 5
TROUBLED: Final = "demo-ios-key"
_Decided = tuple[str, str, str, Decision, int]


async def open_lived(configuration: Configuration, store: Store, **options: Any) -> Service:
    """Open the service after the hour, and count what earlier hours could have been."""
    decided: list[_Decided] = []
    note = Tallying.decided

    def noted(self: Tallying, *given: Any) -> Came:
        decided.append(given)
        return note(self, *given)

    Tallying.decided = noted  # type: ignore[method-assign]
    service = await open_played(configuration, store, **options)
    Tallying.decided = note  # type: ignore[method-assign]
    chance = Random(SEED)
    made = [one for one in decided if came_of(one[3]) in MADE]
    for back in range(HOURS, 0, -1):
        share = 0.15 + 0.55 * abs((back % HOURS_A_DAY) / HOURS_A_DAY - 0.5) * 2
        for scope, environment, key, decision, at_ms in chance.sample(decided, int(len(decided) * share)):
            came = service.tallying.decided(scope, environment, key, decision, at_ms - back * HOUR_MS)
            if back <= UNWELL_HOURS and key == TROUBLED and came in KNOWN:
                service.tallying.decided(scope, environment, key, chance.choice(made)[3], at_ms - back * HOUR_MS)
        if back % WRITTEN_HOURS == 1:
            await service.tallying.write()
    return service


if __name__ == "__main__":
    serving.open_service = open_lived  # type: ignore[assignment]
    main()
