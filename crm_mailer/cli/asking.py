"""Questions that a person answers with yes or no."""

from __future__ import annotations

import click

from crm_mailer.i18n import _


def confirm(question: str) -> None:
    """Go on only when a person says yes; click's own would say in English what it cannot read.

    Raises:
        click.Abort: the answer is no, or nobody answers.
    """
    while True:
        answer = click.prompt(f"{question} [y/N]", default="", show_default=False).strip().lower()
        if answer in ("y", "yes"):
            return
        if answer in ("", "n", "no"):
            raise click.Abort
        click.echo(_("error: ") + _("answer with y or n"))
