"""The starter set but for most of its templates and campaigns: a test that needs a shop needs few.

Reading all of them takes a moment, and `check` looks at every template.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from crm_mailer.home import make_home

LANGUAGES = ("en", "es", "ru")


def copy_home(home: Path, to: Path) -> Path:
    """A copy of a shop's folder. It has hundreds of files, and `cp` is far quicker than we are."""
    subprocess.run(["cp", "-R", home, to], check=True)
    return to


def small_shop(
    home: Path,
    campaigns: Collection[str],
    templates: Collection[str],
    languages: Collection[str] = LANGUAGES,
) -> Path:
    """A new shop in `home` with these campaigns and templates ("stage/name") only."""
    make_home(home)
    only_a_no_counts(home)
    for path in (home / "templates").rglob("*.mjml"):
        name, code = path.name.split(".")[0], path.name.split(".")[-2]
        is_kept = f"{path.parent.name}/{name}" in templates and code in languages
        if path.parent.name != "layout" and not is_kept:
            path.unlink()
    for folder in ("lifecycle", "edm"):
        for path in (home / "campaigns" / folder).glob("*.yaml"):
            if path.stem not in campaigns:
                path.unlink()
    return home


def only_a_no_counts(home: Path) -> None:
    """Let the shop in `home` write to customers of whom nothing is known.

    The starter set keeps the laws of countries; what most tests are about begins after that.
    """
    path = home / "campaigns" / "shop.yaml"
    text = path.read_text(encoding="utf-8")
    assert "rules: by_country" in text
    path.write_text(text.replace("rules: by_country", "rules: recorded"), encoding="utf-8")
