"""What it costs to write a mail, once its template is compiled.

Run: python -m benchmarks.render [--mails 2000] [--rounds 5] [--template during_sale/shipped]
The last line printed is one JSON object, in microseconds of processor time of one core for a mail
(the best round; rounds differ by what else the machine does). `us_per_mail`: subject, HTML and
text as people look at them, the general path of preview and check; `us_subject`, `us_html` and
`us_text` are its parts, `us_fields` what comes before them. `us_send`: the mail as it goes over
the wire, headers and encoding included, unsigned. `mails`: how many different customers were
written to in each round. `save_ms`: from a saved template to its mail anew, in a process that has
a compiler waiting, as the preview page has.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crm_mailer.definitions import library as definitions
from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import OrderAnchor
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import TemplateLibrary, plain, samples
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.markup import MjmlCompiler
from crm_mailer.store.bundled import bundled

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
KEYS = KeyRing({1: b"k" * 32}, 1)
LANGUAGES = ("en", "ru", "es")
#: As many as a sender writes in step.
BATCH = 100


def occasions(found: Definitions, template: str, mails: int) -> list[Occasion]:
    """The mail to so many different customers of three languages."""
    campaign, step = next(
        (one, step)
        for one in found.campaigns.values()
        for step in one.steps
        if step.template == template
    )
    people = [samples.sample_customer(code) for code in LANGUAGES]
    order = samples.sample_order(people[0], NOW)
    has_order = isinstance(campaign.anchor, OrderAnchor)
    made = []
    for number in range(mails):
        person = people[number % len(people)]
        made.append(
            Occasion(
                touch_id=number + 1,
                customer=person._replace(
                    id=number,
                    email=f"reader{number}@example.com",
                    given_name=f"{person.given_name}{number}",
                ),
                order=order if has_order else None,
                stream=campaign.stream,
                template=template,
                campaign=campaign,
                step=step,
            )
        )
    return made


def best(rounds: int, mails: int, work: Callable[[], object]) -> float:
    """Microseconds of processor time a mail, in the best round."""
    work()
    taken = []
    for _round in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return round(min(taken) / mails * 1e6, 1)


def parts(composer: Composer, some: Sequence[Occasion], rounds: int) -> dict[str, float]:
    """What the parts of the general path cost."""
    made: list[tuple[Any, dict[str, Any]]] = []
    composer_values = composer._values
    for one in some:
        code = composer._choice(one).code
        values = composer_values(one, code, composer._envelope(one), NOW)
        values["subject"] = "Subject"
        made.append((composer.library.get(one.template, code), values))

    def fields() -> None:
        for one in some:
            composer_values(one, composer._choice(one).code, composer._envelope(one), NOW)

    work: dict[str, Callable[[], object]] = {
        "us_fields": fields,
        "us_subject": lambda: [form.subject.render(values) for form, values in made],
        "us_html": lambda: [form.html.render(values) for form, values in made],
        "us_text": lambda: [plain.tidy_rendered(form.text.render(v)) for form, v in made],
    }
    return {name: best(rounds, len(some), one) for name, one in work.items()}


def sending(composer: Composer, some: Sequence[Occasion]) -> None:
    """As a sender does it, a batch at a time."""
    for start in range(0, len(some), BATCH):
        written = composer.write_all(some[start : start + BATCH], NOW)
        composer.finish(written, NOW)  # type: ignore[arg-type]


def save_ms(found: Definitions, template: str, rounds: int) -> float:
    """Milliseconds from a save to the mail, the median of some saves."""
    [one] = occasions(found, template, 1)
    compiler = MjmlCompiler()
    compiler.keep_spare()
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "templates"
        for part in {template.split("/")[0], "layout"}:
            shutil.copytree(bundled("templates") / part, root / part)
        file = root / f"{template}.en.mjml"
        text = file.read_text(encoding="utf-8")
        for number in range(rounds):
            time.sleep(0.3)  # a child gets ready while the writer thinks
            file.write_text(text.replace("</mj-text>", f" {number}</mj-text>", 1), encoding="utf-8")
            began = time.perf_counter()
            library = TemplateLibrary(root, compiler=compiler)
            Composer(library, found.shop, KEYS).show(one, NOW)
            taken.append((time.perf_counter() - began) * 1000)
    compiler.close()
    return round(statistics.median(taken), 1)


def main() -> None:
    """Measure, and print one line."""
    wanted = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    wanted.add_argument("--mails", type=int, default=2_000)
    wanted.add_argument("--rounds", type=int, default=5)
    wanted.add_argument("--template", default="during_sale/shipped")
    given = wanted.parse_args()
    library = TemplateLibrary(bundled("templates"))
    library.prepare([given.template])
    found = definitions.load(bundled("campaigns"), library.names)
    some = occasions(found, given.template, given.mails)
    composer = Composer(library, found.shop, KEYS)
    result = {
        "bench": "render",
        "template": given.template,
        "mails": given.mails,
        "us_per_mail": best(
            given.rounds, len(some), lambda: [composer.show(one, NOW) for one in some]
        ),
        **parts(composer, some, given.rounds),
        "us_send": best(given.rounds, len(some), lambda: sending(composer, some)),
        "save_ms": save_ms(found, given.template, given.rounds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
