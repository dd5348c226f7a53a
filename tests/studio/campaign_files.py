"""Campaign files for tests: those that ship, and one that has everything."""

from __future__ import annotations

from pathlib import Path

from crm_mailer.store.bundled import bundled

#: Steps with a test, conditions and waits, a hold-out, a goal.
EVERYTHING = """\
id: everything
name: Everything at once
kind: lifecycle
stream: marketing
mode: draft                    # not yet
anchor: {order: paid}
audience:
  any:
    - {order_count: {at_least: 1}}
    - {country: [US, GB]}
hold_out: 10
goal: {when: bought, within: 7d}
stop_when: [case.open]
steps:
  - id: hello
    template: care/welcome
    after: 1d
    test:
      arms:
        - {id: plain}
        - {id: warm, subject: {en: "A warm hello", ru: "Привет", es: "Hola"}}
      winner: orders
  - id: second
    template: care/welcome
    wait: 2d
    if: {order_count: {at_least: 3}}
  - id: third
    template: care/welcome
    wait: 12h
    unless: {country: [US]}
"""


def shipped() -> list[str]:
    """The texts of all campaigns that ship."""
    folder = bundled("campaigns")
    paths = [*Path(folder).glob("lifecycle/*.yaml"), *Path(folder).glob("edm/*.yaml")]
    return [path.read_text(encoding="utf-8") for path in sorted(paths)]
