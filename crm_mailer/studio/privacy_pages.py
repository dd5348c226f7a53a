"""The studio's page of what is held about a customer: hand it out, erase it; and the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from crm_mailer.app import customer_looks, privacy
from crm_mailer.i18n import _, joined
from crm_mailer.model.errors import NotPossible
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import who
from crm_mailer.studio.roles import Role


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    one = "/customers/{number}"
    return [
        *desk.page("/customers/inventory", "customers-inventory", look_inventory),
        *desk.fetch(f"{one}/export.zip", export, Role.MARKETER),
        *desk.act(f"{one}/erase", erase, Role.ADMIN),
        *desk.page(f"{one}/privacy", "customers-privacy", look),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """What is held about one customer, and where; texts that are long to search are named only."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    held = privacy.held(asked.app, number)
    lines = [
        {"table": one.table, "holds": _(one.holds), "kept": _(one.kept),
         "on_erasure": _(one.on_erasure), "rows": held[one.table]}
        for one in privacy.inventory()
        if held.get(one.table)
    ]  # fmt: skip
    return {
        "head": head,
        "side": "privacy",
        "held": lines,
        "rows": sum(held.values()),
        "searched": [_(one.holds) for one in privacy.inventory() if one.is_searched],
        "typed": head.email or str(head.id),
    }


def look_inventory(asked: Asked) -> Mapping[str, Any]:
    """Which tables hold what about persons."""
    del asked  # the same in every shop
    return {
        "inventory": [
            {"table": one.table, "holds": _(one.holds), "kept": _(one.kept),
             "on_erasure": _(one.on_erasure), "columns": one.columns}
            for one in privacy.inventory()
        ]
    }  # fmt: skip


def export(asked: Asked) -> Response:
    """Everything about a customer as a ZIP file."""
    number = asked.number()
    found = privacy.export(asked.app, str(number))
    name = f'attachment; filename="customer-{number}.zip"'
    content = privacy.as_zip(asked.app, found)
    return Response(content, media_type="application/zip", headers={"content-disposition": name})


def erase(asked: Asked) -> Done:
    """Erase a customer, whose address was typed."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    wanted = head.email or str(head.id)
    if asked.form.get("typed", "").strip().casefold() != wanted.casefold():
        raise NotPossible(
            _("what was typed is not {text}").format(text=wanted), hint=_("nothing was erased")
        )
    is_forced = bool(asked.form.get("even_open"))
    done = privacy.erase(asked.app, str(number), by=who(asked), is_forced=is_forced)
    said = _("Customer {number} is erased.").format(number=number)
    if done.files_left:
        files = joined(done.files_left)
        said += " " + _("These files of yours still name the address: {files}").format(files=files)
    return Done(to=f"/customers/{number}", said=said)
