"""The container image and the services around it keep the rules that matter."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
#: Services that run our program; the others are PostgreSQL's.
OURS = ("prepare", "daemon", "public", "studio")
ALL = (*OURS, "database", "roles", "backup")
#: Words in the name of a variable whose value is nobody's business.
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DATABASE$|KEY")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    return found


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Containerfile, on one line."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in whole.split("\n") if line]


def test_both_stages_begin_with_one_pinned_image() -> None:
    told = instructions()

    assert [rest for verb, rest in told if verb == "FROM"] == [
        "docker.io/library/python:${PYTHON} AS build",
        "docker.io/library/python:${PYTHON}",
    ]
    [(_verb, version)] = [one for one in told if one[0] == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.\d+-slim-\w+", version)


def test_the_image_runs_as_a_user_of_its_own_and_says_how_it_is() -> None:
    last = instructions()[-9:]
    told = dict(last)

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", told["USER"])
    assert "/healthz" in told["HEALTHCHECK"]
    assert told["ENTRYPOINT"] == '["crm-mailer"]'
    assert told["VOLUME"] == '["/shop"]'
    assert told["STOPSIGNAL"] == "SIGTERM"


def test_what_is_installed_is_pinned_by_hashes_and_the_wheel_brings_nothing() -> None:
    installs = [part for verb, rest in instructions() if verb == "RUN" for part in rest.split("&&")]
    installs = [part for part in installs if "pip install" in part]

    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert {"--no-deps", "--no-index"} < set(installs[1].split())


def test_nothing_of_a_checkout_but_the_wheel_and_the_lock_gets_into_the_image() -> None:
    lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()

    assert [line for line in lines if not line.startswith("#")] == [
        "*",
        "!dist/crm_mailer-*.whl",
        "!deploy/requirements.txt",
    ]


def test_the_lock_of_the_image_pins_what_the_tests_ran_with() -> None:
    image, tests = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))
        for path in (DEPLOY / "requirements.txt", ROOT / "requirements-test.txt")
    )

    assert {name: version for name, version in image.items() if tests[name] != version} == {}
    assert "psycopg" in image
    assert "pytest" not in image


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("no hadolint")
    done = subprocess.run(
        [hadolint, str(DEPLOY / "Containerfile")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_services_are_those_of_the_page(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_service_can_do_little_harm(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service or name == "database"
    assert name == "database" or re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.search(r":[\w.${}:-]*\d", service["image"])
    assert not service["image"].endswith(":latest")


@pytest.mark.parametrize("name", ALL)
def test_a_service_that_goes_on_says_how_it_is(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]

    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert name == "daemon" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", ALL)
def test_no_secret_stands_in_the_environment(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]

    for variable, value in service.get("environment", {}).items():
        assert not SECRET.search(variable.removesuffix("_FILE")) or value.startswith("/run/secrets")
    for one in service.get("secrets", []):
        assert compose["secrets"][one]["file"].startswith("./secrets/")


def test_the_public_pages_get_no_password_and_write_nothing(compose: dict[str, Any]) -> None:
    public = compose["services"]["public"]

    assert public["secrets"] == ["public_database"]
    assert public["volumes"] == ["shop:/shop:ro"]


def test_the_database_is_reached_by_the_shop_s_own_network_alone(compose: dict[str, Any]) -> None:
    database = compose["services"]["database"]

    assert database["networks"] == ["inside"]
    assert "ports" not in database
    assert compose["networks"]["inside"]["internal"] is True


def test_the_daemon_has_time_to_finish_its_mails(compose: dict[str, Any]) -> None:
    assert compose["services"]["daemon"]["stop_grace_period"] == "45s"
