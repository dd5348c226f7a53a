"""Wiring: makes the real parts from the settings; one module of verbs for each room."""

from crm_mailer.app.wiring import App, open_app

__all__ = ["App", "open_app"]
