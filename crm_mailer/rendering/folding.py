"""Writes what is the same in every mail of a campaign into its templates, once.

The shop's fields and the campaign's own values never change from mail to mail. So their fields
become constants, loops over their rows are written out, and decisions about them are taken before
the first mail is made. What is left for each customer are the fields about that customer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import Template, nodes
from jinja2.runtime import Undefined
from jinja2.visitor import NodeTransformer

from crm_mailer.rendering.engine import MAX_RANGE, Sandbox

#: A loop is written out only while it stays this small, counted in parts of the template.
MAX_PARTS = 4000
SCALARS = (str, int, float, bool)
#: A loop with one of these stays one: what it binds would reach outside of its turn, and Jinja
#: escapes `a ~ b` twice where it knows both (`Concat.as_const`).
BINDING = (nodes.Assign, nodes.AssignBlock, nodes.With, nodes.Concat)


class _NotKnown:
    """Stands for what depends on the customer."""


NOT_KNOWN = _NotKnown()


def folded(environment: Sandbox, text: str, known: Mapping[str, Any]) -> Template:
    """The folded template, compiled."""
    return environment.from_string(tree(environment, text, known))


def tree(environment: Sandbox, text: str, known: Mapping[str, Any]) -> nodes.Template:
    """The template with the values of `known` written in; it says the same for every customer.

    Args:
        environment: which compiles it.
        text: the template; a fault in it keeps its line.
        known: names that are the same in every mail. A name that the template binds itself stays.
    """
    found = environment.parse(text)
    own = {name.name for name in found.find_all(nodes.Name) if name.ctx != "load"}
    rest = {name: value for name, value in known.items() if name not in own}
    _Folding(environment, rest).visit(found)
    _join_outputs(found)
    return found


class _Folding(NodeTransformer):
    def __init__(self, environment: Sandbox, known: dict[str, Any]) -> None:
        self.environment = environment
        self.known = known

    def value_of(self, node: nodes.Node) -> Any:
        """What a name or a field of a name is; NOT_KNOWN where it depends on the customer."""
        if isinstance(node, nodes.Name):
            return self.known.get(node.name, NOT_KNOWN) if node.ctx == "load" else NOT_KNOWN
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            return NOT_KNOWN
        owner = self.value_of(node.node)
        if owner is NOT_KNOWN:
            return NOT_KNOWN
        if isinstance(node, nodes.Getattr):
            found = self.environment.getattr(owner, node.attr)
        elif isinstance(node.arg, nodes.Const):
            found = self.environment.getitem(owner, node.arg.value)
        else:
            return NOT_KNOWN
        return NOT_KNOWN if isinstance(found, Undefined) else found

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        return self._constant(node)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        return self._constant(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        return self._constant(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """Left alone, see BINDING."""
        return node

    def _constant(self, node: nodes.Node) -> nodes.Node:
        value = self.value_of(node)
        if type(value) in SCALARS:
            return nodes.Const(value, lineno=node.lineno, environment=self.environment)
        return node if isinstance(node, nodes.Name) else self.generic_visit(node)

    def visit_If(self, node: nodes.If) -> nodes.Node | list[nodes.Node]:
        """Where the answer is known, only what it leads to stays."""
        answer = self.answer(node)
        if answer is not NOT_KNOWN and not node.elif_:
            return self._all(node.body if answer else node.else_)
        node.body, node.else_ = self._all(node.body), self._all(node.else_)
        for one in node.elif_:
            one.test, one.body = self.visit(one.test), self._all(one.body)
        return node

    def answer(self, node: nodes.If) -> Any:
        """What its test comes to, or NOT_KNOWN."""
        value = self.value_of(node.test)
        if value is not NOT_KNOWN:
            return bool(value)
        node.test = self.visit(node.test)
        try:
            return bool(node.test.as_const(nodes.EvalContext(self.environment)))  # type: ignore[attr-defined]
        except nodes.Impossible:
            return NOT_KNOWN

    def visit_For(self, node: nodes.For) -> nodes.Node | list[nodes.Node]:
        """Rows of the campaign's own are written out one after the other."""
        rows = self.value_of(node.iter)
        target = node.target
        if not isinstance(rows, tuple) or not isinstance(target, nodes.Name):
            return self._kept(node)
        if not _may_unroll(node, len(rows)):
            return self._kept(node)
        found: list[nodes.Node] = []
        for row in rows:
            with self._bound(target.name, row):
                found += self._all([_twin(one) for one in node.body])
        return self._kept(node) if _is_named(target.name, found) else found

    def _kept(self, node: nodes.For) -> nodes.Node:
        """A loop that stays one; its own names are not known inside."""
        names = [one.name for one in node.target.find_all(nodes.Name)]
        if isinstance(node.target, nodes.Name):
            names.append(node.target.name)
        before = dict(self.known)
        node.iter = self.visit(node.iter)
        for name in names:
            self.known.pop(name, None)
        self.generic_visit(node)
        self.known = before
        return node

    @contextmanager
    def _bound(self, name: str, value: Any) -> Iterator[None]:
        before = dict(self.known)
        self.known[name] = value
        yield
        self.known = before

    def _all(self, body: list[nodes.Node]) -> list[nodes.Node]:
        return [new for one in body for new in self.visit_list(one)]


def _may_unroll(node: nodes.For, turns: int) -> bool:
    if node.recursive or node.test is not None or node.else_ or turns > MAX_RANGE:
        return False
    parts = [one for top in node.body for one in [top, *top.find_all(nodes.Node)]]
    has_counter = any(isinstance(one, nodes.Name) and one.name == "loop" for one in parts)
    has_binding = any(isinstance(one, BINDING) for one in parts)
    return not has_counter and not has_binding and len(parts) * turns <= MAX_PARTS


def _is_named(name: str, found: list[nodes.Node]) -> bool:
    """Whether a row is still asked for something: a field that it has not, or one of many parts."""
    every = (one for top in found for one in [top, *top.find_all(nodes.Name)])
    return any(isinstance(one, nodes.Name) and one.name == name for one in every)


def _twin(node: nodes.Node) -> nodes.Node:
    """A copy that shares no node with the original."""
    twin = copy.copy(node)
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(twin, name, _twin(value))
        elif isinstance(value, list):
            copies = [_twin(one) if isinstance(one, nodes.Node) else one for one in value]
            setattr(twin, name, copies)
    return twin


def _join_outputs(node: nodes.Node) -> None:
    """Neighbours that only write become one, so that their texts can be joined."""
    for _name, value in node.iter_fields():
        if not isinstance(value, list):
            continue
        joined: list[Any] = []
        for one in value:
            if isinstance(one, nodes.Output) and joined and isinstance(joined[-1], nodes.Output):
                joined[-1].nodes += one.nodes
            else:
                joined.append(one)
        value[:] = joined
    for child in node.iter_child_nodes():
        _join_outputs(child)
