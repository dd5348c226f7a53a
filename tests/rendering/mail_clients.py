"""Makes crm_mailer/rendering/mail_clients.json anew from the data of caniemail.com.

    npm pack caniemail && tar xzf caniemail-*.tgz
    python -m tests.rendering.mail_clients package/data/caniemail.json

The data are under the MIT licence. Kept is what a template can use and, for each feature, which of
the programs that shops' customers read mail with do not show it, by their newest tested version.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[2] / "crm_mailer" / "rendering" / "mail_clients.json"
LICENCE = "MIT, Copyright (c) 2019 HTeuMeuLeu"
#: (family, platform) of the data -> what people call the program.
PROGRAMS = {
    ("gmail", "desktop-webmail"): "Gmail",
    ("gmail", "ios"): "Gmail on iPhones",
    ("gmail", "android"): "Gmail on Android",
    ("outlook", "windows"): "Outlook for Windows",
    ("outlook", "outlook-com"): "Outlook.com",
    ("outlook", "macos"): "Outlook for Mac",
    ("outlook", "ios"): "Outlook on iPhones",
    ("outlook", "android"): "Outlook on Android",
    ("apple-mail", "macos"): "Apple Mail",
    ("apple-mail", "ios"): "Mail on iPhones",
    ("yahoo", "desktop-webmail"): "Yahoo Mail",
    ("yahoo", "ios"): "Yahoo Mail on iPhones",
    ("yahoo", "android"): "Yahoo Mail on Android",
    ("samsung-email", "android"): "Samsung Email",
    ("thunderbird", "macos"): "Thunderbird",
    ("mail-ru", "desktop-webmail"): "Mail.ru",
    ("gmx", "desktop-webmail"): "GMX",
    ("web-de", "desktop-webmail"): "WEB.DE",
    ("orange", "desktop-webmail"): "Orange",
    ("laposte", "desktop-webmail"): "LaPoste.net",
    ("wp-pl", "desktop-webmail"): "WP.pl",
}


def compact(whole: dict[str, Any]) -> dict[str, Any]:
    """What `check` needs of the data."""
    features = {}
    for one in whole["data"]:
        if one["category"] not in ("css", "html", "image"):
            continue
        tested = {
            name: newest(one["stats"][family][platform])
            for (family, platform), name in PROGRAMS.items()
            if one["stats"].get(family, {}).get(platform)
        }
        known = {name: said for name, said in tested.items() if said in ("y", "a", "n")}
        if known:
            features[one["slug"]] = {
                "title": one["title"],
                "tested": len(known),
                "without": [name for name, said in known.items() if said == "n"],
            }
    return {
        "source": "https://www.caniemail.com",
        "licence": LICENCE,
        "date": whole["last_update_date"][:10],
        "features": dict(sorted(features.items())),
    }


def newest(versions: dict[str, str]) -> str:
    """`y`, `a` (partly), `n` or `u` of the last version that was tested."""
    return list(versions.values())[-1].split()[0]


if __name__ == "__main__":
    made = compact(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in made["features"].items())
    head = ",\n".join(
        f"{json.dumps(k)}: {json.dumps(made[k])}" for k in ("source", "licence", "date")
    )
    TARGET.write_text(f'{{\n{head},\n"features": {{\n{rows}\n}}\n}}\n', encoding="utf-8")
