"""What the page says, in the language that its reader chose."""

from __future__ import annotations

from collections.abc import Callable

from crm_mailer import i18n

#: The languages that the page speaks, and what each calls itself.
SPOKEN = {"en": "English", "zh_CN": "中文"}


def words(code: str) -> dict[str, str]:
    """Every text of the page, by the name that the page's script and markup know."""
    catalogue = i18n.catalogue(code)
    return _texts(lambda text: catalogue.get(text, text))


def _texts(_: Callable[[str], str]) -> dict[str, str]:
    return {
        "title": _("Preview"),
        "templates": _("Templates"),
        "filter": _("Find a template"),
        "none": _("No template is called so."),
        "language": _("Language"),
        "reader": _("Reader"),
        "use": _("As the mail of"),
        "view": _("View"),
        "desktop": _("Desktop"),
        "mobile": _("Mobile"),
        "text": _("Text"),
        "source": _("Source"),
        "headers": _("Headers"),
        "checks": _("Checks"),
        "dark": _("Dark"),
        "images_off": _("Images off"),
        "live": _("Reloads when you save"),
        "lost": _("The program has ended: start it again"),
        "checking": _("Checking ..."),
        "no_findings": _("Nothing to find fault with."),
        "fault": _("This mail cannot be made"),
        "fault_hint": _("Mend the file and save it: the mail comes back by itself."),
        "unused": _("no campaign uses it"),
        "fallback": _("Language"),
        "kilobytes": _("kB"),
        "clipped": _("Gmail cuts off at 102 kB"),
        "letters": _("letters"),
        "no_dark": _("This mail has no rules for dark mode: mail programs may invert its colours."),
        "no_preheader": _("no preheader"),
        "try": _("Send yourself a test"),
        "copy": _("Copy"),
        "copied": _("Copied"),
        "shared": _("Shared parts"),
        "this_file": _("This file"),
        "campaign": _("Campaign"),
        "elsewhere": _("Other files"),
        "keys": _("Keys"),
        "key_templates": _("next, previous template"),
        "key_language": _("next language"),
        "key_reader": _("next reader"),
        "key_views": _("views"),
        "key_dark": _("dark, images off"),
        "key_find": _("find"),
        "close": _("Close"),
        "skip": _("To the mail"),
        "frame": _("The mail"),
        "empty": _("There are no templates yet: `crm-mailer init .` writes the starter set."),
        "stage_before_sale": _("Before the sale"),
        "stage_during_sale": _("During the sale"),
        "stage_after_sale": _("After the sale"),
        "stage_care": _("Care"),
        "stage_growth": _("Growth"),
        "stage_special": _("Special"),
        "stage_replies": _("Canned replies"),
        "reader_usual": _("With a name"),
        "reader_nameless": _("Without a name"),
        "reader_patronymic": _("Russian, with patronymic"),
        "reader_long": _("Very long names"),
        "reader_no-order-facts": _("Order without facts"),
        "reader_hostile": _("Hostile data"),
        "severity_error": _("error"),
        "severity_warning": _("warning"),
        "severity_note": _("note"),
        "severity_advice": _("advice"),
    }
