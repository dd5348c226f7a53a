"""Rendering: a touch, a template and a customer's facts become the bytes of one mail."""

from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.lint import TemplateUse, check_templates, uses
from crm_mailer.rendering.preview import Preview, preview
from crm_mailer.rendering.render import StoreRenderer
from crm_mailer.rendering.samples import sample_customer, sample_order

__all__ = [
    "Preview",
    "StoreRenderer",
    "TemplateLibrary",
    "TemplateUse",
    "check_templates",
    "preview",
    "sample_customer",
    "sample_order",
    "uses",
]
