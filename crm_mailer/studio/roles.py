"""Who may do what: each role may all that those before it may."""

from __future__ import annotations

from crm_mailer.model.staff import Role as Role
