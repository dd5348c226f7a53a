"""Which fields a template uses, and which of them do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import check_names, plurals
from crm_mailer.rendering.context import FIELDS, KNOWN, SUBJECT, ItemFields, OrderFields, Record

#: What a name or an expression is: a record, rows of records, a plain value, or not known here.
PLAIN, UNKNOWN = "plain", "unknown"
LOOP = "loop"
#: The languages of a template have one tree, so that it is looked through once.
KEPT = 128


@dataclass(frozen=True, slots=True)
class Rows:
    """Something to loop over, with what each row is."""

    of: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that does not exist: its whole name, the last part of it, the remedy."""

    line: int
    name: str
    part: str
    help: str


#: Record -> the name that the mail has it under, whatever a template calls it.
ROOTS = {record: name for name, record in KNOWN.items() if record in FIELDS}


@dataclass(slots=True)
class Findings:
    """Fields used (`customer.name`) and those that do not exist."""

    used: set[str] = field(default_factory=set)
    unknown: list[Unknown] = field(default_factory=list)


def look(tree: nodes.Template, *, has_order: bool, vars: Collection[str] | None) -> Findings:
    """Walk through a template.

    Args:
        tree: the parsed template.
        has_order: whether the campaign is anchored at an order.
        vars: the names of the campaign's own values; None accepts any.

    What is found is shared with others that ask the same; leave it as it is.
    """
    return _found(tree, has_order, None if vars is None else tuple(vars))


@lru_cache(KEPT)
def _found(tree: nodes.Template, has_order: bool, vars: tuple[str, ...] | None) -> Findings:
    scope: dict[str, Any] = {name: kind or PLAIN for name, kind in KNOWN.items()}
    scope[SUBJECT] = PLAIN
    scope["range"] = scope[plurals.NAME] = PLAIN
    if not has_order:
        del scope["order"]
    walker = _Walker(vars, has_order=has_order)
    walker.visit(tree, scope)
    return walker.findings


class _Walker:
    def __init__(self, vars: Collection[str] | None, *, has_order: bool) -> None:
        self.vars = vars
        self.has_order = has_order
        self.findings = Findings()

    def visit(self, node: nodes.Node, scope: dict[str, Any]) -> None:
        """Look at a statement or expression; `set` and `for` bring names into `scope`."""
        if isinstance(node, nodes.For):
            self.visit_for(node, scope)
        elif isinstance(node, nodes.Assign):
            self.bind(node.target, self.kind_of(node.node, scope), scope)
        elif isinstance(node, nodes.AssignBlock):
            self.visit_all(node.body, dict(scope))
            self.bind(node.target, PLAIN, scope)
        elif isinstance(node, nodes.With):
            inner = dict(scope)
            for target, value in zip(node.targets, node.values, strict=True):
                self.bind(target, self.kind_of(value, scope), inner)
            self.visit_all(node.body, inner)
        elif isinstance(node, nodes.If):
            self.ask(node.test, scope)
            self.visit_all([*node.body, *node.elif_, *node.else_], scope)
        elif isinstance(node, nodes.Expr):
            self.look_at(node, scope)
        else:
            for child in node.iter_child_nodes():
                self.visit(child, scope)

    def look_at(self, node: nodes.Expr, scope: dict[str, Any]) -> None:
        """Look at an expression whose value goes no further."""
        if not (isinstance(node, nodes.Test) and node.name in ("defined", "undefined")):
            self.kind_of(node, scope)

    def ask(self, test: nodes.Node, scope: dict[str, Any]) -> None:
        """A condition: it may ask whether there is a record without using any of its fields."""
        if isinstance(test, nodes.And | nodes.Or):
            self.ask(test.left, scope)
            self.ask(test.right, scope)
        elif isinstance(test, nodes.Not):
            self.ask(test.node, scope)
        else:
            self.visit(test, scope)

    def visit_all(self, body: Sequence[nodes.Node], scope: dict[str, Any]) -> None:
        for node in body:
            self.visit(node, scope)

    def visit_for(self, node: nodes.For, scope: dict[str, Any]) -> None:
        rows = self.kind_of(node.iter, scope)
        inner = dict(scope)
        inner["loop"] = LOOP
        self.bind(node.target, rows.of if isinstance(rows, Rows) else UNKNOWN, inner)
        if node.test is not None:
            self.visit(node.test, inner)
        self.visit_all(node.body, inner)
        self.visit_all(node.else_, dict(scope))

    def bind(self, target: nodes.Node, kind: Any, scope: dict[str, Any]) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = kind
        else:
            for name in target.find_all(nodes.Name):
                scope[name.name] = UNKNOWN

    def kind_of(self, node: nodes.Node, scope: dict[str, Any]) -> Any:
        """What the expression is; faults inside it are noted."""
        if isinstance(node, nodes.Name):
            return self.kind_of_name(node, scope)
        if isinstance(node, nodes.Getattr):
            return self.kind_of_field(node, node.node, node.attr, scope)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            if isinstance(node.arg.value, str):
                return self.kind_of_field(node, node.node, node.arg.value, scope)
            rows = self.kind_of(node.node, scope)
            return rows.of if isinstance(rows, Rows) else UNKNOWN
        if isinstance(node, nodes.Filter) and node.name in ("default", "d"):
            return self.kind_of_default(node, scope)
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.Test) or not isinstance(child, nodes.Expr):
                self.visit(child, scope)
            else:
                self.use_whole(self.kind_of(child, scope))
        return UNKNOWN

    def use_whole(self, kind: Any) -> None:
        """A record goes where its fields can no longer be followed: all of them may be used."""
        if kind in ROOTS:
            self.findings.used |= {f"{ROOTS[kind]}.{name}" for name in FIELDS[kind]}

    def kind_of_default(self, node: nodes.Filter, scope: dict[str, Any]) -> Any:
        """`vars.x|default("")` may name a value that the campaign does not give."""
        for argument in node.args:
            self.visit(argument, scope)
        before = len(self.findings.unknown)
        kind = UNKNOWN if node.node is None else self.kind_of(node.node, scope)
        late = self.findings.unknown[before:]
        self.findings.unknown[before:] = [one for one in late if not one.name.startswith("vars.")]
        return kind

    def kind_of_name(self, node: nodes.Name, scope: dict[str, Any]) -> Any:
        if node.name in scope:
            if node.name in KNOWN:
                self.findings.used.add(node.name)
            return scope[node.name]
        known = [name for name in scope if name not in ("range", SUBJECT)]
        help = check_names.help_for_name(node.name) or did_you_mean(node.name, known)
        if node.name == "order" and not self.has_order:
            help = Sentence("`order` is known only in campaigns anchored at an order")
        self.findings.unknown.append(Unknown(node.lineno, node.name, node.name, help))
        return UNKNOWN

    def kind_of_field(
        self, node: nodes.Expr, owner: nodes.Expr, name: str, scope: dict[str, Any]
    ) -> Any:
        kind = self.kind_of(owner, scope)
        path = _path(owner)
        if kind is Record:
            return self.kind_of_var(node, path, name)
        if kind not in FIELDS:
            if kind is PLAIN:
                self.unknown(
                    node,
                    path,
                    name,
                    Sentence("`{path}` is a plain text and has no fields", path=path),
                )
            return UNKNOWN
        if name not in FIELDS[kind]:
            self.unknown(node, path, name, _remedy(name, FIELDS[kind]))
            return UNKNOWN
        self.findings.used.add(f"{ROOTS.get(kind, path)}.{name}")
        return Rows(ItemFields) if kind is OrderFields and name == "items" else PLAIN

    def kind_of_var(self, node: nodes.Expr, path: str, name: str) -> Any:
        if path == "vars" and self.vars is not None and name not in self.vars:
            remedy = did_you_mean(name, self.vars) or Sentence("the campaign has no `vars`")
            self.unknown(node, path, name, remedy)
        return UNKNOWN

    def unknown(self, node: nodes.Expr, path: str, name: str, help: str) -> None:
        self.findings.unknown.append(Unknown(node.lineno, f"{path}.{name}", name, help))


#: What other programs call our fields.
OTHER_NAMES = {
    "first_name": "given_name",
    "firstname": "given_name",
    "last_name": "family_name",
    "surname": "family_name",
    "mail": "email",
    "zip": "postcode",
    "address": "street",
    "total": "amount",
    "id": "number",
    "tracking": "tracking_number",
    "products": "items",
    "qty": "quantity",
}


def _remedy(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, OTHER_NAMES, n=1, cutoff=0.85)
    if near and OTHER_NAMES[near[0]] in known:
        return Sentence("did you mean `{name}`?", name=OTHER_NAMES[near[0]])
    return did_you_mean(name, known)


def _path(node: nodes.Expr) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    return "..."
