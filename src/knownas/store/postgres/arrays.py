"""Writes arrays as PostgreSQL reads them: `{1,2,null}`, `{"a","b"}`.

The driver looks at each element of an array several times, which takes longer than all the rest of sending it. The text of
an array of numbers or texts is that of a JSON array with other brackets, as long as nothing in it has to be escaped.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder()
_ESCAPED: Final = b"\\"
_NONE: Final = "null"


def array_text(values: Sequence[object]) -> str:
    """Write numbers, truth values, texts and Nones as an array."""
    encoded = _ENCODER.encode(values)
    if _ESCAPED in encoded:
        # JSON escapes control characters too, which an array does not know.
        return f"{{{','.join(map(_element, values))}}}"
    return f"{{{encoded[1:-1].decode()}}}"


def columns_text(
    rows: Collection[tuple[object, ...]], width: int, documents: Collection[int] = ()
) -> Sequence[str | Sequence[object]]:
    """Turn rows into the arrays of their columns; those of `documents`, which are bytes, are left to the driver."""
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) if rows else [()] * width
    return [column if place in documents else array_text(column) for place, column in enumerate(columns)]


def _element(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return _NONE if value is None else str(value)
