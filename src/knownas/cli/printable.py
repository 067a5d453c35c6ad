"""Writes texts of strangers for a terminal."""


def clean(value: object) -> str:
    """Write a text with everything escaped that would not show, or that a terminal would obey."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
