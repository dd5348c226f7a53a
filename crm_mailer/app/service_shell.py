"""Runs a command in the surroundings of the service: `sudo crm-mailer-shop doctor`.

The passwords of a service are read by systemd alone, so a command that is run by hand, even as the
service's user, has none of them. `init --system` writes a small program that asks systemd to run
the command with what it gives to the daemon: the user, the variables, the passwords, changes by
`systemctl edit` included.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence

UNIT = "crm-mailer.service"
#: Where systemd lays the passwords of a unit.
CREDENTIALS = "/run/credentials"
#: What the daemon's unit is asked for.
ASKED = ("User", "Environment", "EnvironmentFiles", "LoadCredential", "LoadCredentialEncrypted")
#: Of the person who runs the command: how it speaks and what it may draw.
PASSED_ON = ("LANG", "LC_ALL", "CRM_MAILER_LANGUAGE", "NO_COLOR", "TERM")
#: Seconds for systemd to answer.
PATIENCE = 30
_BUS = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1/unit/crm_2dmailer_2eservice"


def script(python: Path) -> str:
    """The program `crm-mailer-shop`, for the Python that has ours."""
    return (
        f"#!{python}\n"
        "# A command in this machine's shop: as its user, with the daemon's passwords.\n"
        "#     sudo crm-mailer-shop doctor\n"
        "from crm_mailer.cli.service_shell import main\n\n"
        "main()\n"
    )


def ask() -> dict[str, Any]:
    """What systemd knows of the daemon's unit, by the names of `ASKED`.

    Raises:
        NotPossible: not as root, or no systemd that answers.
        NotFound: this machine has no such unit.
    """
    if os.geteuid() != 0:
        raise NotPossible("only root may run a command as the service", hint="run it with sudo")
    if shutil.which("busctl") is None or shutil.which("systemd-run") is None:
        raise NotPossible(
            "this machine has no systemd",
            hint="run `crm-mailer` itself, as the user who owns the shop's folder",
        )
    if _read("Unit", ["LoadState"]) != ["loaded"]:
        raise NotFound(
            Sentence("systemd knows no {unit}", unit=UNIT),
            hint="`crm-mailer init --system` makes it",
        )
    return dict(zip(ASKED, _read("Service", ASKED), strict=True))


def command(
    unit: Mapping[str, Any], words: Sequence[str], *, program: Path, name: str,
    folder: Path, is_terminal: bool, environment: Mapping[str, str],
) -> list[str]:  # fmt: skip
    """What is run to have `words` run in the surroundings of the daemon.

    Args:
        unit: what `ask` found.
        words: what follows `crm-mailer`.
        program: `crm-mailer` itself.
        name: what the passing unit is called; passwords lie in a folder by this name.
        folder: names of files count from here, where the user may enter it.
        is_terminal: somebody sits there, whom the command may ask.
        environment: of the person who runs it.
    """
    properties = [
        f"User={unit['User']}",
        f"WorkingDirectory=-{folder}",
        "UMask=0077",
        *(f"EnvironmentFile={'-' * optional}{path}" for path, optional in unit["EnvironmentFiles"]),
        *(f"LoadCredential={key}:{path}" for key, path in unit["LoadCredential"]),
        *(f"LoadCredentialEncrypted={key}:{path}" for key, path in unit["LoadCredentialEncrypted"]),
    ]
    here, there = f"{CREDENTIALS}/{UNIT}/", f"{CREDENTIALS}/{name}.service/"
    variables = [one.replace(here, there) for one in unit["Environment"]]
    variables += [f"{one}={environment[one]}" for one in PASSED_ON if environment.get(one)]
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={name}",
        "--pty" if is_terminal else "--pipe",
        "--wait",
        *(f"--property={one}" for one in properties),
        *(f"--setenv={one}" for one in variables),
        "--",
        str(program),
        *(word.replace("$", "$$") for word in words),  # systemd fills in variables else
    ]


def _read(interface: str, names: Sequence[str]) -> list[Any]:
    """Properties of the unit, one after the other."""
    question = ["busctl", "--json=short", "get-property", _BUS, _PATH, f"{_BUS}.{interface}"]
    try:
        done = subprocess.run(
            [*question, *names], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        return [json.loads(line)["data"] for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        said = str(getattr(error, "stderr", "") or error).strip()
        raise NotPossible(
            Sentence("systemd does not say what it gives to {unit}: {said}", unit=UNIT, said=said),
            hint="is this machine run by systemd? `systemctl status crm-mailer` says more",
        ) from error
