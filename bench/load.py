"""Puts a server under load with `wrk` and reads how it went; any answer but 200 ends the benchmark."""

import json
import os
import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SCRIPT: Final = Path(__file__).with_name("requests.lua")
CONNECTIONS: Final = 64
GOOD: Final = frozenset({"200", "202"})
TIMEOUT_SECONDS: Final = 20
"""An answer that takes longer counts as an error."""

GRACE_SECONDS: Final = 60
"""How much longer than its load wrk itself may take."""


class LoadFailed(Exception):
    """The load could not be put on, or the server did not answer all of it with 200."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a function of `requests.lua`, with its options."""

    name: str
    options: Mapping[str, str | int] = field(default_factory=dict[str, str | int])


@dataclass(frozen=True, slots=True)
class Load:
    """How a server did under load for a while. `statuses` are counted only where every answer was looked at."""

    requests: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    statuses: Mapping[str, int] | None

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def wrk() -> str:
    """Return the path of wrk, installing Debian's package where we may.

    Raises:
        LoadFailed: it is not there and can't be installed.
    """
    found = shutil.which("wrk")
    if found is not None:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "wrk"]):
            subprocess.run(["apt-get", *arguments], check=False, capture_output=True)
        found = shutil.which("wrk")
        if found is not None:
            return found
    raise LoadFailed("the benchmarks need the load generator wrk (https://github.com/wg/wrk): apt-get install wrk")


def load(url: str, key: str, question: Question, seconds: int, *, connections: int, look: bool = False) -> Load:
    """Ask a server the question over so many connections at once, from one thread, for so many seconds.

    `look` counts every answer by its status, which costs wrk time; without it wrk tells 4xx and 5xx apart from
    the rest, and no more.

    Raises:
        LoadFailed: an answer was not 200, or a connection failed.
    """
    # Another seed and another `run` each time: other users are picked, and strangers have never been there.
    chance = {"seed": secrets.randbelow(2**31), "run": secrets.token_hex(4)}
    options = {"question": question.name, "key": key, **chance, **question.options}
    arguments = [f"{name}={value}" for name, value in options.items()]
    finished = subprocess.run(
        [
            *(wrk(), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
            *("--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT), url, "--"),
            *(*arguments, f"look={'yes' if look else 'no'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + TIMEOUT_SECONDS + GRACE_SECONDS,
    )
    line = next((line for line in finished.stdout.splitlines() if line.startswith("{")), None)
    if finished.returncode != 0 or line is None:
        raise LoadFailed(f"wrk ended with {finished.returncode}: {finished.stderr or finished.stdout}")
    return load_from(json.loads(line))


def load_all(
    urls: Sequence[str], key: str, question: Question, seconds: int, *, connections: int, look: bool = False
) -> Load:
    """Ask several servers at once, the connections shared out among them, and add up how they did.

    Of each percentile the worst is told. Raises what `load` raises.
    """
    share = max(1, connections // len(urls))
    with ThreadPoolExecutor(len(urls)) as pool:
        asked = pool.map(lambda url: load(url, key, question, seconds, connections=share, look=look), urls)
        loads = list(asked)
    counted = [one.statuses for one in loads if one.statuses is not None]
    return Load(
        requests=sum(one.requests for one in loads),
        seconds=max(one.seconds for one in loads),
        p50_ms=max(one.p50_ms for one in loads),
        p90_ms=max(one.p90_ms for one in loads),
        p99_ms=max(one.p99_ms for one in loads),
        max_ms=max(one.max_ms for one in loads),
        statuses=sum(map(Counter, counted), Counter()) if counted else None,
    )


def load_from(told: Mapping[str, Any]) -> Load:
    """Read what `requests.lua` told.

    Raises:
        LoadFailed: an answer was not 200, a connection failed, or nothing was answered.
    """
    errors = {name: count for name, count in told["errors"].items() if count}
    statuses: Mapping[str, int] | None = told["statuses"]
    if errors or not set(statuses or {"200": 0}) <= GOOD:
        raise LoadFailed(
            f"not every answer was 200 or 202: errors {errors}, answers by status {statuses or 'not counted'}"
        )
    if not told["requests"]:
        raise LoadFailed("nothing was answered")
    return Load(
        requests=told["requests"],
        seconds=told["duration_us"] / 1e6,
        p50_ms=told["p50_us"] / 1e3,
        p90_ms=told["p90_us"] / 1e3,
        p99_ms=told["p99_us"] / 1e3,
        max_ms=told["max_us"] / 1e3,
        statuses=statuses,
    )
