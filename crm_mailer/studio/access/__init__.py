"""Who may come into the studio: on this machine everybody, elsewhere those with a password."""

from crm_mailer.studio.access.door import Door
from crm_mailer.studio.access.keeper import Doorkeeper

__all__ = ["Door", "Doorkeeper"]
