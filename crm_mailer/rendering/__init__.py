"""Rendering: a touch, a template and a customer's facts become the bytes of one mail."""

from crm_mailer.rendering.check_shop import check_shop
from crm_mailer.rendering.check_subjects import check_subjects
from crm_mailer.rendering.check_use import TemplateUse, uses
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.lint import check_templates
from crm_mailer.rendering.samples import sample_customer, sample_order

__all__ = [
    "TemplateLibrary",
    "TemplateUse",
    "check_shop",
    "check_subjects",
    "check_templates",
    "sample_customer",
    "sample_order",
    "uses",
]
