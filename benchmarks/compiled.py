"""A copy of the checkout whose hot path is compiled, as the compiled wheel has it.

Run: python -m benchmarks.compiled     (prints the folder of the copy)
It is made once for each state of the sources, in `.cache/compiled` of the checkout, and takes a
minute. It needs a C compiler.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.sinks import Missing

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "compiled"
#: What is compiled, and what tests and benchmarks need beside it.
SOURCES = ("crm_mailer", "hatch_build.py")
BESIDE = (
    "benchmarks", "campaigns", "docs", "migrations", "templates", "tests", "README.md",
    "pyproject.toml",
)  # fmt: skip


def tree() -> Path:
    """The folder of the copy; made where it is missing.

    Raises:
        Missing: there is no C compiler.
    """
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        raise Missing("a C compiler is not installed (Debian: gcc, python3-dev)")
    place = CACHE / _state()
    if not place.is_dir():
        _make(place)
    for name in BESIDE:
        _copy(name, place)
    return place


def _make(place: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=CACHE, prefix="draft-"))
    try:
        for name in SOURCES:
            _copy(name, draft)
        done = subprocess.run(
            [sys.executable, ROOT / "hatch_build.py", draft], capture_output=True, text=True
        )
        if done.returncode:
            raise Missing(f"compiling failed:\n{(done.stdout + done.stderr)[-3000:]}")
        shutil.rmtree(draft / "build", ignore_errors=True)
        for old in CACHE.iterdir():
            if old != draft:
                shutil.rmtree(old, ignore_errors=True)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(name: str, place: Path) -> None:
    source, target = ROOT / name, place / name
    if source.is_dir():
        unwanted = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=unwanted)
    else:
        shutil.copy2(source, target)


def _state() -> str:
    """A hash of what is compiled, and of what compiles it."""
    found = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*.py")]):
            if path.is_file():
                found.update(path.read_bytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{tree()}\n")
    except Missing as error:
        sys.exit(str(error))
