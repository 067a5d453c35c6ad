"""Draws a line on the terminal that tells how far something is, again and again; silent where there is no terminal."""

import sys
from time import monotonic
from typing import Final

import click

REDRAW_SECONDS: Final = 0.2
"""The shortest time between two states that the terminal shows."""


class ProgressLine:
    """A line on standard error that is drawn over itself."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the line would be drawn now."""
        return self._is_shown and monotonic() >= self._next

    def draw(self, text: str) -> None:
        """Draw the line, if that was not done just now."""
        if self.is_due:
            self._next = monotonic() + REDRAW_SECONDS
            click.echo(f"\r{text}\x1b[K", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)
