"""A plugin for the tests of an earlier version: gives them databases that this version has brought up to date.

It is loaded beside the earlier code, of which it replaces how a database is made. `KNOWNAS_NEWEST` names the folder of this
version's source; the layout is brought up to date in a process that has it.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests import postgres

BRINGS_UP_TO_DATE = """
import asyncio, sys
from knownas.store.postgres.store import PostgresStore

async def main():
    store = PostgresStore(sys.argv[1])
    await store.ping()
    await store.close()

asyncio.run(main())
"""

_make = postgres._with_layout


def _brought_up_to_date() -> str:
    url = _make()
    newest = os.environ["KNOWNAS_NEWEST"]
    subprocess.run(
        [sys.executable, "-c", BRINGS_UP_TO_DATE, url], check=True, env={**os.environ, "PYTHONPATH": newest}, timeout=60
    )
    with (Path(os.environ["KNOWNAS_BROUGHT_UP"])).open("a") as told:
        told.write(f"{url}\n")
    return url


postgres._with_layout = _brought_up_to_date
