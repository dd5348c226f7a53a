"""Sets the program up as a service of this machine: user, settings, units, manual pages.

It may be run again after an upgrade. Of each file it remembers what it wrote: one that a person has
changed since stays, and what is new in a later version is laid beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crm_mailer import home as homes
from crm_mailer.app import service_shell
from crm_mailer.model.errors import CannotWrite, NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import FILE_NAME
from crm_mailer.store.bundled import bundled

USER = "crm-mailer"
MACHINE = Path("/")
#: All of these lie below the root of the machine, or of the folder that stands for it.
SETTINGS = Path("etc") / "crm-mailer"
HOME = Path("var") / "lib" / "crm-mailer"
UNITS = Path("etc") / "systemd" / "system"
USERS = Path("etc") / "sysusers.d" / "crm-mailer.conf"
LOCAL = Path("usr") / "local"
SHELL = LOCAL / "bin" / "crm-mailer-shop"
#: What we wrote, by its digest.
BOOK = SETTINGS / "installed.json"
#: Read by systemd alone, which hands them to the daemon.
PASSWORDS = ("smtp-password", "imap-password")
#: The program as the shipped units name it.
SHIPPED_PROGRAM = "/opt/crm-mailer/.venv/bin/crm-mailer"
#: What `ProtectHome=` and `PrivateTmp=` of the units hide from the service.
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
#: Seconds for a program of the system.
PATIENCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was done; the paths are as the machine has them, without the folder for a trial."""

    written: tuple[Path, ...]
    #: Changed by a person: the new version lies beside it, with `.new` behind its name.
    kept: tuple[Path, ...]
    home: Path
    settings: Path


def install(root: Path, share: Path) -> Installed:
    """Set up the service, or lay all of it out in a folder.

    Args:
        root: the machine's own root, or a folder that stands for it: then no user is made, no
            owner changed and nothing started.
        share: a folder with the manual pages and the completions.

    Raises:
        NotPossible: not as root, without systemd, or with a program that a service may not see.
        CannotWrite: a file or a folder cannot be written.
        NotFound: the user could not be made.
    """
    program = installed_program()
    if root == MACHINE:
        _check_machine()
        _check_reach(program)
    book = _Book(root)
    try:
        for place, text, mode in _texts(program, share):
            book.put(place, text, mode)
        if root == MACHINE:
            _make_user()
        _write_settings(root, book)
        _make_shop(root, program)
        book.close()
    except OSError as error:
        raise CannotWrite(
            Sentence("{file}: {why}", file=error.filename, why=error.strerror or error),
            hint="what is written so far does no harm: run it again when this is put right",
        ) from error
    if root == MACHINE and Path("/run/systemd/system").is_dir():
        _run(["systemctl", "daemon-reload"], Sentence("systemd did not read its units anew"))
    return Installed(
        written=tuple(MACHINE / one for one in book.written),
        kept=tuple(MACHINE / one for one in book.kept),
        home=MACHINE / HOME,
        settings=MACHINE / SETTINGS / FILE_NAME,
    )


class _Book:
    """Writes files below a root, and remembers them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written: list[Path] = []
        self.kept: list[Path] = []
        self._known = self._read()

    def put(self, place: Path, text: str, mode: int) -> None:
        """Write a file of ours; beside it, once, where a person has changed it."""
        path, ours, new = self.root / place, self._known.get(str(place)), _sum(text.encode())
        there = _digest(path)
        self._known[str(place)] = new
        if there == new or (there and ours == new):
            return
        if there in ("", ours):
            self._write(path, text, mode)
            self.written.append(place)
        else:
            self._write(path.with_name(f"{path.name}.new"), text, mode)
            self.kept.append(place)

    def put_once(self, place: Path, text: str, mode: int) -> None:
        """Write a file that is a person's from then on."""
        if not os.path.lexists(self.root / place):
            self._write(self.root / place, text, mode)
            self.written.append(place)

    def close(self) -> None:
        """Keep what was remembered."""
        self._write(self.root / BOOK, json.dumps(self._known, indent=1, sort_keys=True), 0o644)

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads((self.root / BOOK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # then whatever differs counts as changed by a person
        return dict(known) if isinstance(known, Mapping) else {}

    def _write(self, path: Path, text: str, mode: int) -> None:
        for folder in reversed(path.parents):
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(0o755)  # whatever the umask: services and people read there
        fresh = path.with_name(f".{path.name}.part")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(handle, mode)
        fresh.replace(path)


def _texts(program: Path, share: Path) -> Iterator[tuple[Path, str, int]]:
    """Place, content and mode of every file that is ours to replace."""
    for path in sorted(bundled("deploy").glob("*.service")):
        text = path.read_text(encoding="utf-8")
        yield UNITS / path.name, text.replace(SHIPPED_PROGRAM, str(program)), 0o644
    conf = bundled("deploy") / "crm-mailer-sysusers.conf"
    yield USERS, conf.read_text(encoding="utf-8"), 0o644
    yield SHELL, service_shell.script(Path(sys.executable)), 0o755
    for path in sorted(share.rglob("*")):
        if path.is_file():
            place = LOCAL / path.relative_to(share.parent)
            yield place, path.read_text(encoding="utf-8"), 0o644


def _write_settings(root: Path, book: _Book) -> None:
    """The settings and empty files for passwords, a link to the program, the shop's folder."""
    mine, home = root / HOME / FILE_NAME, root / HOME
    if not home.is_dir():
        home.mkdir(parents=True)
        _give(root, home, mode=0o700, is_group_only=False)
    if mine.is_symlink() or not mine.exists():  # a shop from before keeps its settings inside
        book.put_once(SETTINGS / FILE_NAME, homes.settings_text(), 0o640)
        _give(root, root / SETTINGS / FILE_NAME, mode=0o640, is_group_only=True)
        if not mine.is_symlink():
            up = Path(*[".."] * len(HOME.parts))
            mine.symlink_to(up / SETTINGS / FILE_NAME)
    for name in PASSWORDS:
        book.put_once(SETTINGS / name, "", 0o600)
    door = root / LOCAL / "bin" / USER
    if root == MACHINE and not os.path.lexists(door):
        door.symlink_to(installed_program())


def _make_shop(root: Path, program: Path) -> None:
    """The starter set and the database, by the user that is to own them."""
    command = [str(program), "init", str(MACHINE / HOME)]
    if root != MACHINE:
        homes.make_home(root / HOME)
        return
    user = pwd.getpwnam(USER)
    _run(
        command,
        Sentence(
            "{user} cannot run {program}, or cannot write in {folder}",
            user=USER,
            program=program,
            folder=MACHINE / HOME,
        ),
        patience=None,  # it may bring a large database to a new schema
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        umask=0o077,
        cwd=MACHINE / HOME,
        env={"PATH": os.defpath, "HOME": str(MACHINE / HOME), "LANG": "C.UTF-8"},
    )


def _make_user() -> None:
    with suppress(KeyError):
        pwd.getpwnam(USER)
        return
    sysusers = shutil.which("systemd-sysusers")
    home = str(MACHINE / HOME)
    plain = ["useradd", "--system", "--user-group", "--home-dir", home]
    command = [sysusers, str(MACHINE / USERS)] if sysusers else [*plain, USER]
    _run(command, Sentence("the user {user} cannot be made", user=USER))
    try:
        pwd.getpwnam(USER)
    except KeyError:
        raise NotFound(
            Sentence("{command} made no user {user}", command=command[0], user=USER),
            hint=Sentence("make it by hand: {command}", command=" ".join([*plain, USER])),
        ) from None


def _give(root: Path, path: Path, *, mode: int, is_group_only: bool) -> None:
    """To the service's user, or to root with the service's group; in a trial only the mode."""
    if root == MACHINE:
        user = pwd.getpwnam(USER)
        os.chown(path, 0 if is_group_only else user.pw_uid, user.pw_gid, follow_symlinks=False)
    path.chmod(mode)


def installed_program() -> Path:
    """This program as a service starts it: the script beside its Python."""
    return Path(sys.executable).parent / USER


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise NotPossible(
            "only root may set up a service of this machine",
            hint="run it with sudo, or look at what it would do: `crm-mailer init --system "
            "--root trial`",
        )
    if shutil.which("systemctl") is None:
        raise NotPossible(
            "this machine has no systemd",
            hint="`crm-mailer init FOLDER` makes the shop; let your own supervisor start "
            "`crm-mailer run`, or use deploy/Containerfile",
        )


def _check_reach(program: Path) -> None:
    """That a service, which sees no one's home, sees the program and its Python."""
    if not program.is_file():
        raise NotPossible(
            Sentence(
                "{program} is not there: a service needs the installed program", program=program
            ),
            hint=Sentence(
                "install it: python3 -m venv {folder}, then pip install crm-mailer there",
                folder=Path(SHIPPED_PROGRAM).parent.parent,
            ),
        )
    for one in (program, Path(sys.executable).resolve(), bundled("deploy")):
        if any(one.is_relative_to(folder) for folder in HIDDEN):
            raise NotPossible(
                Sentence("{path} lies where a service may not look", path=one),
                hint=Sentence(
                    "install the program elsewhere, such as {folder}, "
                    "with the Python of the system",
                    folder=Path(SHIPPED_PROGRAM).parents[2],
                ),
            )


def _run(
    command: list[str], trouble: Sentence, *, patience: float | None = PATIENCE, **how: object
) -> None:
    """Run another program to its end; after `patience` seconds it is killed, None: never.

    Raises:
        NotPossible: it failed; what it said last is told.
    """
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command, capture_output=True, text=True, check=False, timeout=patience, **how
        )
    except OSError as error:
        raise NotPossible(Sentence("{trouble}: {why}", trouble=trouble, why=error)) from error
    except subprocess.TimeoutExpired as error:
        late = Sentence(
            "`{command}` has not ended in {seconds} seconds",
            command=command[0],
            seconds=error.timeout,
        )
        raise NotPossible(trouble, hint=late) from error
    if done.returncode != 0:
        said = " ".join(f"{done.stderr}{done.stdout}".split())
        raise NotPossible(
            trouble,
            hint=Sentence("`{command}` said: {said}", command=" ".join(command), said=said[-500:]),
        )


def _digest(path: Path) -> str:
    """Of a file's content; empty where there is none."""
    try:
        return _sum(path.read_bytes())
    except FileNotFoundError:
        return ""


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
