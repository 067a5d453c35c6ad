"""Runs the command line as `python -m knownas`."""

from knownas.cli.main import main

main()
