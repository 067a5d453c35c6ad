"""Measures contenders in turn, round after round, so that a noisy machine is noisy for all of them alike.

A contender is a server with a question. What counts is how two of them compare within a round; the median over
the rounds is the result, and every sample is kept. Besides requests a second it is told how much processor time
the server's process took a request, which depends least on what else the machine is doing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.load import CONNECTIONS, Load, LoadFailed, Question, load_all
from bench.serving import WEB_KEY, Kind, Server

WARM_UP_SECONDS: Final = 5
WARM_UPS_MAX: Final = 60
"""Loads of so many seconds, at most so many, until a contender is warm."""

Say = Callable[[str], None]

Rate = Callable[[int], float]
"""Does something else for so many seconds, and returns how many times a second it was done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: so many rounds of so many seconds for each contender, after so many warming requests."""

    rounds: int
    seconds: int
    warm_up_requests: int
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Contender:
    """What is asked of one server, or of several over one database, and how ours must decide each (None: it does not).

    The connections are shared out among the servers.
    """

    name: str
    servers: Sequence[Server]
    question: Question
    outcome: str | None = None

    @property
    def decides(self) -> bool:
        """Whether it is ours."""
        return self.servers[0].kind is Kind.OURS

    def cpu_seconds(self) -> float:
        """Return the processor time that its servers have used so far."""
        return sum(server.cpu_seconds() for server in self.servers)

    def load(self, plan: Plan, seconds: int, *, look: bool = False) -> Load:
        """Ask all its servers at once."""
        urls = [server.url for server in self.servers]
        return load_all(urls, WEB_KEY, self.question, seconds, connections=plan.connections, look=look)


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender's turn in one round."""

    load: Load
    cpu_us: float

    def document(self) -> dict[str, float | int]:
        """Return the sample for the report."""
        return {
            "requests": self.load.requests,
            "seconds": round(self.load.seconds, 3),
            "rate": round(self.load.rate, 1),
            "cpu_us_per_request": round(self.cpu_us, 2),
            "p50_ms": self.load.p50_ms,
            "p90_ms": self.load.p90_ms,
            "p99_ms": self.load.p99_ms,
            "max_ms": self.load.max_ms,
        }


@dataclass(frozen=True, slots=True)
class Contest:
    """The samples of every contender, by its name, round by round."""

    samples: Mapping[str, Sequence[Sample]]
    beside: Sequence[float] = ()
    """The rates of what was done beside the contenders, round by round."""

    def ratios_beside(self, of: str) -> list[float]:
        """Return how many times the rate of what was done beside it that of a contender is, in each round."""
        return [one.load.rate / rate for one, rate in zip(self.samples[of], self.beside, strict=True)]

    def ratios(self, of: str, to: str) -> list[float]:
        """Return how many times the rate of one contender is that of another, in each round."""
        pairs = zip(self.samples[of], self.samples[to], strict=True)
        return [one.load.rate / other.load.rate for one, other in pairs]

    def cpu_ratios(self, of: str, to: str) -> list[float]:
        """Return how the rates would compare by processor time alone, in each round."""
        pairs = zip(self.samples[of], self.samples[to], strict=True)
        return [other.cpu_us / one.cpu_us for one, other in pairs]

    def document(self) -> dict[str, object]:
        """Return all samples, and the median of each measure, for the report."""
        return {
            name: {
                "rate": round(median(one.load.rate for one in samples), 1),
                "cpu_us_per_request": round(median(one.cpu_us for one in samples), 2),
                "p50_ms": median(one.load.p50_ms for one in samples),
                "p99_ms": median(one.load.p99_ms for one in samples),
                "samples": [one.document() for one in samples],
            }
            for name, samples in self.samples.items()
        }


def contest(contenders: Sequence[Contender], plan: Plan, say: Say, beside: Rate | None = None) -> Contest:
    """Warm every contender up, then measure them in turn, and in each round what else is done beside them.

    Raises:
        LoadFailed: an answer was not 200, or our server decided otherwise than the question means it to.
    """
    for one in contenders:
        _warm_up(one, plan, say)
    samples: dict[str, list[Sample]] = {one.name: [] for one in contenders}
    rates: list[float] = []
    for number in range(1, plan.rounds + 1):
        for one in contenders:
            sample = _turn(one, plan)
            samples[one.name].append(sample)
            say(
                f"round {number}, {one.name}: {sample.load.rate:.0f}/s, {sample.cpu_us:.1f} us of processor each, "
                f"p50 {sample.load.p50_ms:.2f} ms, p99 {sample.load.p99_ms:.2f} ms"
            )
        if beside is not None:
            rates.append(beside(plan.seconds))
            say(f"round {number}, beside them: {rates[-1]:.0f}/s")
    return Contest(samples, rates)


def _warm_up(one: Contender, plan: Plan, say: Say) -> None:
    """Fill caches and memories up to where they stay, looking at every answer."""
    seconds = min(WARM_UP_SECONDS, plan.seconds)
    wanted = plan.warm_up_requests if one.decides else 1
    before = _outcomes(one)
    asked = 0
    for _ in range(WARM_UPS_MAX):
        asked += one.load(plan, seconds, look=True).requests
        if asked >= wanted:
            break
    say(f"{one.name} is warm after {asked} requests")
    _check(one, before)


def _turn(one: Contender, plan: Plan) -> Sample:
    before, cpu = _outcomes(one), one.cpu_seconds()
    loaded = one.load(plan, plan.seconds)
    used = one.cpu_seconds() - cpu
    _check(one, before)
    return Sample(loaded, used / loaded.requests * 1e6)


def _outcomes(one: Contender) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for server in one.servers if one.decides else ():
        counts.update(server.outcomes())
    return counts


def _check(one: Contender, before: Mapping[str, int]) -> None:
    """Compare what our server says it decided with what it was asked."""
    after = _outcomes(one)
    changed = {name for name in after if after[name] != before.get(name, 0)}
    if one.outcome is not None and changed != {one.outcome}:
        raise LoadFailed(f"{one.name}: every decision should be {one.outcome!r}, some were {sorted(changed)}")
