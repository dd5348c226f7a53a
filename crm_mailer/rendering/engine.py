"""Jinja for templates that marketers write: strict, and with nothing in reach but the given fields.

What is allowed is listed here: filters, the function `range`, the fields of the context's records.
Everything else (methods of texts, Python's inner names, other templates) does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    nodes,
    pass_environment,
    pass_eval_context,
)
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.lexer import TokenStream
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from crm_mailer.definitions.problems import nearest
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import quoted, tokens
from crm_mailer.rendering.context import FIELDS, Record
from crm_mailer.rendering.plurals import Plural

MAX_OUTPUT = 2_000_000
#: So many pieces are made between two looks at the size.
PIECES = 100
MAX_RANGE = 100
#: Loops inside loops, and the turns that all loops of a mail may have: a fraction of a second.
MAX_LOOPS = 3
MAX_TURNS = 100_000
#: A text or list that a template makes on the way; a whole mail has a tenth of it.
MAX_VALUE = 1_000_000
#: So many letters weigh as much as one entry of a list.
LETTERS = 100

ALLOWED_FILTERS = (
    "abs batch capitalize d default e escape first float int join last length list lower max min "
    "replace round sort string sum title trim truncate unique upper wordcount"
).split()
LOOP_FIELDS = frozenset(
    "index index0 revindex revindex0 first last length previtem nextitem cycle changed".split()
)
#: What a template may not contain, because escaping or limits would not hold there.
REFUSED: dict[type[nodes.Node], str] = {
    nodes.Include: "{% include %}",
    nodes.Extends: "{% extends %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.Block: "{% block %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.ScopedEvalContextModifier: "{% autoescape %}",
}
#: Nodes below which nothing of that can be; they are most of a template.
HARMLESS_NODES = frozenset({nodes.TemplateData, nodes.Name, nodes.Const})


class Missing(StrictUndefined):
    """A field that is not there; using it is an error that names it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or Sentence(
            "`{name}` is not known here", name=self._undefined_name
        )


class Measuring(CodeGenerator):
    """Compiles a template so that nothing it makes on the way grows without bounds."""

    #: What loops go through.
    _rows: nodes.Node | None = None

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """A node; what a loop goes through is counted."""
        if node is not self._rows:
            return super().visit(node, *args, **kwargs)
        self._rows = None
        self.write("environment.turns(context, ")
        super().visit(node, *args, **kwargs)
        self.write(")")
        return None

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        """A loop: the first that is written of it is what it goes through, or its condition."""
        self._rows = node.iter
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """Texts joined by `~`."""
        self.write("markup_join(" if frame.eval_ctx.autoescape else "str_join(")
        self.write("environment.within((")
        for one in node.nodes:
            self.visit(one, frame)
            self.write(", ")
        self.write(")))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        """A list: one of lists of lists is short to write and long to show."""
        self.write("environment.within(")
        super().visit_List(node, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        """A mapping: the same."""
        self.write("environment.within(")
        super().visit_Dict(node, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        """A row, unless it is the names that a loop or a `set` fills."""
        if node.ctx != "load":
            super().visit_Tuple(node, frame)
            return
        self.write("environment.within(")
        super().visit_Tuple(node, frame)
        self.write(")")


def within(values: Any) -> Any:
    """`values` as they are.

    Raises:
        TooLarge: all that is in them is too much.
    """
    left, todo = MAX_VALUE // LETTERS, [values]
    while todo:
        one = todo.pop()
        left -= 1
        if isinstance(one, str):
            left -= len(one) // LETTERS
        elif isinstance(one, list | tuple | range):
            left -= len(one) // LETTERS  # before all of them are taken in hand
            todo += one if left >= 0 else ()
        elif isinstance(one, dict):
            todo += one.values()
        if left < 0:
            raise TooLarge
    return values


def limited_concat(parts: Iterable[str]) -> str:
    """Pieces of text joined."""
    pieces = list(parts)
    if sum(map(len, pieces)) > MAX_VALUE:
        raise TooLarge
    return "".join(pieces)


@pass_eval_context
def limited_join(
    eval_ctx: nodes.EvalContext, value: Iterable[Any], d: str = "", attribute: Any = None
) -> str:
    """The entries with `d` between, as Jinja's own filter makes it."""
    rows = within(list(value))
    if len(rows) * len(str(d)) > MAX_VALUE:
        raise TooLarge
    return FILTERS["join"](eval_ctx, rows, d, attribute)  # type: ignore[no-any-return]


@pass_eval_context
def limited_replace(
    eval_ctx: nodes.EvalContext, s: str, old: str, new: str, count: int | None = None
) -> str:
    """Words for others, as Jinja's own filter does it."""
    if (str(s).count(str(old)) if count is None else count) * len(str(new)) > MAX_VALUE:
        raise TooLarge
    return FILTERS["replace"](eval_ctx, s, old, new, count)  # type: ignore[no-any-return]


@pass_environment
def limited_sum(
    environment: Environment, iterable: Iterable[Any], attribute: Any = None, start: Any = 0
) -> Any:
    """The sum of numbers."""
    if not isinstance(start, int | float):
        raise SecurityError(Sentence("`{operator}` works on plain numbers only", operator="sum"))
    return FILTERS["sum"](environment, iterable, attribute, start)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with allow-lists for everything."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})
    code_generator_class = Measuring
    #: Joins what a `set` block collects.
    concat = staticmethod(limited_concat)

    def __init__(self, *, is_html: bool) -> None:
        super().__init__(
            autoescape=is_html,
            undefined=Missing,
            keep_trailing_newline=False,
            cache_size=0,
        )
        self.globals.clear()
        self.globals["range"] = limited_range
        self.filters = {name: FILTERS[name] for name in ALLOWED_FILTERS}
        self.filters |= {
            "batch": limited_batch,
            "join": limited_join,
            "replace": limited_replace,
            "sum": limited_sum,
        }
        if not is_html:
            self.filters["e"] = self.filters["escape"] = str

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        """Jinja's own tokens, sooner: tags are known from before, text is not looked through."""
        found = tokens.known(self.lexer, str(source)) if state is None else None
        if found is None:
            return super()._tokenize(source, name, filename, state)
        return TokenStream(found, name, filename)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a record, an entry of the campaign's own values, a loop's counters."""
        fields = FIELDS.get(obj.__class__)
        if fields is not None:
            if attribute in fields:
                return getattr(obj, attribute)
        elif obj.__class__ is Record:
            if attribute in obj:
                return obj[attribute]
        elif obj.__class__ is LoopContext:
            if attribute in LOOP_FIELDS:
                return getattr(obj, attribute)
        elif isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        return self.undefined(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """One of a row by its number, or a field by its name."""
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, tuple | list | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(name=str(argument))
        return self.undefined(name=str(argument))

    def is_safe_callable(self, obj: Any) -> bool:
        """`range`, `plural` and the helpers of a loop; what is missing says so when called."""
        if isinstance(obj, Undefined):
            return True
        return (
            obj is limited_range
            or obj.__class__ is Plural
            or isinstance(getattr(obj, "__self__", None), LoopContext)
        )

    within = staticmethod(within)

    @staticmethod
    def turns(context: Context, rows: Any) -> Any:
        """What a loop goes through, after its turns were counted with those of all before it."""
        if not isinstance(rows, list | tuple | range | str | Record | dict | Undefined):
            rows = list(rows)
        made = getattr(context, "turns", 0) + len(rows)
        if made > MAX_TURNS:
            raise SecurityError(
                Sentence("all loops together have at most {most} turns", most=MAX_TURNS)
            )
        context.turns = made  # type: ignore[attr-defined]
        return rows

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of a decent size; no repeated texts, no powers."""
        numbers = (int, float)
        if operator == "+":  # texts and lists, too
            return super().call_binop(context, operator, *within((left, right)))
        if operator == "**" or not isinstance(left, numbers) or not isinstance(right, numbers):
            raise SecurityError(
                Sentence("`{operator}` works on plain numbers only", operator=operator)
            )
        if abs(left) > 1e12 or abs(right) > 1e12:
            raise SecurityError(Sentence("the number is too large"))
        return super().call_binop(context, operator, left, right)


def limited_range(*bounds: int) -> range:
    """Python's range, with at most 100 turns."""
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise SecurityError(Sentence("range() has at most {most} turns", most=MAX_RANGE))
    return numbers


def limited_batch(value: Iterable[Any], linecount: int, fill_with: Any = None) -> Any:
    """Rows of a few each, as Jinja's own filter makes them."""
    if not 0 < linecount <= MAX_RANGE:
        raise SecurityError(Sentence("batch() makes rows of 1 to {most}", most=MAX_RANGE))
    return FILTERS["batch"](value, linecount, fill_with)


class Quoting(Measuring):
    """Compiles a template so that quoted-printable comes out of it.

    What stands in the template is encoded once, here; values are when the mail is rendered. What
    Jinja captures for later (a `set` block) stays plain until it is shown.
    """

    _is_captured = False

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        """Text and values that leave the template."""
        outside, self._is_captured = self._is_captured, frame.buffer is not None
        super().visit_Output(node, frame)
        self._is_captured = outside

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        text = "".join(group)
        return repr(text if self._is_captured else quoted.piece(text))

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if self._is_captured:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.quote(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")


class QuotingSandbox(Sandbox):
    """The same for HTML on its way to the wire."""

    code_generator_class = Quoting

    def __init__(self) -> None:
        super().__init__(is_html=True)

    #: A value, escaped as HTML and encoded.
    quote = staticmethod(quoted.html)


HTML = Sandbox(is_html=True)
#: HTML that comes out in quoted-printable.
WIRE = QuotingSandbox()
#: For text parts and subjects: values stand as they are.
TEXT = Sandbox(is_html=False)


def refused(tree: nodes.Template) -> list[tuple[int, str]]:
    """Line and reason of all that a template may not do."""
    return list(_all_refused(tree))


@lru_cache(128)
def _all_refused(tree: nodes.Template) -> list[tuple[int, str]]:
    """Once for all languages of a template: they have one tree."""
    return sorted(set(_refused(tree, 0)))


def _refused(node: nodes.Node, loops: int) -> Iterator[tuple[int, str]]:
    """The same below one node, inside so many loops; one walk, since templates are many."""
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive:
            yield node.lineno, Sentence("a recursive loop is not allowed")
        if loops > MAX_LOOPS:
            yield node.lineno, Sentence("loops are nested deeper than {most}", most=MAX_LOOPS)
            return
    elif isinstance(node, nodes.Filter):
        if node.name not in HTML.filters:
            near = nearest(node.name, HTML.filters)
            yield node.lineno, _no_filter(node.name, near)
    elif node.__class__ in REFUSED:
        statement = REFUSED[node.__class__]
        yield (
            node.lineno,
            Sentence("`{statement}` is not allowed in a template", statement=statement),
        )
    for child in node.iter_child_nodes():
        if child.__class__ not in HARMLESS_NODES:
            yield from _refused(child, loops)


def _no_filter(name: str, near: str) -> Sentence:
    if near:
        return Sentence("there is no filter `{name}`: is `{near}` meant?", name=name, near=near)
    return Sentence("there is no filter `{name}`", name=name)


def render(template: Template, values: Mapping[str, Any]) -> str:
    """The template's text for these values.

    Raises:
        TooLarge: more than 2 MB.
        jinja2.UndefinedError, jinja2.SecurityError, TypeError ...: whatever the template did.
    """
    return "".join(pieces(template, values))


def pieces(template: Template, values: Mapping[str, Any]) -> list[str]:
    """The same as Jinja made it, one piece after the other.

    Raises:
        TooLarge: more than 2 MB.
        jinja2.UndefinedError, jinja2.SecurityError, TypeError ...: whatever the template did.
    """
    # Template.render would put a chain of mappings before each name.
    names = {**values, "range": limited_range}
    context = Context(template.environment, names, template.name, {}, None)
    made = template.root_render_func(context)
    parts = list(islice(made, PIECES))
    size = sum(map(len, parts))
    if len(parts) == PIECES:  # the rest of a loop, perhaps a very long one
        while size <= MAX_OUTPUT and (some := list(islice(made, PIECES))):
            size += sum(map(len, some))
            parts += some
    if size > MAX_OUTPUT:
        raise TooLarge
    return parts


class TooLarge(Exception):
    """The mail grew beyond 2 MB."""

    def __init__(self) -> None:
        super().__init__(Sentence("the mail grew beyond 2 MB"))


def line_of(error: BaseException, template: Template) -> int | None:
    """The line of the template in which `error` rose."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template or (
            trace.tb_frame.f_code.co_filename == template.filename
        ):
            found = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found
