"""``python -m vidcolor``: the same as the ``vidcolor`` command."""

from vidcolor.cli import main

raise SystemExit(main())
