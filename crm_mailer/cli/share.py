"""What lies beside an installed program: its manual pages, and the shells' completions.

    python -m crm_mailer.cli.share FOLDER        # writes share/man, share/bash-completion ...

The wheel is built with it, and `crm-mailer init --system` installs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from crm_mailer.cli import completion, manual


def write(folder: Path, group: click.Group) -> list[Path]:
    """Write all of it below `folder`; the files."""
    texts = {Path("man") / "man1" / name: text for name, text in manual.pages(group).items()}
    for shell, place in completion.PLACES.items():
        texts[place] = completion.script(shell, group)
    written = []
    for place, text in sorted(texts.items()):
        path = folder / "share" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def write_in_english(folder: Path) -> list[Path]:
    """The same by a process of its own: here, help may have been read in another language.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is in `stderr`.
    """
    subprocess.run(
        [sys.executable, "-m", __name__, str(folder)],
        env={**os.environ, "CRM_MAILER_LANGUAGE": "en"},
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(path for path in (folder / "share").rglob("*") if path.is_file())


if __name__ == "__main__":
    from crm_mailer.cli import group as everything

    write(Path(sys.argv[1]), everything)
