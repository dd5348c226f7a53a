"""Finds the shop's folder, and makes a new one from the starter set."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from crm_mailer.model.errors import CannotWrite, NotFound, SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.token import KeyRing
from crm_mailer.store.bundled import bundled

if TYPE_CHECKING:
    from crm_mailer.settings import Field

MARK = Path("campaigns") / "shop.yaml"
KEY_FILE = "crm-mailer.key"


def find_home(given: str | None = None) -> Path:
    """The shop's folder: `given`, else CRM_MAILER_HOME, else the nearest one upwards.

    Raises:
        NotFound: there is none.
    """
    named = given or os.environ.get("CRM_MAILER_HOME")
    if named:
        home = Path(named).expanduser().resolve()
        if not (home / MARK).is_file():
            raise NotFound(
                Sentence("{home} is no shop folder: it has no {mark}", home=home, mark=MARK),
                hint=Sentence("make one with `crm-mailer init {named}`", named=named),
            )
        return home
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / MARK).is_file():
            return folder
    raise NotFound(
        Sentence(
            "no shop folder here: neither {here} nor a folder above it has {mark}",
            here=here,
            mark=MARK,
        ),
        hint="make one with `crm-mailer init my-shop`, or name one with --home",
    )


def make_home(folder: Path) -> list[Path]:
    """Lay out a new shop in `folder`: starter campaigns, templates, settings and a secret key.

    Returns the files that were written. What is there already is never overwritten.
    """
    from crm_mailer.settings import FILE_NAME  # a shell that completes a word does without

    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [
            path
            for name in ("campaigns", "templates")
            for path in _copy_missing(bundled(name), folder / name)
        ]
        for name, text in ((FILE_NAME, settings_text()), ("rates.csv", RATES)):
            if not (folder / name).exists():
                (folder / name).write_text(text, encoding="utf-8")
                written.append(folder / name)
        if not (folder / KEY_FILE).exists():
            make_key(folder)
            written.append(folder / KEY_FILE)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return written


def make_key(folder: Path) -> None:
    """Write a fresh secret key, readable by its owner only."""
    path = folder / KEY_FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"1:{secrets.token_hex(32)}\n")


def read_keys(home: Path, secret_key: str = "") -> KeyRing:
    """The keys of our tokens: `id:hex` a line, the last one signs, all verify.

    Raises:
        SettingsError: there is no key, or it cannot be read.
    """
    text = secret_key
    if not text:
        try:
            text = (home / KEY_FILE).read_text(encoding="ascii")
        except FileNotFoundError:
            make_key(home)
            text = (home / KEY_FILE).read_text(encoding="ascii")
        except UnicodeDecodeError:
            text = ""
        except OSError as error:
            raise SettingsError(
                Sentence("{file} cannot be read: {why}", file=home / KEY_FILE, why=error.strerror),
                hint="whoever runs the program must own the file",
            ) from error
    where = Sentence("the setting `secret_key`") if secret_key else str(home / KEY_FILE)
    keys: dict[int, bytes] = {}
    for line in text.replace(",", "\n").split():
        number, _, value = line.partition(":")
        try:
            keys[int(number)] = bytes.fromhex(value)
        except ValueError:
            keys = {}
            break
    if not keys or not all(0 <= number <= 255 for number in keys):
        raise SettingsError(
            Sentence("the secret key in {where} is not of the form 1:0123abcd...", where=where),
            hint="restore the file from a backup; a new key makes old links and replies unreadable",
        )
    return KeyRing(keys=keys, current=list(keys)[-1])


def _copy_missing(source: Path, target: Path) -> list[Path]:
    written = []
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            written.append(copy)
    return written


def settings_text() -> str:
    """A settings file in which every setting stands, switched off, with its default."""
    from crm_mailer.settings import FIELDS

    lines = [
        "# Settings of this shop. Each one can also come from the environment:",
        "# smtp.host is CRM_MAILER_SMTP_HOST; a secret may lie in a file that",
        "# CRM_MAILER_SMTP_PASSWORD_FILE names. Lines with # show the default.",
    ]
    section = ""
    for field_ in sorted(FIELDS, key=lambda one: one.name.count(".") > 0):
        group, _, name = field_.name.partition(".")
        if not name:
            group, name = "", group
        if group != section:
            lines += ["", f"[{group}]"]
            section = group
        if field_.name not in ("clock", "secret_key"):
            lines.append(f"# {name} = {_shown(field_)}".ljust(34) + f"  # {field_.what}")
    return "\n".join(lines) + "\n" + ACCOUNTS


def _shown(field_: Field) -> str:
    if field_.is_list:
        return "[]"
    if isinstance(field_.default, bool):
        return str(field_.default).lower()
    return f'"{field_.default}"' if isinstance(field_.default, str) else str(field_.default)


def _cannot_write(folder: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        Sentence("cannot write in {folder}: {why}", folder=folder, why=error.strerror or error),
        hint="choose a folder of your own",
    )


ACCOUNTS = """
# Further accounts have the keys of [smtp] and a kind: smtp, ses, folder or null.
# [accounts.newsletter]
# host = "smtp.example.com"
# streams = ["marketing"]
"""
RATES = """date,currency,usd
2009-01-01,GBP,1.55
2024-01-01,EUR,1.10
2024-01-01,GBP,1.27
2024-01-01,CNY,0.14
2024-01-01,RUB,0.011
2024-01-01,BRL,0.20
"""
