from __future__ import annotations

from pathlib import Path

from crm_mailer.definitions.template_index import index


def test_templates_are_found_by_stage_name_and_language(tmp_path: Path) -> None:
    for name in (
        "care/birthday.en.mjml",
        "care/birthday.pt-BR.mjml",
        "after_sale/review-request.ru.mjml",
        "layout/footer.en.mjml",
        "care/no-language.mjml",
        "care/notes.txt",
        "stray.en.mjml",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    found = index(tmp_path)

    assert {name: list(files) for name, files in found.items()} == {
        "after_sale/review-request": ["ru"],
        "care/birthday": ["en", "pt-BR"],
    }
    assert found["care/birthday"]["en"] == tmp_path / "care/birthday.en.mjml"


def test_no_folder_no_templates(tmp_path: Path) -> None:
    assert index(tmp_path / "none") == {}
