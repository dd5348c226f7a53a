from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def launch(venv: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CRM_MAILER_VENV": str(venv)}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """An environment that is set up: this one's Python, and the stamps of today's locks."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    script = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    (venv / "bin" / "python").write_text(script)
    (venv / "bin" / "python").chmod(0o755)
    for lock in ("requirements", "requirements-test"):
        digest = hashlib.sha256((ROOT / f"{lock}.txt").read_bytes()).hexdigest()
        (venv / f".crm-mailer-{lock}").write_text(digest)
    return venv


def test_any_word_goes_to_the_program(ready: Path) -> None:
    done = launch(ready, "--version")
    assert done.returncode == 0
    assert "crm-mailer, version" in done.stdout
    assert done.stderr == ""


def test_the_word_test_goes_to_the_tests(ready: Path) -> None:
    done = launch(ready, "test", "--version")
    assert "pytest" in done.stdout


def test_the_exit_code_is_the_programs(ready: Path) -> None:
    assert launch(ready, "no-such-command").returncode == 2


def test_a_step_that_fails_is_named_without_a_traceback(tmp_path: Path, ready: Path) -> None:
    (ready / ".crm-mailer-requirements").write_text("an older lock")
    (ready / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    done = launch(ready, "--version", path="/usr/bin:/bin")
    assert done.returncode == 69
    assert "this step failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_launcher_is_readable_by_an_old_python() -> None:
    ast.parse((ROOT / "cli.py").read_text(), feature_version=(3, 7))


def twin(folder: Path, answer: str) -> Path:
    """Another Python of our version on PATH, as far as the launcher looks at it."""
    found = folder / "python{}.{}".format(*sys.version_info[:2])
    found.write_text(f"#!/bin/sh\n{answer}\n")
    found.chmod(0o755)
    return found


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [
        ("echo 0.000001", True),
        ("echo 1000", False),
        ("echo no module named ensurepip; exit 1", False),
        ("exit 0", False),
    ],
    ids=["quicker", "slower", "cannot make an environment", "says nothing"],
)
def test_a_much_quicker_python_of_the_same_version_is_taken(
    tmp_path: Path, answer: str, is_taken: bool
) -> None:
    other = twin(tmp_path, answer)
    program = f"import runpy; print(runpy.run_path({str(ROOT / 'cli.py')!r})['quickest_twin']())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": f"{tmp_path}:{tmp_path / 'none'}"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == (str(other) if is_taken else sys.executable)
    assert (f"{other} is quicker" in done.stderr) == is_taken


def test_the_work_that_is_measured_runs_here() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy; print(runpy.run_path({str(ROOT / 'cli.py')!r})"
         f"['seconds_of_work']({sys.executable!r}))"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert 0 < float(done.stdout) < 60
