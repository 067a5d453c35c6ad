"""Writes the pages below docs/reference from the code: `python -m tools.reference`, or `make docs`.

`pages()` returns what each page should say; a test compares it with what is there. Whatever can't be read from the code
(what a metric's label means, what to do about a refusal) stands in `reference_words.py` and `refusal_words.py` beside this file, and a name
without its words fails here.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import click

from knownas.api.credentials import Denied
from knownas.api.openapi import openapi_document
from knownas.api.refusals import WIRE_CODE
from knownas.api.telemetry import LATENCY_SECONDS, Telemetry
from knownas.api.unavailable import PASSING
from knownas.cli.main import main
from knownas.config.reference import configuration_reference
from knownas.core.history.counterfactual import HadBeen, Over
from knownas.core.history.recollection import Untold
from knownas.core.identity.decision import ChangeKind, DecidedBy, Guard, LookupEffect, Refusal, Skip
from knownas.core.identity.kinds import KINDS, Kind
from knownas.core.profile.alias import REJECTION_SENTENCES, AliasRejection
from knownas.store.errors import StoreError
from tools import reference_words as words
from tools import refusal_words as refusals
from tools.reference_http import http_api, plain, reasons_of
from tools.reference_limits import PACKAGES, limits_of

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "docs" / "reference"
HELP_COLUMNS: Final = 100
NONE: Final = "none"
"""Stands in a table where there is nothing."""

WRITTEN: Final = "<!-- Written by `make docs` from the code. Change the code, not this page. -->"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    named = list(heads)
    yield f"| {' | '.join(named)} |"
    yield f"|{'---|' * len(named)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def configuration() -> Iterator[str]:
    """Yield the page of the configuration file: the reader's own, without its column of chapters."""
    title, *rest = configuration_reference().splitlines()
    yield from (title, "", *words.CONFIGURATION.strip().splitlines())
    for line in rest:
        cells = line.split(" | ")
        if line.startswith("|---"):
            yield line.removesuffix("---|") if line.count("---") == _COLUMNS else line
        elif len(cells) == _COLUMNS:
            yield f"{' | '.join(cells[:-1])} |"
        else:
            yield line


_COLUMNS: Final = 5
"""Columns of the reader's tables of members; the last names chapters of documents that are not published."""


def command_line() -> Iterator[str]:
    """Yield the page of the command line, from click's own help."""
    yield from ("# Command line", "", "`python -m knownas` does the same as `knownas`.")
    yield from _help(main, "knownas", None)
    for name in main.list_commands(click.Context(main)):
        command = main.get_command(click.Context(main), name)
        if command is None:
            raise AssertionError(f"{name} is listed")
        yield from _help(command, f"knownas {name}", click.Context(main, info_name="knownas"))
    yield from ("", "## Environment variables", "")
    yield from table(("Variable", "Meaning"), ((f"`{name}`", text) for name, text in words.ENVIRONMENT.items()))
    yield from ("", "## Exit status", "")
    yield from table(("Status", "Meaning"), words.EXIT_STATUS)


def _help(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command,
        info_name=name.rsplit(maxsplit=1)[-1],
        parent=parent,
        terminal_width=HELP_COLUMNS,
        max_content_width=HELP_COLUMNS,
        help_option_names=["-h", "--help"],
    )
    yield from ("", f"## {name}", "", "```text", *command.get_help(context).splitlines(), "```")


def identity_types() -> Iterator[str]:
    """Yield the page of the identity types: the names of each on every surface."""
    yield from words.IDENTITY_TYPES.strip().splitlines()
    for title, is_device in (("Of users", False), ("Of devices", True)):
        kinds = (kind for kind in KINDS if kind.is_device is is_device)
        yield from ("", f"## {title}", "")
        yield from table(
            (
                "IDSync, configuration",
                "also accepted",
                "events",
                "profile API",
                "privacy requests",
                "partners",
                "stream",
                "number",
            ),
            map(_kind, kinds),
        )


def _kind(kind: Kind) -> Iterator[str]:
    yield f"`{kind.type.value}`"
    yield ", ".join(f"`{name}`" for name in kind.also)
    for name in (kind.events, kind.profile, kind.dsr, kind.firehose, kind.stream):
        yield NONE if name is None else f"`{name}`"
    yield str(kind.code)


def refusal_codes() -> Iterator[str]:
    """Yield the page of the reasons: of refusals, and of the steps of a receipt."""
    reasons = reasons_of(openapi_document())
    meanings = {**refusals.REASONS, **_enum_words(Refusal), **_enum_words(Denied), **refusals.STORE_ERRORS}
    _all_named(reasons, meanings, "a reason of the OpenAPI document")
    _all_named((code for code, _ in _store_errors()), refusals.STORE_ERRORS, "a store error")
    yield from refusals.REFUSALS.strip().splitlines()
    wire = {reason.value: code for reason, (_, code) in WIRE_CODE.items()}
    rows = (
        (
            f"`{reason}`",
            _answered(reasons.get(reason, set())) or refusals.ANSWERED_ELSEWHERE[reason],
            wire.get(reason, refusals.WIRE.get(reason, NONE)),
            meanings[reason],
        )
        for reason in sorted({*reasons, *refusals.ANSWERED_ELSEWHERE})
    )
    yield from ("", "## Reasons", "")
    yield from table(("Reason", "Answered", "Vendor's code", "Meaning, and what helps"), rows)
    yield from ("", "## Reasons of a batch's receipt", "", refusals.BATCHES, "")
    yield from table(
        ("Reason", "Meaning, and what helps"),
        (
            (f"`{reason}`", refusals.KEPT_AS_REFUSED.get(reason) or meanings[reason])
            for reason in refusals.BATCH_REASONS
        ),
    )
    yield from ("", "## Reasons of an alias", "", refusals.ALIASES, "")
    _all_named(AliasRejection, refusals.ALIAS_HELP, "a rejection of an alias")
    yield from table(
        ("Reason", "Meaning, and what helps"),
        (
            (f"`{one.value}`", f"{REJECTION_SENTENCES[one]} {refusals.ALIAS_HELP[one]}".strip())
            for one in AliasRejection
        ),
    )
    yield from ("", "## Errors of the token endpoint", "", refusals.OAUTH, "")
    yield from table(("Error", "Meaning"), ((f"`{name}`", text) for name, text in refusals.OAUTH_ERRORS.items()))
    yield from ("", "## Errors of the store", "", refusals.STORE, "")
    yield from table(
        ("Code", "Status", "Meaning"),
        ((f"`{code}`", status, refusals.STORE_ERRORS[code]) for code, status in _store_errors()),
    )
    yield from ("", "## Words of a receipt", "", words.RECEIPT)
    for title, kind in _RECEIPT_WORDS.items():
        yield from ("", f"### {title}", "")
        yield from table(("Word", "Meaning"), ((f"`{word}`", text) for word, text in _enum_words(kind).items()))


def _answered(where: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{surface} {status}" for surface, status in sorted(where))


_RECEIPT_WORDS: Final[Mapping[str, type[StrEnum]]] = {
    "What a look-up did: `effect`": LookupEffect,
    "Why a profile was rejected: `guard`": Guard,
    "What settled the answer: `decided_by`": DecidedBy,
    "What changed: `change`": ChangeKind,
    "Why an identity was left out: `why`": Skip,
    "What is supposed of an identity: `had_been`": HadBeen,
    "Which records a counterfactual is decided over: `over`": Over,
    "Why it is not told what would have been answered: `untold`": Untold,
}


def _enum_words(kind: type[StrEnum]) -> dict[str, str]:
    described = words.WORDS[kind.__name__]
    _all_named((one.value for one in kind), described, f"a word of {kind.__name__}")
    return {one.value: described[one.value] for one in kind}


def _all_named(names: Iterable[str], described: Mapping[str, str], what: str) -> None:
    missing = sorted(set(names) - described.keys())
    if missing:
        raise SystemExit(
            f"{what} has no words in tools/reference_words.py or tools/refusal_words.py: {', '.join(missing)}"
        )


def _store_errors() -> Iterator[tuple[str, str]]:
    """Yield the code and status of every error of the store."""
    kinds: list[type[StoreError]] = [StoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        yield kind.code, "503" if issubclass(kind, PASSING) else "500"


def metrics() -> Iterator[str]:
    """Yield the page of the metrics, from what the server would show."""
    yield from words.METRICS.strip().splitlines()
    for metric in Telemetry().collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = getattr(metric, "_labelnames", ())
        yield from ("", f"## `{name}`", "", f"A {metric.type}. {metric.documentation}")
        if labels:
            yield ""
            yield from table(
                ("Label", "Values"), ((f"`{label}`", words.LABELS[metric.name, label]) for label in labels)
            )
    yield from ("", f"The buckets of `knownas_decision_seconds` end at {', '.join(map(str, LATENCY_SECONDS))} seconds.")


def limits() -> Iterator[str]:
    """Yield the page of the limits: every limit that the code names, with its sentence."""
    yield from words.LIMITS.strip().splitlines()
    for package, title in PACKAGES.items():
        rows = ((f"`{name}`", f"{value:,}", plain(text)) for name, value, text in limits_of(package))
        yield from ("", f"## {title}", "")
        yield from table(("Limit", "Value", "Meaning"), rows)


PAGES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "configuration.md": configuration,
    "command-line.md": command_line,
    "http-api.md": lambda: http_api(openapi_document()),
    "identity-types.md": identity_types,
    "refusal-codes.md": refusal_codes,
    "metrics.md": metrics,
    "limits.md": limits,
}


_CHAPTERS: Final = re.compile(r"[;,]?(?: \(?(?:(?:idsync|platform|design) )?§\d+(?:[.-]\d+)*[,)]?)+")
"""Chapters of documents that are not published."""


def pages() -> dict[str, str]:
    """Return what each page of the reference should say, by its name."""
    written: dict[str, str] = {}
    for name, page in PAGES.items():
        title, *rest = page()
        text = "\n".join([title, "", WRITTEN, *rest]).rstrip() + "\n"
        written[name] = _CHAPTERS.sub("", text)
    return written


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for page_name, text in pages().items():
        (FOLDER / page_name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/reference/{page_name}\n")
