"""Counts what the server does, and shows it in Prometheus' text format."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from knownas.core.health.tally import NOWHERE, Source
from knownas.service.delivery.delivering import Delivering
from knownas.service.evidence.ledger import Ledger
from knownas.service.health.tallying import Tallying
from knownas.service.history.self_check import Checked
from knownas.service.privacy.assembly import Privacy
from knownas.service.toxic.deciding import ToxicIdentities

LATENCY_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Telemetry:
    """Counters as plain numbers: a hot request can afford an addition, not a lock."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[str, str, str]] = Counter()
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._slots = [0] * (len(LATENCY_SECONDS) + 1)
        self._seconds = 0.0
        self._checked: Checked | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._toxic: ToxicIdentities | None = None
        self._privacy: Privacy | None = None
        self._ledger: Ledger | None = None
        self._delivering: Delivering | None = None
        self._tallying: Tallying | None = None
        self._registry.register(self)

    def decided(self, endpoint: str, scope: str, outcome: str, seconds: float) -> None:
        """Count one decision and the time its answer took."""
        self._outcomes[endpoint, scope, outcome] += 1
        self._slots[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self._seconds += seconds

    def refused(self, surface: str, reason: str, source: Source = NOWHERE) -> None:
        """Count one request that was refused; `source` is where it came from, as far as that was known."""
        self._refusals[surface, reason] += 1
        if self._tallying is not None:
            self._tallying.refused(source, surface, reason)

    def tell_refusals(self, tallying: Tallying) -> None:
        """Tell of refusals, from now on, where they are remembered longer than a process lives."""
        self._tallying = tallying

    def show_toxic(self, toxic: ToxicIdentities) -> None:
        """Show what is set aside, and how many values are toxic, from now on."""
        self._toxic = toxic

    def show_privacy(self, privacy: Privacy, ledger: Ledger | None = None) -> None:
        """Show what is done for data subjects, and whether those who are to be told of it are, from now on."""
        self._privacy = privacy
        self._ledger = ledger

    def show_deliveries(self, delivering: Delivering) -> None:
        """Show what outputs were told, and what waits for them where this process delivers, from now on."""
        self._delivering = delivering

    def _delivery_metrics(self) -> Iterator[Metric]:
        delivering = self._delivering
        deliveries = CounterMetricFamily(
            "knownas_deliveries",
            "What became of deliveries to outputs, and of requests to their destinations, by output and outcome.",
            labels=["output", "outcome"],
        )
        for (output, outcome), count in () if delivering is None else delivering.counted.items():
            deliveries.add_metric([str(output), outcome], count)
        yield deliveries
        waiting = GaugeMetricFamily(
            "knownas_deliveries_waiting",
            "Deliveries that wait for an output, where this process delivers.",
            labels=["output"],
        )
        oldest = GaugeMetricFamily(
            "knownas_deliveries_oldest_seconds", "How long ago the oldest of them happened.", labels=["output"]
        )
        breaker = GaugeMetricFamily(
            "knownas_delivery_breaker",
            "Whether the destination of an output for which something waits is sent to: 1 for the state in which it is.",
            labels=["output", "state"],
        )
        for one in () if delivering is None else delivering.standings():
            waiting.add_metric([str(one.output)], one.waiting)
            oldest.add_metric([str(one.output)], one.oldest_seconds)
            breaker.add_metric([str(one.output), one.breaker.value], 1)
        yield from (waiting, oldest, breaker)

    def _privacy_metrics(self) -> Iterator[Metric]:
        privacy = self._privacy
        requests = CounterMetricFamily(
            "knownas_privacy_requests",
            "Requests of data subjects that were carried out, or tried, by type and outcome.",
            labels=["type", "outcome"],
        )
        for labels, count in () if privacy is None else privacy.work.counted.items():
            requests.add_metric(labels, count)
        yield requests
        calls = CounterMetricFamily(
            "knownas_privacy_callbacks",
            "Calls that tell controllers of their requests, by outcome.",
            labels=["outcome"],
        )
        for outcome, count in () if privacy is None else privacy.callbacks.counted.items():
            calls.add_metric([outcome], count)
        yield calls
        yield CounterMetricFamily(
            "knownas_ledger_failures",
            "How often the ledger of erasures could not be written; erasures wait while it can't.",
            value=0 if self._ledger is None else self._ledger.failures,
        )

    def _toxic_metrics(self) -> Iterator[Metric]:
        toxic = self._toxic
        aside = CounterMetricFamily(
            "knownas_identities_set_aside",
            "Identities of requests that were quarantined when they came, by scope and reason.",
            labels=["scope", "reason"],
        )
        for scope, rules in () if toxic is None else toxic.scopes.items():
            for reason, count in () if rules.screen is None else rules.screen.counted.items():
                aside.add_metric([scope, reason], count)
        yield aside
        turned_away = CounterMetricFamily(
            "knownas_turned_away",
            "Requests and batches that named somebody who was erased and is to stay out, by scope.",
            labels=["scope"],
        )
        for scope, rules in () if toxic is None else toxic.scopes.items():
            turned_away.add_metric([scope], rules.keep_out.counted)
        yield turned_away
        values = () if toxic is None else toxic.listed.values.values()
        states = Counter((one.scope, one.state) for one in values)
        listed = GaugeMetricFamily(
            "knownas_toxic_values",
            "Values on the list of toxic identities, by scope and state.",
            labels=["scope", "state"],
        )
        for labels, count in states.items():
            listed.add_metric(labels, count)
        yield listed

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as prometheus_client asks for them."""
        decisions = CounterMetricFamily(
            "knownas_decisions",
            "Identity decisions by endpoint, scope and outcome.",
            labels=["endpoint", "scope", "outcome"],
        )
        for labels, count in self._outcomes.items():
            decisions.add_metric(labels, count)
        yield decisions
        refusals = CounterMetricFamily(
            "knownas_refusals", "Requests refused, by surface and reason.", labels=["surface", "reason"]
        )
        for labels, count in self._refusals.items():
            refusals.add_metric(labels, count)
        yield refusals
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, LATENCY_SECONDS), "+Inf"), self._slots, strict=True):
            total += count
            buckets.append((bound, total))
        latency = HistogramMetricFamily("knownas_decision_seconds", "Time from a decoded request to its decision.")
        latency.add_metric([], buckets, self._seconds)
        yield latency
        yield from self._toxic_metrics()
        yield from self._privacy_metrics()
        yield from self._delivery_metrics()
        yield from self._self_check()

    def _self_check(self) -> Iterator[Metric]:
        checked = self._checked
        for name, says, value in (
            (
                "differences",
                "Profiles and rows that the last self-check found differing.",
                checked and checked.differing,
            ),
            ("timestamp_seconds", "When the last self-check ended, in Unix seconds.", checked and checked.at_seconds),
            ("duration_seconds", "How long the last self-check took.", checked and checked.seconds),
        ):
            gauge = GaugeMetricFamily(f"knownas_self_check_{name}", says)
            if value is not None:
                gauge.add_metric([], value)
            yield gauge

    def exposition(self, checked: Checked | None = None) -> bytes:
        """Return all metrics in the text format; `checked` is what the last self-check found."""
        self._checked = checked
        return generate_latest(self._registry)
