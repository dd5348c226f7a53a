"""Where the program's own folders lie: in the package when installed, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def bundled(name: str) -> Path:
    """The folder `name` as shipped: campaigns, templates or migrations."""
    shipped = PACKAGE / "_starter" / name
    return shipped if shipped.is_dir() else PACKAGE.parent / name
