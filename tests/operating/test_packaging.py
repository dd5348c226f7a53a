"""What people install: the wheel, manual pages, completions, the service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from crm_mailer.app import service_shell, system
from crm_mailer.cli import COMMANDS, completion, group, manual, share
from crm_mailer.cli.service_shell import main as service_shell_door
from crm_mailer.home import make_home
from tests.flows.bad_world import World

ROOT = Path(__file__).resolve().parent.parent.parent
#: Folder of the tree -> where the wheel has it.
SHIPPED = {
    "crm_mailer": "crm_mailer",
    "campaigns": "crm_mailer/_starter/campaigns",
    "templates": "crm_mailer/_starter/templates",
    "migrations": "crm_mailer/_starter/migrations",
}
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


# ------------------------------------------------------------------ the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(place.glob("*.whl")))


def test_the_wheel_has_every_file_of_the_tree(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())

    missing = [
        name
        for folder, inside in SHIPPED.items()
        for name in files(ROOT / folder)
        if f"{inside}/{name}" not in names
    ]

    assert missing == []
    assert {
        Path(name).name for name in names if name.startswith("crm_mailer/_starter/deploy/")
    } == {path.name for path in (*UNITS, ROOT / "deploy" / "crm-mailer-sysusers.conf")}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_has_a_manual_page_for_every_command_and_a_script_for_every_shell(
    wheel: zipfile.ZipFile,
) -> None:
    names = {name.partition(".data/data/share/")[2] for name in wheel.namelist()}

    assert {f"man/man1/crm-mailer-{name}.1" for name in COMMANDS} < names
    assert "man/man1/crm-mailer.1" in names
    assert {str(place) for place in completion.PLACES.values()} < names


def test_the_wheel_has_nothing_of_a_shop_or_of_the_tests(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()}

    assert tops == {"crm_mailer"}
    assert not [name for name in wheel.namelist() if name.endswith((".db", ".key", ".pyc"))]


# ------------------------------------------------------------------ manual pages


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return manual.pages(group)


def test_every_option_of_every_command_is_in_the_manual(pages: dict[str, str]) -> None:
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        page = pages[f"crm-mailer-{name}.1"].replace(r"\-", "-")
        for option in _options(command):
            assert option in page, f"{name} {option}"


def _options(command: click.Command) -> Iterator[str]:
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            yield from param.opts
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _options(inner)


def test_the_manual_has_no_fault_that_groff_knows(pages: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff")
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        [
            "groff",
            "-man",
            "-ww",
            "-z",
            "-Kutf8",
            "-Tutf8",
            "-rLL=120n",
            "-dAD=l",
            *map(str, tmp_path.iterdir()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_of_ours_is_no_request_to_roff() -> None:
    assert manual._text(".TH is a macro") == r"\&.TH is a macro"
    assert manual._text(r"a\b `--json` c") == r"a\eb \fB\-\-json\fR c"


# ------------------------------------------------------------------ completion


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shop, our program on a PATH, and the script for bash."""
    place = tmp_path_factory.mktemp("shell")
    make_home(place / "shop")
    program = place / "bin" / "crm-mailer"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m crm_mailer "$@"\n'
    )
    program.chmod(0o755)
    (place / "script").write_text(completion.script("bash", group))
    return place


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("crm-mailer pre", ["preview"]),
        ("crm-mailer campaign res", ["results"]),
        ("crm-mailer preview win", ["win-back"]),
        ("crm-mailer campaign show birth", ["birthday"]),
        ("crm-mailer plan win-back welc", ["welcome"]),
        ("crm-mailer pause --campaign shipp", ["shipped"]),
        ("crm-mailer segment explain champ", ["champions"]),
        ("crm-mailer curve show ebbing", ["ebbinghaus7"]),
        ("crm-mailer rfm try quin", ["quintiles"]),
        ("crm-mailer new template x/y --from growth/upg", ["growth/upgrade"]),
        ("crm-mailer customer list --seg", ["--segment"]),
        ("crm-mailer preview nothing-begins-so", []),
    ],
)
def test_bash_completes_commands_options_and_the_shops_names(
    shell: Path, line: str, offers: list[str]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    words = line.split()
    ask = f"""
        source {shell}/script
        COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
        _crm_mailer_completion crm-mailer
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", ask],
        cwd=shell / "shop",
        env={**os.environ, "PATH": f"{shell}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == offers
    assert done.stderr == ""


def test_without_a_shop_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    asked = completion.ShopName(lambda _home: {"a": ""})
    context = click.Context(group)
    context.params["home"] = str(tmp_path)

    assert asked.shell_complete(context, group.params[0], "") == []


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_init_prints_the_script_of_a_shell(name: str, tmp_path: Path) -> None:
    said = World(tmp_path).run(f"init --completion {name}", at_home=False)

    assert said.code == 0
    assert f"_CRM_MAILER_COMPLETE={name}_complete" in said.out


# ------------------------------------------------------------------ the service


@pytest.fixture(scope="module")
def extras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("extras")
    share.write(place, group)
    return place / "share"


def test_a_service_is_laid_out_once(extras: Path, tmp_path: Path) -> None:
    first = system.install(tmp_path, extras)
    again = system.install(tmp_path, extras)

    settings = tmp_path / "etc/crm-mailer/crm-mailer.toml"
    assert settings.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "etc/crm-mailer/smtp-password").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "var/lib/crm-mailer").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var/lib/crm-mailer/crm-mailer.toml").resolve() == settings
    assert (tmp_path / "var/lib/crm-mailer/campaigns/shop.yaml").is_file()
    assert (tmp_path / "usr/local/share/man/man1/crm-mailer.1").is_file()
    assert (tmp_path / "usr/local/bin/crm-mailer-shop").stat().st_mode & 0o777 == 0o755
    assert Path("/etc/systemd/system/crm-mailer.service") in first.written
    assert (again.written, again.kept) == ((), ())


def test_a_new_version_replaces_what_nobody_has_changed(extras: Path, tmp_path: Path) -> None:
    system.install(tmp_path, extras)
    unit = tmp_path / system.UNITS / "crm-mailer.service"
    _as_of_the_version_before(tmp_path, unit, "[Unit]\n# the version before\n")

    done = system.install(tmp_path, extras)

    assert Path("/etc/systemd/system/crm-mailer.service") in done.written
    assert "WatchdogSec" in unit.read_text()


def test_what_a_person_has_changed_stays_and_the_new_one_lies_beside_it(
    extras: Path, tmp_path: Path
) -> None:
    system.install(tmp_path, extras)
    unit = tmp_path / system.UNITS / "crm-mailer.service"
    _as_of_the_version_before(tmp_path, unit, "[Unit]\n# the version before\n")
    unit.write_text("[Unit]\n# mine\n")
    settings = tmp_path / system.SETTINGS / "crm-mailer.toml"
    settings.write_text('language = "en"\n')

    done = system.install(tmp_path, extras)
    again = system.install(tmp_path, extras)

    assert done.kept == (Path("/etc/systemd/system/crm-mailer.service"),)
    assert unit.read_text() == "[Unit]\n# mine\n"
    assert "WatchdogSec" in unit.with_name("crm-mailer.service.new").read_text()
    assert settings.read_text() == 'language = "en"\n'
    assert again.kept == ()


def _as_of_the_version_before(root: Path, path: Path, text: str) -> None:
    """As if an earlier program had written this."""
    path.write_text(text)
    book = root / system.BOOK
    known = json.loads(book.read_text())
    known[str(path.relative_to(root))] = system._sum(text.encode())
    book.write_text(json.dumps(known))


def test_a_command_in_the_shop_of_the_machine_gets_what_the_daemon_gets() -> None:
    lent = "/run/credentials/crm-mailer.service"
    unit = {
        "User": "crm-mailer",
        "Environment": [
            "CRM_MAILER_HOME=/var/lib/crm-mailer",
            f"CRM_MAILER_SMTP_PASSWORD_FILE={lent}/smtp-password",
            f"CRM_MAILER_ACCOUNTS_SPARE_PASSWORD_FILE={lent}/spare",
        ],
        "EnvironmentFiles": [["/etc/crm-mailer/more", True]],
        "LoadCredential": [["smtp-password", "/etc/crm-mailer/smtp-password"]],
        "LoadCredentialEncrypted": [["spare", "/etc/crm-mailer/spare"]],
    }

    words = service_shell.command(
        unit,
        ["outbox", "list", "--state", "held"],
        program=Path("/opt/crm-mailer/.venv/bin/crm-mailer"),
        name="shop-7",
        folder=Path("/srv"),
        is_terminal=False,
        environment={"LANG": "zh_CN.UTF-8", "SECRET": "s"},
    )

    assert words[: words.index("--")] == [
        "systemd-run", "--quiet", "--collect", "--unit=shop-7", "--pipe", "--wait",
        "--property=User=crm-mailer", "--property=WorkingDirectory=-/srv", "--property=UMask=0077",
        "--property=EnvironmentFile=-/etc/crm-mailer/more",
        "--property=LoadCredential=smtp-password:/etc/crm-mailer/smtp-password",
        "--property=LoadCredentialEncrypted=spare:/etc/crm-mailer/spare",
        "--setenv=CRM_MAILER_HOME=/var/lib/crm-mailer",
        "--setenv=CRM_MAILER_SMTP_PASSWORD_FILE=/run/credentials/shop-7.service/smtp-password",
        "--setenv=CRM_MAILER_ACCOUNTS_SPARE_PASSWORD_FILE=/run/credentials/shop-7.service/spare",
        "--setenv=LANG=zh_CN.UTF-8",
    ]  # fmt: skip
    assert words[words.index("--") + 1 :] == [
        "/opt/crm-mailer/.venv/bin/crm-mailer", "outbox", "list", "--state", "held"
    ]  # fmt: skip


def test_without_systemd_a_command_in_its_shop_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit) as left:
        service_shell_door()

    said = capsys.readouterr().err
    assert left.value.code == 2
    assert "run it with sudo" in said or "no systemd" in said  # who is not root is told that first


def test_the_demo_names_what_it_needs_besides(tmp_path: Path) -> None:
    """A plain `pip install crm-mailer` has no server for the demo's mailbox."""
    begin = "import sys; sys.modules['pymap'] = None; from crm_mailer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", begin, "demo", "--folder", str(tmp_path / "demo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (78, "")
    assert "pip install 'crm-mailer[demo]'" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("init", "name a folder"),
        ("init shop --system", "leave FOLDER out"),
        ("init shop --root there", "--root goes with --system"),
    ],
)
def test_a_wrong_init_is_told(tmp_path: Path, line: str, says: str) -> None:
    said = World(tmp_path).run(line, at_home=False)

    assert (said.code, len(said.errors)) == (2, 1)
    assert says in said.err


def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("in the way")

    said = World(tmp_path).run(f"init --system --root {tmp_path}", at_home=False)

    assert (said.code, len(said.errors)) == (73, 1)
    assert "etc" in said.err


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a program that is on every machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd")
    copies = []
    for unit in UNITS:
        copies.append(tmp_path / unit.name)
        text = unit.read_text(encoding="utf-8")
        assert system.SHIPPED_PROGRAM in text
        copies[-1].write_text(text.replace(system.SHIPPED_PROGRAM, "/bin/true"))
    return copies


def test_systemd_finds_no_fault_in_the_units(units: list[Path]) -> None:
    done = _analyze("verify", "--man=no", *map(str, units))

    assert (done.returncode, done.stderr + done.stdout) == (0, "")


def test_the_units_give_the_program_little_to_do_harm_with(units: list[Path]) -> None:
    for unit in units:
        done = _analyze("security", "--offline=true", "--no-pager", str(unit))
        found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        assert found, done.stderr
        assert float(found[1]) <= 1.5, unit.name


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )
