"""What the studio's pages answer as data, described so that programs can ask for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from crm_mailer import __version__
from crm_mailer.studio.desk import Listed

#: What pages may be asked besides their path. What a page does not know it passes over.
QUERIES = {
    "after": "where the page before ended",
    "q": "what is looked for",
    "state": "one of the states that the page names",
    "campaign": "of one campaign",
    "customer": "of one customer, by number or address",
    "day": "a day such as 2026-11-20",
    "kind": "one of the kinds that the page names",
    "view": "one of the views that the page has",
    "ui": "the language of words in it: en or zh_CN",
}
PIECE = re.compile(r"\{(\w+)(?::\w+)?\}")
#: Pieces of paths that are numbers.
NUMBERS = {"number", "part"}


def description(pages: Iterable[Listed], shop: str) -> dict[str, Any]:
    """An OpenAPI 3.1 description of the data of all pages."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{shop}: the studio",
            "version": __version__,
            "description": "Each page of the studio, as data. Forms need a browser's session.",
        },
        "paths": {
            PIECE.sub(r"{\1}", one.twin): {"get": _operation(one)} for one in pages
        },
        "components": {"schemas": {"Fault": _FAULT}},
    }  # fmt: skip


_FAULT = {
    "type": "object",
    "required": ["error", "hint"],
    "properties": {
        "error": {"type": "string", "description": "what is wrong"},
        "hint": {"type": "string", "description": "what to do about it"},
        "log_id": {"type": "string", "description": "of a fault of the program: its log line"},
    },
}


def _operation(one: Listed) -> dict[str, Any]:
    fault = {"application/json": {"schema": {"$ref": "#/components/schemas/Fault"}}}
    return {
        "operationId": one.twin.strip("/").removesuffix(".json").replace("/", "-"),
        "summary": one.about,
        "description": f"Needs the role {one.needs.value}.",
        "tags": [one.name.split("-")[0]],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _piece(name)}
              for name in PIECE.findall(one.twin)),
            *({"name": name, "in": "query", "description": what, "schema": {"type": "string"}}
              for name, what in QUERIES.items()),
        ],
        "responses": {
            "200": {
                "description": "the page's data",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "400": {"description": "what is asked makes no sense", "content": fault},
            "401": {"description": "log in first", "content": fault},
            "403": {"description": "needs another role", "content": fault},
            "404": {"description": "there is no such thing", "content": fault},
        },
    }  # fmt: skip


def _piece(name: str) -> dict[str, Any]:
    if name in NUMBERS:
        return {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
    return {"type": "string", "minLength": 1}
