"""Builds the wheel, on request with its hot path compiled by mypyc: a fifth more mails a second.

    CRM_MAILER_COMPILED=1 pip install .        (needs a C compiler and Python's headers)

The modules stay what they are; beside each lies what was compiled of it, which Python prefers.
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


class CompiledHook(BuildHookInterface[Any]):
    """Puts compiled modules into the wheel where they are wished for."""

    def dependencies(self) -> list[str]:
        """What compiling needs."""
        return ["mypy>=2.4", "setuptools>=77"] if _is_wished() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile beside a copy, so that the tree stays as it is."""
        if not _is_wished() or version == "editable":
            return
        self._place = Path(tempfile.mkdtemp(prefix="crm-mailer-build-"))
        for made in compile_in(self._place, Path(self.root)):
            build_data["force_include"][str(made)] = str(made.relative_to(self._place))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if hasattr(self, "_place"):
            shutil.rmtree(self._place, ignore_errors=True)


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
