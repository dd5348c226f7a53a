"""Builds the wheel: with manual pages and completions, and compiled where that is wished for.

    CRM_MAILER_COMPILED=1 pip install .        (needs a C compiler and Python's headers)

Compiled by mypyc, it sends a fifth more mails a second. The modules stay what they are; beside each
lies what was compiled of it, which Python prefers. Manual pages are written by the commands that
they are about, so building needs what running needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WISH = "CRM_MAILER_COMPILED"
#: What every mail passes on its way from a claim to its settlement.
HOT = """
model/token model/address model/language
rendering/quoted rendering/headers rendering/clean rendering/assembly rendering/envelope
rendering/straight rendering/compose rendering/fields rendering/render
delivering/crash delivering/line delivering/settling delivering/logbook delivering/runway
delivering/trips delivering/answers
delivering/outcomes delivering/commands delivering/conversation delivering/meters
delivering/recheck delivering/permission
store/departures store/deliveries store/messages store/claims
delivering/air delivering/journal delivering/guards delivering/pacing delivering/booking
delivering/typesetting delivering/tower delivering/routing delivering/port
rendering/library rendering/greetings rendering/formats rendering/plain rendering/folding
model/windows model/standing model/zones model/touch model/message model/customer
model/delivery app/clocks
""".split()
SETUP = """
from mypyc.build import mypycify
from setuptools import setup

options = ["--ignore-missing-imports", "--follow-imports=silent"]
made = mypycify([*{files!r}, *options], opt_level="3", debug_level="0")
setup(name="crm_mailer_compiled", packages=[], ext_modules=made)
"""


class BuildHook(BuildHookInterface[Any]):
    """Puts into the wheel what is made, not written."""

    def dependencies(self) -> list[str]:
        """What the program needs, and what compiling needs."""
        needed = list(self.metadata.core.dependencies)
        return needed + (["mypy>=2.4", "setuptools>=77"] if _is_wished() else [])

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make all of it beside a copy, so that the tree stays as it is."""
        if version == "editable":
            return
        self._place = Path(tempfile.mkdtemp(prefix="crm-mailer-build-"))
        for made in share_in(self._place, Path(self.root)):
            build_data["shared_data"][str(made)] = str(made.relative_to(self._place))
        if not _is_wished():
            return
        for made in compile_in(self._place, Path(self.root)):
            build_data["force_include"][str(made)] = str(made.relative_to(self._place))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if hasattr(self, "_place"):
            shutil.rmtree(self._place, ignore_errors=True)


def share_in(place: Path, root: Path) -> list[Path]:
    """Write manual pages and completions below `place`; the files that were made."""
    own = {"CRM_MAILER_LANGUAGE": "en", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [sys.executable, "-m", "crm_mailer.cli.share", str(place)],
        cwd=root,
        env={**os.environ, **own},
        check=True,
    )
    return sorted(path for path in (place / "share").rglob("*") if path.is_file())


def compile_in(place: Path, root: Path) -> list[Path]:
    """Compile a copy of the package of `root` in `place`; the files that were made."""
    shutil.copytree(root / "crm_mailer", place / "crm_mailer", dirs_exist_ok=True)
    (place / "setup.py").write_text(SETUP.format(files=[f"crm_mailer/{one}.py" for one in HOT]))
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=place, check=True
    )
    return sorted(place.glob("*.so")) + sorted((place / "crm_mailer").rglob("*.so"))


def _is_wished() -> bool:
    return os.environ.get(WISH, "") not in ("", "0")


if __name__ == "__main__":
    for one in compile_in(Path(sys.argv[1]).resolve(), Path(__file__).resolve().parent):
        sys.stdout.write(f"{one}\n")
