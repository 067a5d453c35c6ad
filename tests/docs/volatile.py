"""Compares what a command printed with what a page says it prints, where some values differ from run to run.

MPIDs, decision ids, keys, UUIDs and the server's port are other ones in each run. A page shows those of the run that
it was written from. When a page is run again, each such value of the page stands for the value that came out in its
place, from there on and in the commands too: one value for one, never two for the same. Times stand for any time.
A line `[...]` stands for any output.
"""

import re
from dataclasses import dataclass, field

ANYTHING = "[...]"
KINDS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "uuid": r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])",
    "id": r"(?<![\w-])[0-9a-f]{32}(?![\w-])",
    "mpid": r"(?<![\w.-])\d{15,19}(?![\w-])",
    "key": r"(?<![\w-])(?:[\w-]{43}|(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{22})(?![\w-])",
    "address": r"(?<![\w.-])127\.0\.0\.1:\d+",
}
VOLATILE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KINDS.items()))


def settled(text: str) -> str:
    """Return a text with every run of white space as one space: lines break elsewhere when values are longer."""
    return " ".join(text.split())


@dataclass
class Bindings:
    """Which value of a page stands for which value of this run."""

    actual: dict[str, str] = field(default_factory=dict)

    def filled(self, text: str) -> str:
        """Return a text of the page with the values of this run."""
        return VOLATILE.sub(lambda found: self.actual.get(found[0], found[0]), text)

    def bind(self, documented: str, actual: str) -> bool:
        """Let a value of the page stand for one of this run; False if either stands for another."""
        known = self.actual.get(documented)
        if known is not None:
            return known == actual
        if actual in self.actual.values():
            return False
        self.actual[documented] = actual
        return True

    def matches(self, expected: str, printed: str) -> bool:
        """Whether a command printed what the page says; takes over the values of this run if it did."""
        pattern, names = "", []
        for part in re.split(rf"\s*{re.escape(ANYTHING)}\s*", settled(expected)):
            pattern += r"\s*.*?\s*" if pattern or names else ""
            at = 0
            for found in VOLATILE.finditer(part):
                pattern += re.escape(part[at : found.start()])
                names.append((found.lastgroup, found[0]))
                pattern += f"({KINDS[found.lastgroup or '']})"
                at = found.end()
            pattern += re.escape(part[at:])
        if settled(expected).startswith(ANYTHING):
            pattern = r".*?\s*" + pattern.removeprefix(r"\s*.*?\s*")
        matched = re.fullmatch(pattern, settled(printed), re.DOTALL)
        if matched is None:
            return False
        pairs = zip(names, matched.groups(), strict=True)
        return all(kind == "time" or self.bind(documented, actual) for (kind, documented), actual in pairs)
