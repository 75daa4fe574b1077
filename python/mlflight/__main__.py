"""``python -m mlflight`` is the ``mlflight`` command."""

from mlflight._cli import main

main()
