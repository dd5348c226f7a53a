"""The shop's templates, compiled when first needed and kept."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateError

from crm_mailer.definitions.problems import Problem, did_you_mean
from crm_mailer.definitions.template_index import index
from crm_mailer.model.errors import RenderError
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import (
    assembly,
    borrowed,
    engine,
    field_check,
    folding,
    markup,
    mjml_lint,
    plain,
    quoted,
    stencils,
    straight,
)
from crm_mailer.rendering.assembly import Body
from crm_mailer.rendering.context import SUBJECT
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.fields import Snapshot
from crm_mailer.rendering.markup import Draft, MjmlCompiler, MjmlError
from crm_mailer.rendering.masking import Ruled, Tag
from crm_mailer.rendering.straight import Form, Letter
from crm_mailer.rendering.tracking import Marks, Tracked

#: From this share of bytes outside ASCII on, base64 is used instead of quoted-printable.
FOREIGN_SHARE = 1 / 3
ASCII = bytes(range(128))
#: Statements that a template may open, each with its `end...`.
PAIRED = frozenset({"if", "for", "with"})
#: All statements of Jinja, allowed or not.
STATEMENTS = frozenset(
    "autoescape block call do elif else endautoescape endblock endcall endfilter endfor endif "
    "endmacro endraw endset endtrans endwith extends filter for from if import include macro "
    "pluralize print raw set trans with".split()
)
#: Those that a template may have.
ALLOWED = (*sorted(PAIRED), *(f"end{one}" for one in sorted(PAIRED)), "else", "elif", "include")
#: What Jinja says where statements do not match.
NO_MATCH = ("Unexpected end of template", "Encountered unknown tag 'end")


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled Jinja template whose errors lead to a place in the marketer's file."""

    template: Template
    ruled: Ruled
    draft: Draft
    is_base64: bool = False
    #: The same as a form, where it needs no more than that.
    form: Form | None = None

    def folded(self, known: Mapping[str, Any], environment: engine.Sandbox) -> Part:
        """The same with values written in that are the same in every mail of a campaign."""
        return self._of(folding.tree(environment, self.ruled.text, known), environment)

    def tracked(
        self, known: Mapping[str, Any], environment: engine.Sandbox, marks: Marks
    ) -> tuple[Part, Tracked]:
        """The same with its links led past the shop's public address."""
        tree = folding.tree(environment, self.ruled.text, known)
        tracked = marks.put_into(tree)
        return self._of(tree, environment), tracked

    def _of(self, tree: nodes.Template, environment: engine.Sandbox) -> Part:
        form = straight.form(tree, environment)
        return replace(self, template=environment.from_string(tree), form=form)

    def render(self, values: Mapping[str, Any]) -> str:
        """What the template makes of these values.

        Raises:
            TemplateFault: the template failed for them.
        """
        try:
            return self.render_at_most(values)
        except engine.TooLarge as error:
            line = engine.line_of(error, self.template)
            raise TemplateFault(self._problem(line, str(error))) from None

    def render_at_most(self, values: Mapping[str, Any]) -> str:
        """The same, with an error of its own for what is too large.

        Raises:
            TemplateFault: the template failed for them.
            engine.TooLarge: more than 2 MB came out of it.
        """
        if self.form is not None and self.template.environment is engine.TEXT:
            text = self.form.fill(values, str)
            if text is not None:
                return text
        return "".join(self.pieces_at_most(values))

    def pieces_at_most(self, values: Mapping[str, Any]) -> list[str]:
        """The same in pieces, as Jinja makes them.

        Raises:
            TemplateFault: the template failed for them.
            engine.TooLarge: more than 2 MB came out of it.
        """
        try:
            return engine.pieces(self.template, values)
        except (TemplateError, SecurityError, ArithmeticError, TypeError, ValueError, LookupError,
                AttributeError, RecursionError, MemoryError) as error:  # fmt: skip
            line = engine.line_of(error, self.template)
            raise TemplateFault(self._problem(line, borrowed.failure(error))) from error

    def _problem(self, line: int | None, message: str) -> Problem:
        return problem_at_line(self.draft, self.ruled, line, "CRM240", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTemplate:
    """A template in one language, ready for any number of customers."""

    name: str
    language: str
    file: str
    version: str
    subject: Part
    html: Part
    text: Part
    #: Fields it uses, such as `customer.given_name`.
    used: frozenset[str]
    #: What MJML made, with words for Jinja's tags.
    masked_html: str

    @property
    def needs_order(self) -> bool:
        """Whether it speaks of an order."""
        return "order" in self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Forme:
    """A template made ready for one campaign: what its mails share is written in."""

    template: CompiledTemplate
    known: Mapping[str, Any]
    subject: Part
    html: Part
    text: Part
    snapshot: Snapshot
    #: Fields of the customer and of the order that its mails use.
    of_customer: frozenset[str]
    of_order: frozenset[str]
    #: The text part, laid out, where that can be done beforehand.
    letter: Letter | None
    #: What its mails report; None: nothing.
    tracked: Tracked | None = None

    def html_body(self, values: Mapping[str, Any]) -> Body:
        """The HTML for one customer, as it goes over the wire.

        Raises:
            TemplateFault: the template failed for this customer.
        """
        whole = self.template.html
        if not whole.is_base64:
            wire = self.html.form.filled(values, quoted.html) if self.html.form else None
            if wire is not None:
                return _body("html", quoted.close(wire))
            # encoded, it is a little larger: only the plain one tells whether it is too large
            with suppress(engine.TooLarge):
                return _body("html", quoted.close(self.html.pieces_at_most(values)))
            return assembly.body("html", whole.render(values))
        return assembly.body("html", self.html.render(values), is_base64=True)

    def text_body(self, values: Mapping[str, Any]) -> Body:
        """The text for one customer, as it goes over the wire.

        Raises:
            TemplateFault: the template failed for this customer.
        """
        if self.letter is not None:
            laid_out = self.letter.fill(values)
            if laid_out is not None:
                return _body("plain", laid_out)
        text = plain.tidy_rendered(self.text.render(values))
        return assembly.body("plain", text, self.text.is_base64)


def _body(subtype: str, pieces: list[str]) -> Body:
    """As quick as a tuple without names: each mail has two."""
    return tuple.__new__(Body, (subtype, pieces, False))


def _used_of(root: str, used: Collection[str]) -> frozenset[str]:
    """The fields of a record among the names that a template uses."""
    return frozenset(path.partition(".")[2] for path in used if path.startswith(f"{root}."))


def forme(
    template: CompiledTemplate, known: Mapping[str, Any], marks: Marks | None = None
) -> Forme:
    """A template with `known` values, which are the same in every mail, written in."""
    environment = engine.HTML if template.html.is_base64 else engine.WIRE
    text, tracked = template.text.folded(known, engine.TEXT), None
    if marks is None:
        html = template.html.folded(known, environment)
    else:
        html, tracked = template.html.tracked(known, environment, marks)
    return Forme(
        template=template,
        known=known,
        subject=template.subject.folded(known, engine.TEXT),
        html=html,
        text=text,
        letter=None if text.is_base64 else straight.letter(text.form),
        snapshot=Snapshot(template.used),
        of_customer=_used_of("customer", template.used),
        of_order=_used_of("order", template.used),
        tracked=tracked,
    )


class TemplateLibrary:
    """The templates below `root`, as they are when it is made.

    Args:
        root: the folder with `stage/name.lang.mjml`.
        cache: a folder where compiled MJML outlives the process; None for memory only.
        compiler: one that has a cache already, and is used by others too.
    """

    def __init__(
        self, root: Path, cache: Path | None = None, compiler: MjmlCompiler | None = None
    ) -> None:
        self.root = root
        self._compiler = compiler or MjmlCompiler(cache)
        self._index = index(root)
        self._ready: dict[tuple[str, str], CompiledTemplate | TemplateFault] = {}
        self._formes: dict[Hashable, Forme] = {}
        self._subjects: dict[str, Template] = {}

    @property
    def names(self) -> Mapping[str, Mapping[str, Path]]:
        """Template -> language -> file."""
        return self._index

    def languages(self, name: str) -> tuple[str, ...]:
        """The languages of a template; none for one that does not exist."""
        return tuple(self._index.get(name, ()))

    def get(self, name: str, code: str) -> CompiledTemplate:
        """The template in a language that it has.

        Raises:
            RenderError: there is no such template or language.
            TemplateFault: it is wrong.
        """
        before = self._ready.get((name, code))
        if isinstance(before, TemplateFault) and before.is_passing:
            del self._ready[name, code]
        if (name, code) not in self._ready:
            self.prepare([name], code)
        found = self._ready.get((name, code))
        if found is None:
            known = name in self._index
            raise RenderError(
                Sentence("there is no template `{name}` in `{code}`", name=name, code=code)
                if known
                else Sentence("there is no template `{name}`", name=name),
                hint="" if known else did_you_mean(name, self._index),
            )
        if isinstance(found, TemplateFault):
            raise found
        return found

    def prepare(self, names: Iterable[str], language: str = "") -> None:
        """Compile these templates at once, all languages or one; faults are told by `get`."""
        drafts: list[Draft] = []
        for name in names:
            for code, path in self._index.get(name, {}).items():
                if (name, code) in self._ready or language not in ("", code):
                    continue
                try:
                    drafts.append(checked_draft(name, code, path, self.root))
                except TemplateFault as fault:
                    self._ready[name, code] = fault
        self.adopt(drafts)

    def adopt(self, drafts: Sequence[Draft], *, is_text_only: bool = False) -> None:
        """Compile drafts in which somebody has looked for faults already.

        Args:
            drafts: templates without errors.
            is_text_only: their HTML is not wanted and is left empty.
        """
        answers = self._compiler.compile_all([one.mjml for one in drafts])
        for one, answer in zip(drafts, answers, strict=True):
            try:
                made = compiled(one, answer, is_text_only=is_text_only)
                self._ready[one.name, one.language] = made
            except TemplateFault as fault:
                self._ready[one.name, one.language] = fault

    def forme(
        self,
        template: CompiledTemplate,
        key: Hashable,
        known: Mapping[str, Any],
        marks: Marks | None = None,
    ) -> Forme:
        """The template made ready for one campaign; made once.

        Args:
            template: one of ours.
            key: the campaign and its version.
            known: values that are the same in all its mails.
            marks: what its mails report, where they do; `key` names them as well.
        """
        place = template.name, template.language, key
        found = self._formes.get(place)
        if found is None or found.template is not template or found.known != known:
            found = self._formes[place] = forme(template, known, marks)
        return found

    def subject(self, text: str, values: Mapping[str, Any]) -> str:
        """A campaign's own subject line, which may name the same fields.

        Raises:
            RenderError: it is broken or names what there is not.
        """
        try:
            if text not in self._subjects:
                self._subjects[text] = engine.TEXT.from_string(text)
            return engine.render(self._subjects[text], values)
        except (TemplateError, TypeError, ValueError, engine.TooLarge) as error:
            raise RenderError(
                Sentence("the subject `{text}`: {why}", text=text, why=borrowed.failure(error))
            ) from error


def checked_draft(name: str, code: str, path: Path, root: Path) -> Draft:
    """A draft without errors in its markup or its Jinja.

    Raises:
        TemplateFault: the first error.
    """
    draft = markup.draft(name, code, path, root)
    for problem in (*mjml_lint.lint(draft.source, draft.masked), *jinja_problems(draft)):
        if problem.is_error:
            raise TemplateFault(problem)
    return draft


def jinja_problems(draft: Draft) -> list[Problem]:
    """Broken Jinja, and Jinja that is not allowed."""
    return jinja_tree(draft)[1]


def jinja_tree(draft: Draft) -> tuple[nodes.Template | None, list[Problem]]:
    """The template's Jinja, with what is not allowed in it; None where it is broken."""
    ruled = draft.ruled
    try:
        tree = stencils.tree(engine.HTML, ruled.text)
        field_check.look(tree, has_order=True, vars=None)  # as deep as anybody will look
        reasons = engine.refused(tree)
    except TemplateSyntaxError as error:
        message = borrowed.syntax(error)
        usual = problem_at_line(draft, ruled, error.lineno, "CRM210", message)
        is_pair = (error.message or "").startswith(NO_MATCH)
        return None, [_misspelt(draft) or (is_pair and _unpaired(draft)) or usual]
    except RecursionError:
        return None, [_too_deep(draft)]
    return tree, [problem_at_line(draft, ruled, line, "CRM212", reason) for line, reason in reasons]


def _misspelt(draft: Draft) -> Problem | None:
    """The first statement that Jinja does not know."""
    for tag in draft.masked.tags:
        word = tag.statement
        if word and word not in STATEMENTS:
            shown = tag.text.split("\n")[0]
            return draft.source.problem(
                "CRM210",
                Sentence("Jinja: there is no statement `{word}`", word=word),
                max(tag.position, 0),
                width=len(shown),
                help=did_you_mean(word, ALLOWED),
            )
    return None


def _unpaired(draft: Draft) -> Problem | None:
    """The first statement that nothing closes, or that closes nothing; Jinja looks at the end."""
    opened: list[Tag] = []
    for tag in draft.masked.tags:
        if tag.statement in PAIRED:
            opened.append(tag)
        elif tag.statement.removeprefix("end") in PAIRED:
            if not opened or f"end{opened[-1].statement}" != tag.statement:
                return _wrong_pair(draft, tag, opened[-1] if opened else None)
            opened.pop()
    return _wrong_pair(draft, None, opened[-1]) if opened else None


def _wrong_pair(draft: Draft, closing: Tag | None, opened: Tag | None) -> Problem:
    tag = closing if closing is not None and opened is None else opened
    assert tag is not None
    shown = tag.text.split("\n")[0]
    remedy = Sentence("write {end} where it ends", end=f"{{% end{tag.statement} %}}")
    if tag is closing:
        said = Sentence("Jinja: `{tag}` closes nothing", tag=shown)
        begin = f"{{% {tag.statement.removeprefix('end')} ... %}}"
        remedy = Sentence("write {begin} before it, or remove it", begin=begin)
    elif closing is not None:
        said = Sentence(
            "Jinja: `{tag}` is not closed before `{closing}`", tag=shown, closing=closing.text
        )
    else:
        said = Sentence("Jinja: `{tag}` is never closed", tag=shown)
    return draft.source.problem(
        "CRM210",
        said,
        max(tag.position, 0),
        width=len(shown),
        help=remedy,
    )


def _too_deep(draft: Draft) -> Problem:
    """Python gives up on it; the longest tag is where to look."""
    tag = max(draft.masked.tags, key=lambda one: len(one.text) if one.position >= 0 else -1)
    shown = tag.text.split("\n")[0]
    return draft.source.problem(
        "CRM210", "Jinja: it is nested too deep", max(tag.position, 0), width=len(shown)
    )


def compiled(
    draft: Draft, html: str | MjmlError, *, is_text_only: bool = False
) -> CompiledTemplate:
    """A draft with its HTML as three Jinja templates.

    Raises:
        TemplateFault: MJML refused it or lost a tag.
    """
    if isinstance(html, MjmlError):
        raise markup.refuse(draft, html)
    markup.check_words(draft, html)
    text = plain.text_template(html, draft.masked, draft.language)
    tree = stencils.tree(engine.HTML, draft.ruled.text)
    used = field_check.look(tree, has_order=True, vars=None).used
    return CompiledTemplate(
        name=draft.name,
        language=draft.language,
        file=draft.source.locate(0).file,
        version=draft.version,
        subject=_part(draft, draft.title, engine.TEXT),
        html=_part(draft, "" if is_text_only else markup.tidy(html).strip() + "\n", engine.HTML),
        text=_part(draft, text, engine.TEXT),
        used=frozenset(used - {SUBJECT}),
        masked_html=html,
    )


def _part(draft: Draft, masked_text: str, environment: engine.Sandbox) -> Part:
    ruled = draft.masked.unmask(masked_text)
    try:
        template = stencils.template(environment, ruled.text)
    except TemplateSyntaxError as error:
        message = borrowed.syntax(error)
        raise TemplateFault(
            problem_at_line(draft, ruled, error.lineno, "CRM210", message)
        ) from None
    except (RecursionError, SyntaxError, MemoryError):  # of Python, on what Jinja made for it
        raise TemplateFault(_too_deep(draft)) from None
    return Part(template, ruled, draft, is_foreign(masked_text))


def is_foreign(text: str) -> bool:
    """Whether base64 is shorter: much of it lies outside ASCII."""
    raw = text.encode()
    return len(raw.translate(None, ASCII)) > len(raw) * FOREIGN_SHARE


def problem_at_line(
    draft: Draft,
    ruled: Ruled,
    line: int | None,
    code: str,
    message: str,
    part: str = "",
    help: str = "",
) -> Problem:
    """A fault in the tag that stands on a line of ruled text; `part` is the word to underline."""
    number = ruled.tag_at(line) if line is not None else None
    tag = draft.masked.tags[number] if number is not None else None
    if tag is None or tag.position < 0:
        return draft.source.problem(code, message, 0, help=help)
    inside = tag.text.find(part) if part else -1
    return draft.source.problem(
        code,
        message,
        tag.position + max(inside, 0),
        width=len(part) if inside >= 0 else len(tag.text.split("\n")[0]),
        help=help,
    )
