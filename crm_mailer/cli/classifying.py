"""Command inbox classify: what mails in files are and want, without keeping them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, joined
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from crm_mailer.app.classifying import Classified


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@as_json_option
@click.pass_context
def classify(ctx: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Say what the mails in FILE... are and want; `-` reads standard input. Keeps nothing.

    A file is one mail (.eml) or JSON lines with subject, body and perhaps lang. No shop is needed.
    """
    from crm_mailer.app import classifying
    from crm_mailer.app.clocks import SystemClock

    words = classifying.words_of(getattr(ctx.obj, "home", None))
    failed = 0
    for one in classifying.classify(files, sys.stdin.buffer, words, SystemClock().now()):
        if isinstance(one, classifying.Unreadable):
            show.error(
                Sentence("{file}: {why}", file=one.where, why=one.why), "" if failed else one.hint
            )
            failed += 1
        elif as_json:
            click.echo(json.dumps(show.plain(one), ensure_ascii=False))
        else:
            _show(one)
    if failed:
        ctx.exit(1)


def _show(one: Classified) -> None:
    what = [show.word(one.kind), one.severity or "", *one.reasons]
    what += [one.intent] if one.intent != one.kind else []
    says = " ".join(one.own_text.split())
    show.line(joined((" ".join(filter(None, what)), says[:80] or _("(no text)")), ": "))
