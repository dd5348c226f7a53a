"""What is wrong in a template, with its place: one error for check, preview and daemon."""

from __future__ import annotations

from crm_mailer.definitions.problems import Problem
from crm_mailer.model.errors import RenderError


class TemplateFault(RenderError):
    """A template is wrong; `problem` names file, line and column."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.place}: {problem.message}", hint=problem.help)
        self.problem = problem
