"""Which templates there are, in which languages, and where each lies."""

from __future__ import annotations

import re
from pathlib import Path

#: Shared parts live here; they are no templates of their own.
SHARED = "layout"
#: `after_sale/shipped.ru.mjml` is the template `after_sale/shipped` in Russian.
FILE_NAME = re.compile(
    r"(?P<name>[^.]+)\.(?P<language>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)\.mjml"
)


def index(folder: Path) -> dict[str, dict[str, Path]]:
    """Each template ("stage/name") with its files by language, in the order of names.

    A folder that does not exist has no templates. Files elsewhere than `stage/name.lang.mjml` and
    all of `layout/` are left out.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*/*.mjml")):
        match = FILE_NAME.fullmatch(path.name)
        if match and path.parent.name != SHARED:
            template = f"{path.parent.name}/{match['name']}"
            found.setdefault(template, {})[match["language"]] = path
    return found
