"""The JSON Schemas as an editor uses them: asked through the real yaml-language-server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.definitions import schema

#: Where it is; else on the path. `npm install -g yaml-language-server@1.19.2` puts it there.
SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")

pytestmark = [
    pytest.mark.skipif(not SERVER, reason="yaml-language-server is not installed"),
    pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed"),
]

MODELINE = "# yaml-language-server: $schema=.schema/campaign.schema.json\n"
GOOD = f"""{MODELINE}id: tea
name: Tea
kind: lifecycle
stream: marketing
mode: draft
anchor: {{order: arrived}}
steps:
  - id: first
    template: care/welcome
    after: 4d
"""


class Editor:
    """What an editor says to the server, and hears of it (LSP 3.17, over its standard streams)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = subprocess.Popen(
            [str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.number = 0
        known = {"completionItem": {"snippetSupport": False}}
        capabilities = {"textDocument": {"publishDiagnostics": {}, "completion": known}}
        place = {"rootUri": folder.as_uri(), "processId": os.getpid()}
        self.ask("initialize", {**place, "capabilities": capabilities})
        self.say("initialized", {})
        wanted = {"validate": True, "completion": True, "schemaStore": {"enable": False}}
        self.say("workspace/didChangeConfiguration", {"settings": {"yaml": wanted}})

    def close(self) -> None:
        """End the server."""
        self.server.kill()
        self.server.communicate()

    def opened(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a file; what the server finds in it."""
        document = {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}
        self.say("textDocument/didOpen", {"textDocument": document})
        while True:
            said = self.heard()
            about = said.get("params", {})
            is_found = said.get("method") == "textDocument/publishDiagnostics"
            if is_found and about["uri"] == document["uri"]:
                found: list[dict[str, Any]] = about["diagnostics"]
                return found

    def offered(self, name: str, line: int, column: int) -> set[str]:
        """The words that it offers there; line and column count from 0."""
        where = {"line": line, "character": column}
        given = {"textDocument": {"uri": self.uri(name)}, "position": where}
        found = self.ask("textDocument/completion", given)
        return {one["label"] for one in found["items"]}

    def uri(self, name: str) -> str:
        """How the two call a file."""
        return (self.folder / name).as_uri()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask; the answer."""
        self.number += 1
        self.tell({"id": self.number, "method": method, "params": params})
        while True:
            said = self.heard()
            if said.get("id") == self.number and "method" not in said:
                return said["result"]

    def say(self, method: str, params: dict[str, Any]) -> None:
        """Say what needs no answer."""
        self.tell({"method": method, "params": params})

    def tell(self, said: dict[str, Any]) -> None:
        """Send one message."""
        body = json.dumps({"jsonrpc": "2.0", **said}).encode()
        assert self.server.stdin is not None
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()

    def heard(self) -> dict[str, Any]:
        """The next message; what the server asks of us is answered with nothing."""
        assert self.server.stdout is not None
        length = 0
        while (line := self.server.stdout.readline().strip()) or not length:
            assert line, "the server ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        said: dict[str, Any] = json.loads(self.server.stdout.read(length))
        if "method" in said and "id" in said:
            self.tell({"id": said["id"], "result": None})
        return said


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor in a folder with the schemas, as `check --schema .schema` writes them."""
    folder = tmp_path_factory.mktemp("shop")
    schema.write(folder / ".schema")
    one = Editor(folder)
    yield one
    one.close()


def test_a_right_file_is_not_underlined(editor: Editor) -> None:
    assert editor.opened("good.yaml", GOOD) == []


def test_a_wrong_key_is_underlined_where_it_stands(editor: Editor) -> None:
    wrong = GOOD.replace("    after: 4d", "    aftr: 4d")

    [found] = editor.opened("wrong.yaml", wrong)

    line = wrong.splitlines().index("    aftr: 4d")
    assert "aftr" in found["message"]
    assert found["range"]["start"] == {"line": line, "character": 4}


def test_a_wrong_value_is_underlined_where_it_stands(editor: Editor) -> None:
    wrong = GOOD.replace("mode: draft", "mode: drafty")

    [found] = editor.opened("value.yaml", wrong)

    line = wrong.splitlines().index("mode: drafty")
    assert found["range"]["start"] == {"line": line, "character": 6}


def test_it_offers_the_keys_that_fit(editor: Editor) -> None:
    begun = GOOD + "    \nv\n"
    editor.opened("begun.yaml", begun)
    line = len(GOOD.splitlines())

    assert {"subject", "benefit", "wait"} <= editor.offered("begun.yaml", line, 4)
    assert "valid_for" in editor.offered("begun.yaml", line + 1, 1)
