"""What the public pages need of the database, and nothing more: the rights of their own role."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import public_rights

ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


def grants(role: str) -> list[str]:
    """SQL for PostgreSQL that lets a role serve the public pages.

    It may append what visitors do and read what their pages show. It cannot read an answer, a
    case or an order, cannot change a customer, and cannot delete anything.

    Args:
        role: its name; it must exist.

    Raises:
        NotPossible: that is no name of a role.
    """
    if not ROLE.fullmatch(role):
        raise NotPossible(
            Sentence("`{role}` is no name of a role", role=role),
            hint="letters, digits and _ only, such as crm_public",
        )
    return list(_statements(f'"{role}"'))


def _statements(role: str) -> Iterator[str]:
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role};"
    yield f"GRANT USAGE ON SCHEMA public TO {role};"
    for table, columns in public_rights.READ.items():
        named = f" ({', '.join(columns)})" if columns else ""
        yield f"GRANT SELECT{named} ON {table} TO {role};"
    for table in public_rights.APPEND:
        yield f"GRANT INSERT ON {table} TO {role};"
        if table in public_rights.COUNTED:
            yield f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {role};"
    for table, columns in public_rights.ADD_UP.items():
        yield f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {role};"
