"""Reads crm-mailer.toml and CRM_MAILER_* into frozen Settings; knows where each value came from.

Order: environment, then the file, then the default. A secret may also be named by a file
(`CRM_MAILER_SMTP_PASSWORD_FILE`), so that it never stands in a process list.
"""

from crm_mailer.settings.fields import ACCOUNT_FIELDS, FIELDS, PREFIX, Field
from crm_mailer.settings.mailboxes import table as mailbox_table
from crm_mailer.settings.reading import FILE_NAME, read_settings
from crm_mailer.settings.values import (
    AccountSettings,
    DkimSettings,
    GuardSettings,
    HookSettings,
    ImapSettings,
    OauthSettings,
    Settings,
    WebhookSettings,
)

__all__ = [
    "ACCOUNT_FIELDS",
    "FIELDS",
    "FILE_NAME",
    "PREFIX",
    "AccountSettings",
    "DkimSettings",
    "Field",
    "GuardSettings",
    "HookSettings",
    "ImapSettings",
    "OauthSettings",
    "Settings",
    "WebhookSettings",
    "mailbox_table",
    "read_settings",
]
