"""Reads this package's statements, which are made of parts: a marker stands where a name or another part belongs."""

from collections.abc import Mapping

from knownas.store.sql_files import named_statements


def filled(statement: str, marks: Mapping[str, str]) -> str:
    """Return a statement of this package's .sql files with texts in the places of its markers."""
    text = "\n".join(line for line in named_statements(__package__ or "")[statement].splitlines() if line[:2] != "--")
    for mark, value in marks.items():
        text = text.replace(f"/*{mark}*/", value)
    return text
