"""What is wrong in a template, with its place: one error for check, preview and daemon."""

from __future__ import annotations

from crm_mailer.definitions.problems import Problem
from crm_mailer.model.errors import RenderError
from crm_mailer.model.sentence import Sentences


class TemplateFault(RenderError):
    """A template is wrong; `problem` names file, line and column."""

    def __init__(self, problem: Problem, *, is_passing: bool = False) -> None:
        said = Sentences(problem.place, problem.message, between=": ")
        super().__init__(said, hint=problem.help)
        self.problem = problem
        #: Whether it may be gone at the next look, though nobody has touched the template.
        self.is_passing = is_passing
