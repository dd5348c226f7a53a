"""crm_mailer: email marketing and CRM automation for shops that sell across borders."""

__version__ = "0.1.0"
