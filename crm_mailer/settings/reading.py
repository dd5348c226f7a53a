"""From the file and the environment to `Settings`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import accounts, alerts, guards, hooks, mailboxes, toml_words
from crm_mailer.settings.fields import FIELDS, PREFIX, Field
from crm_mailer.settings.typed import did_you_mean, find_value
from crm_mailer.settings.values import (
    AlertSettings,
    DkimSettings,
    GuardSettings,
    RetentionSettings,
    Settings,
    StudioSettings,
)

FILE_NAME = "crm-mailer.toml"


def read_settings(home: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the shop in `home`.

    Raises:
        SettingsError: an unknown name, a wrong type, an unreadable secret file, an account or a
            mailbox that cannot work, mail that no account takes, or guards in a wrong order.
    """
    environment = os.environ if environment is None else environment
    path = home / FILE_NAME
    tree = _read_file(path)
    written = _flat(tree)
    further = accounts.declared(tree, written, environment, path)
    boxes = mailboxes.declared(tree, path)
    programs = hooks.declared(tree, path)
    fields = (*FIELDS, *(field for one in (*further, *boxes, *programs) for field in one.fields))
    _check_names(written, fields, [*further, *boxes, *programs], path)
    accounts.check_variables(environment, fields)
    accounts.check_variables(
        environment, fields, mailboxes.TABLE, Sentence("mailbox"), mailboxes.EXAMPLE
    )
    hooks.check_variables(environment, [*fields])
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for field in fields:
        values[field.name], origins[field.name] = find_value(field, written, environment, path)
    settings = replace(
        _build(values, origins, further, boxes),
        hooks=hooks.build_hooks(programs, values, path),
        webhooks=hooks.build_webhooks(programs, values, path),
        alerts=AlertSettings(**accounts.part(values, "alerts")),
        retention=RetentionSettings(**accounts.part(values, "retention")),
    )
    accounts.check(settings, path)
    mailboxes.check(settings, path)
    alerts.check(settings, path)
    guards.check(settings, path)
    if environment.get(PREFIX + "ENV") == "test":
        accounts.check_stays_here(settings)
        hooks.check_stays_here(settings)
        alerts.check_stays_here(settings)
    return settings


def _build(
    values: dict[str, Any],
    origins: dict[str, str],
    further: Sequence[accounts.Declared],
    boxes: Sequence[accounts.Declared],
) -> Settings:
    smtp = accounts.build(accounts.FIRST, values)
    imap = mailboxes.build(mailboxes.FIRST, values)
    others = [accounts.build(one, values) for one in further]
    return Settings(
        database=values["database"],
        clock=values["clock"],
        language=values["language"],
        encodings=values["encodings"],
        outbox=values["outbox"],
        log_level=values["log_level"],
        log_format=values["log_format"],
        workers=values["workers"],
        secret_key=values["secret_key"],
        studio=StudioSettings(**accounts.part(values, "studio")),
        smtp=smtp,
        accounts=(*((smtp,) if smtp.host else ()), *others),
        limits={name: limit for name, limit in accounts.part(values, "limits").items() if limit},
        guards=GuardSettings(**accounts.part(values, "guards")),
        dkim=DkimSettings(**accounts.part(values, "dkim")),
        imap=imap,
        mailboxes=(
            *((imap,) if imap.host else ()),
            *(mailboxes.build(one, values) for one in boxes),
        ),
        origins=origins,
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            Sentence("{path}: {fault}", path=path, fault=toml_words.in_words(error)),
            hint="correct the line that it names",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            Sentence(
                "{path} cannot be read: it is not UTF-8 text (byte {number})",
                path=path,
                number=error.start,
            ),
            hint="save the file with the encoding UTF-8",
        ) from error
    except (ValueError, RecursionError) as error:  # of thousands of digits, or of brackets
        raise SettingsError(
            Sentence("{path} cannot be read: a value in it is too long or too deep", path=path),
            hint="write it as docs/settings.md shows it",
        ) from error
    except OSError as error:
        raise SettingsError(
            Sentence("{path} cannot be read: {why}", path=path, why=error.strerror),
            hint="look at the file's rights",
        ) from error


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value, tables in tables included."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _check_names(
    written: Mapping[str, Any],
    fields: Iterable[Field],
    further: Sequence[accounts.Declared],
    path: Path,
) -> None:
    known = {field.name for field in fields}
    for name in written:
        if name not in known:
            hint = accounts.hint_for(name, further) or _meant(name, known)
            raise SettingsError(
                Sentence("{path}: unknown setting `{name}`", path=path, name=name), hint=hint
            )


def _meant(name: str, known: Collection[str]) -> str:
    """What an unknown setting should have been."""
    if any(one.startswith(f"{name}.") for one in known):
        return Sentence("it is a table: write [{name}] and its settings below", name=name)
    return did_you_mean(name, known, Sentence("see docs/settings.md for the list"))
