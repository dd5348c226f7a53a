"""Every text that a translation must have: written in the code, or taken from our own lists."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

import click
from jinja2 import Environment
from jinja2.ext import extract_from_ast

import crm_mailer
from crm_mailer.app.campaign_looks import Standing
from crm_mailer.cli import GROUPS, demo, group, usage
from crm_mailer.definitions import calendar_reader, codes, column_maps
from crm_mailer.definitions.problems import Severity
from crm_mailer.learning import sayings
from crm_mailer.model.address import AddressKind
from crm_mailer.model.benefit import BenefitKind, GrantState, Proof, Use
from crm_mailer.model.campaign import EXIT_SENTENCES, Kind, Mode, Stream
from crm_mailer.model.case import CaseEventKind, CaseState, Channel, Remedy
from crm_mailer.model.curve import Ending, Signal
from crm_mailer.model.customer import (
    BuyingBehaviour,
    ConsentBasis,
    Gender,
    Occupation,
    Personality,
    ShoppingAge,
)
from crm_mailer.model.delivery import EvidenceKind, OutcomeKind, Verdict
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.flag import FlagKind
from crm_mailer.model.health import Grade, HealthFigure
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import REASONS, BounceKind, Intent, ReplyKind, Rung
from crm_mailer.model.score import ChurnState, RfmSegment, ScoreReason, ValueClass
from crm_mailer.model.sentence import MARKS
from crm_mailer.model.sla import ClockName
from crm_mailer.model.staff import Noted
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.system_texts import SYSTEM_TEXTS
from crm_mailer.model.task import TaskKind
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason, TouchState
from crm_mailer.reporting.cases import REMEDIES, WORK_LIST
from crm_mailer.reporting.customer_story import EventKind
from crm_mailer.reporting.health import FORMULAS
from crm_mailer.reporting.worklists import DO_IT, MEANINGS, TODO, WorklistName
from crm_mailer.store import audit, distributions, privacy_map
from crm_mailer.studio.roles import Role

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "crm_mailer"
#: Where people are spoken to.
DOORS = ("cli", "studio")

#: What makes a finding, beside the errors themselves.
FINDINGS = ("BadLine", "CellError",
            "Fault", "Problem", "RowProblem", "_complain", "_fault", "_problem", "_refuse",
            "problem", "problem_at", "problem_at_line", "unknown")  # fmt: skip
#: By what names findings and errors are given their words, beside the first.
TELLING = ("message", "help", "hint", "remedy", "what", "why")

#: Codes that people read as words: see `show.word`.
CODES: dict[str, Iterable[type[Enum]]] = {
    "states of a mail, of a case, of an order": (TouchState, CaseState, OrderState),
    "why a mail was not sent, in a word": (SkipReason, SuppressionReason),
    "what a server said": (OutcomeKind, BounceKind),
    "what was learnt of a mail in doubt": (EvidenceKind, Verdict),
    "what came, and how it was matched": (ReplyKind, Intent, Rung),
    "what was done about a case; tasks; channels": (CaseEventKind, TaskKind, Channel),
    "clocks of a case, and what a buyer is offered": (ClockName, Remedy),
    "parts of a customer's story; what a flag is for": (EventKind, FlagKind),
    "what was heard of a customer, and how a course ended": (Signal, Ending),
    "lists of work; figures of a shop's health": (WorklistName, HealthFigure, Grade),
    "why mail is lawful": (ConsentBasis,),
    "classes of customers": (
        AddressKind,
        Gender,
        Occupation,
        Personality,
        BuyingBehaviour,
        ShoppingAge,
        RfmSegment,
        ValueClass,
    ),
    "what is given, how it stands, what an order is to it and shows it by": (
        BenefitKind,
        GrantState,
        Use,
        Proof,
    ),
    "who may do what in the studio": (Role,),
    "what the studio writes down": (Noted,),
    "what a campaign is, and how it stands": (Kind, Stream, Mode, Standing),
    "why marks changed; how far customers have gone": (ScoreReason, ChurnState),
}

#: Module -> texts of its own that reach `_` by way of a variable.
OF_MODULES = {
    "reporting/cases.py": (
        "find out what would help",
        "ask which of the remedies the buyer wants",
        "do what the buyer chose, and say when it is done",
        "ask whether all is well now",
        "ask again: no word for days",
        "the customer has the turn",
        "email (through the marketplace's relay)",
        "order",
        "shop",
        "customer",
        "program",
    ),
    "reporting/customer_story.py": (
        "address_kind",
        "occupation",
        "personality",
        "buying_behaviour",
        "shopping_age",
        "age_band",
    ),
    "model/unpaid.py": (
        "card_trouble",
        "wrong_address",
        "option_not_chosen",
        "price",
        "changed_mind",
    ),
    "app/customers.py": ("personality", "buying behaviour", "tag"),
    "app/operating.py": (
        "crm-mailer plan, then set `mode: live` in a campaign",
        "set smtp.host in crm-mailer.toml",
    ),
    "definitions/column_maps.py": ("high", "medium", "low"),
    "segmenting/happenings.py": ("orders", "pieces", "times", "USD"),
    "segmenting/rules.py": (
        "{field} = {value}",
        "{field} is not {value}",
        "{field} is one of {value}",
        "{field} is none of {value}",
        "{field} >= {value}",
        "{field} <= {value}",
        "{field} > {value}",
        "{field} < {value}",
        "{field} from {value} to {end}",
        "{field} contains {value}",
        "{field} is known",
        "{field} is unknown",
        "{field} begins with {value}",
        "{field} before {value}",
        "{field} since {value}",
        "{field} after {value}",
        "{field} until {value}",
    ),
    "listening/intents.py": ("refund", "resend", "answer", "none"),
    "store/audit.py": (
        "accepted, but no server is on record as having taken it",
        "accepted more than once",
        "a server took it, but it does not count as accepted",
        "accepted, but its message is not on record",
        "its message has no Message-ID",
        "in doubt, but no attempt is on record that ended so",
        "refused, but no server is on record as having said so",
        "claimed by a sender whose time is over",
        "waits for no moment: it would never leave",
        "has a fate, but nobody knows since when",
        "tried more often than it was claimed",
        "evidence about a mail that does not exist",
        "evidence that a server took it, but it does not count as accepted",
        "an attempt is on record of a mail that is not",
        "a message is on record of a mail that is not",
        "claimed, but by nobody or without an end",
        "planned, but not in the ledger any more",
    ),
}

#: Words that mean something of their own among others of a subject: see `i18n.among`.
AMONG = {
    "people": ("held",),
    "day": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "purge": ("failed hook_requests",),
    "doctor": ("alignment", "clock", "clocks", "database", "disk", "files", "folder", "headers",
               "pooler", "roles", "secrets"),
}  # fmt: skip

#: What stands in `Sentence(...)` where it is no literal -> the lists that it comes from.
PATTERNS = {
    "REASONS[case['reason']][1]": "REASONS",
    "_COMPARISONS[Operator(rule.op)]": "segmenting/rules.py",
    "block.intent": "CODES",
    "code.replace('_', ' ')": "CODES",
    "f\"mail {touch['state'].replace('_', ' ')}\"": "CODES",
    "name": "segmenting/happenings.py",
    "sentence or 'not sent'": "SKIP_SENTENCES",
    "SKIP_SENTENCES[made.reason]": "SKIP_SENTENCES",
    "SKIP_SENTENCES[reason]": "SKIP_SENTENCES",
    "state": "CODES",
    "state.replace('_', ' ')": "CODES",
    "rest.replace('_', ' ')": "CODES",
    "kind": "CODES, studio/campaign_words.py",
    "SKIP_SENTENCES[SkipReason(code)] if known else 'not known'": "SKIP_SENTENCES",
    "text": "learning/sayings.py, cli/usage.py; else plain text that a catalogue may have",
    "what": "learning/sayings.py",
    "pattern": "learning/sayings.py, cli/usage.py, and sentences that `recalled` was given",
    "SAID": "learning/sayings.py",
    "known.pattern": "rendering/borrowed.py",
    "text.pattern": "notes of an import, as they were made",
    "kept['say']": "alerts, as they were raised",
    "OF_CASE": "learning/sayings.py",
    "SENTENCES[Step(event.ref)]": "WORK_LIST",
    "event.ref.replace('_', ' ')": "CODES",
    "f\"mail {mail.state.replace('_', ' ')}\"": "CODES",
    "why": "CODES",
    "order.unpaid_reason.replace('_', ' ')": "model/unpaid.py",
    "said.pattern": "definitions/files.py, foreign_words.py, written.py",
    "self.severity": "definitions/codes.yaml",
    "self.title": "definitions/codes.yaml",
    "self.why": "definitions/codes.yaml",
    "self.remedy": "definitions/codes.yaml",
    "self.example": "definitions/codes.yaml, where it is told in words",
}

#: What stands in `_(...)` where it is no literal -> the lists above that it comes from.
VARIABLES = {
    "title": "GROUPS",
    "inspect.cleandoc(self.help)": "the help of commands",
    "option.help": "the help of options",
    "file.reason_in_words": "REASONS",
    "line.reason_in_words": "REASONS",
    "in_words(one.reason)": "REASONS",
    "REASONS[code][1]": "REASONS",
    "reason_in_words(code)": "REASONS",
    "one.formula": "FORMULAS",
    "one.meaning": "MEANINGS",
    "todo": "TODO, DO_IT, REMEDIES",
    "step.name": "WORK_LIST",
    "SENTENCES[one.step]": "WORK_LIST",
    "step.advice": "REMEDIES, reporting/cases.py",
    "SKIP_SENTENCES[SkipReason(reason)]": "SKIP_SENTENCES",
    "EXIT_SENTENCES[Exit(one)]": "EXIT_SENTENCES",
    "EXIT_SENTENCES[Exit(met)]": "EXIT_SENTENCES",
    "EXIT_SENTENCES[Exit(what)]": "EXIT_SENTENCES",
    "EXIT_SENTENCES[one]": "EXIT_SENTENCES",
    "SKIP_SENTENCES[reason]": "SKIP_SENTENCES",
    "SKIP_SENTENCES[row.reason]": "SKIP_SENTENCES",
    "sentence": "store/audit.py",
    "remedy": "audit.REMEDIES",
    "state.next_step": "app/operating.py",
    "str(code or '').replace('_', ' ')": "CODES",
    "str(text or '').replace('_', ' ')": "CODES",
    "needs.value": "CODES",
    "one.holds": "privacy_map.PLACES",
    "one.kept": "privacy_map.Kept",
    "one.on_erasure": "privacy_map.Fate",
    "visitor.role.value": "CODES",
}


def needed() -> set[str]:
    """Every text that people may read."""
    texts = (*written(), *of_looks(), *of_sentences(), *of_errors(), *of_findings(), *of_lists(),
             *of_codes(), *of_help())  # fmt: skip
    return {text for text in texts if text}


def calls() -> Iterator[ast.expr]:
    """What stands in each call of `_` and `n_`, also within f-strings."""
    paths = (path for door in DOORS for path in sorted((PACKAGE / door).rglob("*.py")))
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from node.args[: {"_": 1, "n_": 2}.get(node.func.id, 0)]


def written() -> Iterator[str]:
    """Texts that stand in the code."""
    for one in calls():
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def of_looks() -> Iterator[str]:
    """Texts that stand in the studio's pages."""
    finder = Environment(trim_blocks=True, lstrip_blocks=True)
    for path in sorted((PACKAGE / "studio" / "looks").rglob("*.html")):
        found = extract_from_ast(finder.parse(path.read_text(encoding="utf-8")), ("_", "n_"))
        for _line, _function, texts in found:
            for text in texts if isinstance(texts, tuple) else (texts,):
                if isinstance(text, str):
                    yield text


def sentences() -> Iterator[ast.expr]:
    """The pattern of each `Sentence`: rooms compose them, commands have them translated."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "Sentence":
                yield node.args[0]


def of_sentences() -> Iterator[str]:
    """Patterns that stand in the code."""
    for one in sentences():
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def tellings() -> Iterator[tuple[Path, ast.expr]]:
    """What errors and findings say: what stands where one is made, and in variables for it."""
    made = {*error_names(), *FINDINGS}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) in made:
                named = (one.value for one in node.keywords if one.arg in TELLING)
                for one in (*node.args, *named):
                    yield from ((path, part) for part in _branches(one))
            elif isinstance(node, ast.Assign) and _assigned(node) in TELLING:
                yield from ((path, part) for part in _branches(node.value))


def of_errors() -> Iterator[str]:
    """What errors and findings say in plain words, and what an error says that is told no words."""
    for _path, one in tellings():
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value:
            yield one.value
    for kind in error_kinds():
        yield (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def error_kinds() -> Iterator[type[CrmMailerError]]:
    """Every error of ours, wherever it is defined."""
    for module in pkgutil.walk_packages(crm_mailer.__path__, "crm_mailer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [CrmMailerError]
    for kind in waiting:
        yield kind
        waiting.extend(one for one in kind.__subclasses__() if one.__module__.startswith("crm_"))


def error_names() -> set[str]:
    """Their names."""
    return {kind.__name__ for kind in error_kinds()}


def of_findings() -> Iterator[str]:
    """What the codes of findings mean."""
    for code in codes.registry().values():
        yield from (code.title, code.why, code.remedy)
        if code.in_words:
            yield code.example
    yield from Severity


def _called(node: ast.Call) -> str:
    at = node.func
    return at.id if isinstance(at, ast.Name) else at.attr if isinstance(at, ast.Attribute) else ""


def _assigned(node: ast.Assign) -> str:
    to = node.targets[0]
    name = to.id if isinstance(to, ast.Name) else to.attr if isinstance(to, ast.Attribute) else ""
    return name.strip("_")


def _branches(node: ast.expr) -> Iterator[ast.expr]:
    """The texts that an expression may become."""
    match node:
        case ast.IfExp():
            yield from (*_branches(node.body), *_branches(node.orelse))
        case ast.BoolOp():
            yield from (part for value in node.values for part in _branches(value))
        case _:
            yield node


def patterns() -> set[str]:
    """What stands in `Sentence(...)` and is no text."""
    return {ast.unparse(one) for one in sentences() if not isinstance(one, ast.Constant)}


def variables() -> set[str]:
    """What stands in `_(...)` and is no text."""
    return {ast.unparse(one) for one in calls() if not isinstance(one, ast.Constant)}


def of_lists() -> Iterator[str]:
    """Sentences of our own lists."""
    yield from GROUPS
    yield from (words for _severity, words in REASONS.values())
    yield from (*WORK_LIST, *REMEDIES.values(), *SKIP_SENTENCES.values(), *EXIT_SENTENCES.values())
    yield from demo.COLUMNS
    yield from usage.patterns()
    yield from SYSTEM_TEXTS
    yield from sayings.ALL
    yield from (*FORMULAS.values(), *MEANINGS.values(), *TODO.values(), DO_IT)
    yield from (*(place.holds for place in privacy_map.PLACES), *privacy_map.Kept)
    yield from privacy_map.Fate
    yield from audit.REMEDIES.values()
    yield from (*MARKS, f"under {distributions.AGES[0]}")
    for one in column_maps.shipped_maps():
        yield from (one.title, one.source)
    yield from (one.name for one in calendar_reader.shipped().values())
    for subject, texts in AMONG.items():
        yield from (f"{subject}|{text}" for text in texts)
    for texts in OF_MODULES.values():
        yield from (text.replace("_", " ") for text in texts)


def of_codes() -> Iterator[str]:
    """Codes, as words."""
    for kinds in CODES.values():
        yield from (one.value.replace("_", " ") for kind in kinds for one in kind)
    yield from (f"mail {state.replace('_', ' ')}" for state in TouchState)
    yield from (f"{gender} (a guess)" for gender in Gender)


def of_help() -> Iterator[str]:
    """What commands and options are for."""
    for command in commands().values():
        yield inspect.cleandoc(command.help or "")
        for one in command.get_params(click.Context(command)):
            if isinstance(one, click.Option):
                yield one.help or ""


def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command with the words that call it; the program itself is called by none."""
    found: dict[tuple[str, ...], click.Command] = {(): group}
    waiting: list[tuple[str, ...]] = [()]
    for path in waiting:
        here = found[path]
        if isinstance(here, click.Group):
            context = click.Context(here)
            for name in here.list_commands(context):
                found[*path, name] = here.get_command(context, name) or here
                waiting.append((*path, name))
    return found
