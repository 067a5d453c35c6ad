"""Writes down what a benchmark found: the machine, the options, the samples, and how they stand to the goals."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import apsw

_PACKAGES: Final = ("uvicorn", "uvloop", "httptools", "msgspec", "apsw")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a measure should be: at least or at most a number. The result is the median of the samples."""

    measure: str
    samples: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def result(self) -> float:
        """The median."""
        return median(self.samples)

    @property
    def met(self) -> bool:
        """Whether the median is what it should be."""
        above = self.at_least is None or self.result >= self.at_least
        return above and (self.at_most is None or self.result <= self.at_most)

    def document(self) -> dict[str, object]:
        """Return the goal for the report."""
        return {
            "measure": self.measure,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "result": round(self.result, 4),
            "samples": [round(sample, 4) for sample in self.samples],
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What a benchmark found: its goals, if it has any, and everything else that was measured."""

    goals: Sequence[Goal] = ()
    measured: Mapping[str, object] = field(default_factory=dict[str, object])


def report(benchmark: str, options: Mapping[str, object], finding: Finding) -> dict[str, object]:
    """Return the whole report, ready for JSON."""
    return {
        "benchmark": benchmark,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in options.items()},
        "goals": [goal.document() for goal in finding.goals],
        "measured": finding.measured,
        "machine": machine(),
    }


def machine() -> dict[str, object]:
    """Describe where it was measured. A high load average means that others were at work."""
    return {
        "processors": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
