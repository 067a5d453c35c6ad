"""Of several processes over one database, whose checks are due at the same moment, one does one check."""

import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.store.places import PLACES

PROCESSES = 3
OFTEN = 5
"""How often each process asks for a turn while the check goes on, and looks after it, at least."""

WAIT_SECONDS = 60


class Processes:
    """Processes over one database, and what they have said so far."""

    def __init__(self, command: list[str]) -> None:
        self._living = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        self._said: queue.Queue[tuple[int, str]] = queue.Queue()
        self._readers = [threading.Thread(target=self._read, args=(place,)) for place in range(PROCESSES)]
        for one in self._readers:
            one.start()
        self.words = [Counter[str]() for _ in range(PROCESSES)]

    def _read(self, place: int) -> None:
        for line in self._living[place].stdout or ():
            self._said.put((place, line.strip()))

    def count(self, word: str) -> int:
        """How often they have said a word, together."""
        return sum(words[word] for words in self.words)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Listen to them until something is so."""
        while not is_so():
            self._listen(self._said.get(timeout=WAIT_SECONDS))

    def wait_for_more(self, word: str, processes: int) -> None:
        """Listen until so many processes have said a word often, from now on."""
        before = [words[word] for words in self.words]
        self.wait_until(
            lambda: (
                sum(words[word] >= then + OFTEN for words, then in zip(self.words, before, strict=True)) >= processes
            )
        )

    def go_on(self) -> None:
        """Let each go on to the next thing that it waits for."""
        for one in self._living:
            assert one.stdin is not None
            one.stdin.write("go on\n")
            one.stdin.flush()

    def end(self) -> list[int]:
        """Let each end; return how."""
        for one in self._living:
            assert one.stdin is not None
            one.stdin.close()
        ended = [one.wait(WAIT_SECONDS) for one in self._living]
        for one in self._readers:
            one.join()
        while not self._said.empty():
            self._listen(self._said.get())
        return ended

    def _listen(self, said: tuple[int, str]) -> None:
        self.words[said[0]][said[1]] += 1


@contextmanager
def checking(folder: Path, *arguments: str) -> Iterator[Processes]:
    """Give several processes over a PostgreSQL database, which have begun at the same moment."""
    with PLACES["postgres"](folder) as place:
        several = Processes([sys.executable, "-m", "tests.service.self_checking", place.url, *arguments])
        try:
            several.wait_until(lambda: all(words["ready"] for words in several.words))
            several.go_on()
            yield several
        finally:
            assert several.end() == [0] * PROCESSES


def test_a_check_that_is_due_is_done_once(tmp_path: Path) -> None:
    """However often each asks for a turn at it while it goes on, and looks whether one is due after it, it is done once."""
    with checking(tmp_path) as several:
        several.wait_until(lambda: several.count("checked") > 0)
        several.wait_for_more("turn", PROCESSES - 1)
        several.go_on()
        several.wait_until(lambda: several.count("done") > 0)
        several.wait_for_more("looked", PROCESSES)
    assert several.count("checked") == 1


def test_processes_that_all_take_their_turn_are_caught(tmp_path: Path) -> None:
    """Control: where everybody believes that it is their turn, the check is done more than once."""
    with checking(tmp_path, "greedy") as several:
        several.wait_until(lambda: several.count("checked") > 1)
