"""Who comes into the studio: passwords, sessions, roles, forms, headers, the log."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crm_mailer.app import App, serving, staff
from crm_mailer.app.staff import Caller
from crm_mailer.app.wiring import DATABASE
from crm_mailer.model.errors import NotFound, NotPossible, SettingsError
from crm_mailer.model.staff import Role
from crm_mailer.store import staff as rows
from crm_mailer.studio.access import Door
from crm_mailer.studio.access.keeper import EMPTY
from crm_mailer.studio.server import application
from crm_mailer.web.serving import LOOPBACK
from tests.conftest import NOON, StandingClock
from tests.studio.conftest import Studio, open_shop, served, window

PASSWORD = "five odd words on a wall"
ROLES = [role.value for role in Role]
#: What strangers may ask for; everything else denies them.
OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/assets/{name}")}
#: Endpoints that are no page of the desk: whoever is in may use them.
FOR_ALL = {"/live", "/logout", "/login", "/assets/{name}", "/openapi.json"}
#: The live preview has pages of its own; they show files and change nothing.
PREVIEW = "/templates/"
#: As people's passwords are hashed; the tests take a cheaper one where that is not the matter.
REAL, CHEAP = staff._HASHER, PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staff, "_HASHER", CHEAP)
        staff._nobodys.cache_clear()
        yield


@pytest.fixture(scope="module")
def guarded_app(shop_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("guarded") / "shop"
    with open_shop(shop_template, home) as app:
        for role in Role:
            staff.add(app, f"{role.value}s-desk", role, PASSWORD, by="test", now=NOON)
        yield app


@pytest.fixture(scope="module")
def web(guarded_app: App) -> Starlette:
    return application(guarded_app, Door(guarded_app, guarded_app.clock))


@pytest.fixture(scope="module")
def port(web: Starlette) -> Iterator[int]:
    with served(web) as found:
        yield found


@pytest.fixture
def stranger(guarded_app: App, port: int) -> Studio:
    """A browser that holds nothing; the failures of other tests are long ago."""
    assert isinstance(guarded_app.clock, StandingClock)
    guarded_app.clock.forward(hours=1)
    return Studio(app=guarded_app, port=port)


def log_in(one: Studio, name: str, password: str = PASSWORD, to: str = "/") -> Any:
    return one.post("/login", on="/login", name=name, password=password, to=to)


def member(app: App, port: int, role: str) -> Studio:
    one = Studio(app=app, port=port)
    assert log_in(one, f"{role}s-desk").status == 303
    return one


@pytest.fixture
def admin(stranger: Studio) -> Studio:
    return member(stranger.app, stranger.port, "admin")


# ------------------------------------------------------------------ every route, every role


def routes_of(web: Starlette) -> list[tuple[str, Route]]:
    found = []
    for route in web.routes:
        assert isinstance(route, Route)
        methods = (route.methods or set()) - {"HEAD"}
        found += [(method, route) for method in sorted(methods)]
    return found


def address_of(route: Route) -> str:
    """An address of the route: numbers where a number is asked for."""
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: "1", route.path)


def test_every_route_names_the_least_role_that_may_use_it(web: Starlette) -> None:
    unguarded = {
        route.path
        for _method, route in routes_of(web)
        if not isinstance(getattr(route.endpoint, "needs", None), Role)
        and not route.path.startswith(PREVIEW)
    }

    assert unguarded == FOR_ALL


def test_whatever_changes_something_is_asked_for_by_post_alone(web: Starlette) -> None:
    for route in web.routes:
        assert isinstance(route, Route)
        methods = (route.methods or set()) - {"HEAD"}
        assert methods in ({"GET"}, {"POST"}), route.path


def test_strangers_are_denied_every_route_but_the_login(stranger: Studio, web: Starlette) -> None:
    let_in = set()
    for method, route in routes_of(web):
        fresh = Studio(app=stranger.app, port=stranger.port)
        path = address_of(route)
        if method == "GET":
            answer = fresh.get(path)
            is_denied = answer.status == 401 or (
                answer.status == 303 and answer.headers["location"].startswith("/login")
            )
        else:
            answer = fresh.post(path, on="/login")
            is_denied = answer.status == 401 and answer.body.startswith(b'{"error"')
        if not is_denied:
            let_in.add((method, route.path))

    assert let_in == OPEN


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_refused_what_needs_more(stranger: Studio, web: Starlette, role: str) -> None:
    one = member(stranger.app, stranger.port, role)
    token = one.csrf("/me")
    wrong = []
    for method, route in routes_of(web):
        needs = getattr(route.endpoint, "needs", None)
        if needs is None or Role(role).may(needs):
            continue  # what may be done is shown by the tests of each part
        path = address_of(route)
        answer = one.get(path) if method == "GET" else one.post(path, csrf=token)
        if answer.status != 403:
            wrong.append((method, route.path, answer.status))

    assert wrong == []


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_no_page_breaks_for_any_role_that_may_see_it(
    stranger: Studio, web: Starlette, role: str
) -> None:
    one = member(stranger.app, stranger.port, role)
    broken = []
    for method, route in routes_of(web):
        needs = getattr(route.endpoint, "needs", None)
        if method == "GET" and needs is not None and Role(role).may(needs):
            answer = one.get(address_of(route))
            if answer.status >= 500:
                broken.append((route.path, answer.status))

    assert broken == []


def test_a_role_changed_is_in_force_with_the_next_request(stranger: Studio) -> None:
    app, now = stranger.app, stranger.clock.now()
    staff.add(app, "riser", Role.VIEWER, PASSWORD, by="test", now=now)
    one = Studio(app=app, port=stranger.port)
    log_in(one, "riser")
    before = one.get("/users").status
    staff.change_role(app, "riser", Role.ADMIN, by="test", now=now)
    after = one.get("/users").status
    staff.remove(app, "riser", by="test", now=now)

    assert (before, after, one.get("/users").status) == (403, 200, 303)


# ------------------------------------------------------------------ in and out


def test_a_right_password_lets_in_and_leads_on_to_where_one_wanted_to_go(stranger: Studio) -> None:
    asked = stranger.get("/outbox?state=held")
    held = dict(stranger.cookies)
    answer = log_in(stranger, "Admins-Desk", to="/outbox?state=held")

    assert asked.headers["location"] == "/login?to=%2Foutbox%3Fstate%3Dheld"
    assert answer.headers["location"] == "/outbox?state=held"
    assert stranger.get("/outbox?state=held").status == 200
    assert stranger.cookies != held, "what the browser holds must change with the login"


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1", "/\t/x"],
    ids=["address", "no scheme", "backslash", "script", "tab"],
)  # fmt: skip
def test_a_login_leads_to_no_other_site(stranger: Studio, to: str) -> None:
    assert log_in(stranger, "admins-desk", to=to).headers["location"] == "/"


@pytest.mark.parametrize(
    ("name", "password"),
    [("admins-desk", "wrong words on the wall"), ("nobody", PASSWORD), ("", ""), ("a\x00b", "x")],
    ids=["wrong password", "unknown name", "nothing", "no name"],
)
def test_a_wrong_password_and_an_unknown_name_are_told_alike(
    stranger: Studio, name: str, password: str
) -> None:
    answer = log_in(stranger, name, password)

    assert answer.status == 401
    assert "the name or the password is wrong" in answer.text
    assert stranger.get("/").status == 303


def test_five_failures_from_one_machine_are_enough(stranger: Studio) -> None:
    statuses = [log_in(stranger, "viewers-desk", "wrong").status for _ in range(5)]
    limited = log_in(stranger, "viewers-desk")
    other = log_in(Studio(app=stranger.app, port=stranger.port), "agents-desk")
    stranger.clock.forward(minutes=16)

    assert statuses == [401] * 5
    assert limited.status == 429, "even the right password must wait"
    assert other.status == 303
    assert log_in(stranger, "viewers-desk").status == 303


def test_the_present_password_is_not_guessed_in_an_open_session(stranger: Studio) -> None:
    log_in(stranger, "viewers-desk")
    new = "another five words entirely"

    def change(old: str) -> str:
        stranger.post("/me/password", on="/me", old=old, new=new, again=new)
        return stranger.get("/me").text

    told = [change("wrong") for _ in range(5)]
    limited = change(PASSWORD)
    with stranger.app.store.read() as connection:
        since = stranger.clock.now() - timedelta(minutes=1)
        noted = rows.count_failures(connection, since, who="viewers-desk", address=LOOPBACK)

    assert all("the present password is wrong" in page for page in told)
    assert "too many have failed: wait 15 minutes" in limited
    assert noted == 5
    fresh = Studio(app=stranger.app, port=stranger.port)
    assert log_in(fresh, "viewers-desk").status == 429, "the login has the same limit"


def test_many_names_from_one_machine_are_limited_too(stranger: Studio) -> None:
    caller, now = Caller(address="192.0.2.1"), stranger.clock.now()
    for number in range(staff.TRIES_OF_ADDRESS):
        with pytest.raises(staff.LoginFailed):
            staff.login(stranger.app, f"guess-{number}", "x", caller, now)

    with pytest.raises(staff.LoginLimited):
        staff.login(stranger.app, "viewers-desk", PASSWORD, caller, now)
    assert staff.login(stranger.app, "viewers-desk", PASSWORD, Caller(address="192.0.2.2"), now)


def test_what_a_browser_holds_is_256_bits_and_only_its_hash_is_kept(
    stranger: Studio, guarded_app: App
) -> None:
    log_in(stranger, "agents-desk")
    [held] = [value for name, value in stranger.cookies.items() if name.endswith("studio")]
    database = sqlite3.connect(guarded_app.home / DATABASE)
    kept = str(database.execute("SELECT * FROM studio_sessions").fetchall())
    database.close()

    assert len(held) == 43
    assert staff.digest(held) in kept
    assert held not in kept


def test_passwords_are_hashed_by_argon2id_with_the_parameters_of_its_rfc() -> None:
    assert (REAL.type, REAL.memory_cost, REAL.time_cost, REAL.parallelism, REAL.hash_len) == (
        Type.ID, 65_536, 3, 4, 32,
    )  # fmt: skip
    assert REAL.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    ("hours", "is_seen"), [(11.9, True), (12.1, True), (2.1, False)],
    ids=["within twelve hours", "after twelve hours", "after two idle hours"],
)  # fmt: skip
def test_a_session_ends(stranger: Studio, hours: float, is_seen: bool) -> None:
    log_in(stranger, "agents-desk")
    began, step = stranger.clock.now(), timedelta(hours=1)
    if is_seen:
        while stranger.clock.now() + step < began + timedelta(hours=hours):
            stranger.clock.forward(hours=1)
            assert stranger.get("/me").status == 200
    stranger.clock.moment = began + timedelta(hours=hours)

    assert stranger.get("/me").status == (200 if hours < 12 and is_seen else 303)


def test_logging_out_ends_the_session_for_whoever_kept_a_copy(stranger: Studio) -> None:
    log_in(stranger, "agents-desk")
    copy = Studio(app=stranger.app, port=stranger.port, cookies=dict(stranger.cookies))
    stranger.post("/logout", on="/me")

    assert (stranger.get("/me").status, copy.get("/me").status) == (303, 303)


def test_one_logs_out_everywhere(stranger: Studio) -> None:
    log_in(stranger, "agents-desk")
    elsewhere = member(stranger.app, stranger.port, "agent")
    stranger.post("/logout", on="/me", everywhere="1")

    assert elsewhere.get("/me").status == 303


def test_a_new_password_ends_the_other_sessions_and_asks_for_the_old_one(
    stranger: Studio,
) -> None:
    app, new = stranger.app, "another five words entirely"
    staff.add(app, "changer", Role.AGENT, PASSWORD, by="test", now=stranger.clock.now())
    log_in(stranger, "changer")
    elsewhere = Studio(app=app, port=stranger.port)
    log_in(elsewhere, "changer")
    forms = [("wrong", new, new), (PASSWORD, new, "typo"), (PASSWORD, "short", "short")]
    for old, first, again in forms:
        stranger.post("/me/password", on="/me", old=old, new=first, again=again)
    assert elsewhere.get("/me").status == 200, "nothing has changed yet"

    stranger.post("/me/password", on="/me", old=PASSWORD, new=new, again=new)

    assert (stranger.get("/me").status, elsewhere.get("/me").status) == (200, 303)
    assert log_in(elsewhere, "changer").status == 401
    assert log_in(elsewhere, "changer", new).status == 303
    staff.remove(app, "changer", by="test", now=stranger.clock.now())


def test_an_old_hash_is_made_anew_at_the_next_login(
    stranger: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, now = stranger.app, stranger.clock.now()
    staff.add(app, "old-hash", Role.AGENT, PASSWORD, by="test", now=now)
    monkeypatch.setattr(staff, "_HASHER", REAL)
    assert staff.login(app, "old-hash", PASSWORD, Caller(), now)
    with app.store.read() as connection:
        found = rows.find_user(connection, "old-hash")

    assert found is not None
    assert "m=65536" in found[1]
    assert staff.login(app, "old-hash", PASSWORD, Caller(), now)
    staff.remove(app, "old-hash", by="test", now=now)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("lin", "short"), ("lin", "aaaaaaaaaaaaaaaa"), ("linda", "my name is Linda!"),
        ("lin", "x" * 600), ("a b", PASSWORD), ("", PASSWORD), ("x" * 65, PASSWORD),
        ("<b>", PASSWORD),
    ],
    ids=["short", "one letter", "the name", "a book", "blank in name", "no name", "long name",
         "markup"],
)  # fmt: skip
def test_weak_passwords_and_odd_names_are_refused_with_a_reason(
    stranger: Studio, name: str, password: str
) -> None:
    with pytest.raises(NotPossible) as caught:
        staff.add(stranger.app, name, Role.AGENT, password, by="test", now=NOON)
    assert caught.value.hint


def test_the_last_admin_stays(stranger: Studio, admin: Studio) -> None:
    app, now = stranger.app, stranger.clock.now()
    for act in (
        lambda: staff.remove(app, "admins-desk", by="test", now=now),
        lambda: staff.change_role(app, "admins-desk", Role.VIEWER, by="test", now=now),
    ):
        with pytest.raises(NotPossible, match="only admin"):
            act()
    with pytest.raises(NotFound):
        staff.remove(app, "nobody", by="test", now=now)
    admin.post("/users/remove", on="/users", name="admins-desk")
    assert "you cannot remove yourself" in admin.get("/users").text


def test_an_admin_adds_changes_and_removes_people(admin: Studio) -> None:
    admin.post("/users/add", on="/users", name="newcomer", role="viewer", password=PASSWORD)
    assert "newcomer may log in now" in admin.get("/users").text
    admin.post("/users/role", on="/users", name="newcomer", role="agent")
    assert "newcomer is agent now" in admin.get("/users").text
    admin.post("/users/remove", on="/users", name="newcomer")

    names = [one["name"] for one in admin.json("/users.json")["users"]]
    assert names == sorted(f"{role}s-desk" for role in ROLES)
    assert "argon2" not in admin.get("/users.json").text


# ------------------------------------------------------------------ forms of others


def test_a_form_without_its_word_changes_nothing(admin: Studio) -> None:
    other = member(admin.app, admin.port, "admin").csrf("/me")
    answers = [
        admin.post("/outbox/stop", csrf=csrf, scope="all").status
        for csrf in ("", "0" * 64, other, "ü")
    ]

    assert answers == [403] * 4
    assert [stop["scope"] for stop in admin.json("/outbox/stops.json")["stops"]] == ["lane:mailru"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_form_of_another_site_is_refused_even_with_its_word(admin: Studio, origin: str) -> None:
    answer = admin.ask(
        "/outbox/stop", method="POST", body=urlencode({"csrf": admin.csrf("/me"), "scope": "all"}),
        Origin=origin, Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip

    assert answer.status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "image"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "empty"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "empty"}, 200),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Dest": "document"}, 200),
    ],
    ids=["picture", "sister site", "frame", "link", "own script", "address bar"],
)
def test_other_sites_may_link_here_and_nothing_else(
    admin: Studio, headers: dict[str, str], status: int
) -> None:
    assert admin.get("/me", **headers).status == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/outbox?state=held&q=a%20b", "/outbox?state=held&q=a%20b"),
        ("/login", "/login"),
        ("/assets/base.css", "/assets/base.css"),
        ("//evil.example/", "/"),
        ("/a%0d%0ab;x%3F?%22", "/a%0D%0Ab%3Bx%3F?%22"),
    ],
    ids=["page", "login", "file", "other site", "odd"],
)
def test_a_link_that_brings_no_session_is_asked_for_once_more_and_leaves_none(
    stranger: Studio, site: str, path: str, to: str
) -> None:
    answer = stranger.get(path, Sec_Fetch_Site=site, Sec_Fetch_Dest="document")

    assert (answer.status, answer.text) == (200, EMPTY)
    assert answer.headers["refresh"] == f"0; url={to}"
    assert "set-cookie" not in answer.headers
    again = stranger.get("/outbox", Sec_Fetch_Site="same-origin", Sec_Fetch_Dest="document")
    assert "refresh" not in again.headers, "asked for twice, not for ever"
    assert again.headers["location"] == "/login?to=%2Foutbox"


def test_a_request_that_is_refused_leaves_no_session(stranger: Studio) -> None:
    answer = stranger.get("/me", Sec_Fetch_Site="same-site", Sec_Fetch_Dest="image")

    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_odd_cookies_of_other_programs_on_this_machine_log_nobody_out(admin: Studio) -> None:
    own = dict(admin.cookies)
    for odd in ('{"x":1}', "[1]", "a b", '"', "名".encode().decode("latin-1")):
        admin.cookies = {"theme": odd, **own}
        assert admin.get("/me").status == 200, odd


def test_strangers_are_told_nothing_of_the_shop_where_there_is_no_file(stranger: Studio) -> None:
    token = stranger.csrf("/login")
    answers = [
        stranger.get("/assets/no/such"),
        stranger.get("/assets/"),
        stranger.post("/assets/base.css", csrf=token),
    ]

    assert [answer.status for answer in answers] == [404, 404, 405]
    assert [answer.text for answer in answers] == [
        "There is no such file.", "There is no such file.", "Not allowed.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("length", "status"), [("999999999", 413), ("300000", 413)], ids=["told", "sent"]
)
def test_a_form_that_is_too_large_is_not_read(admin: Studio, length: str, status: int) -> None:
    body = "x" * int(length) if length == "300000" else "csrf=1"
    answer = admin.ask(
        "/outbox/stop", method="POST", body=body, Origin=admin.url,
        **({} if length == "300000" else {"Content_Length": "999999999"}),
    )  # fmt: skip

    assert answer.status == status


def test_a_form_of_a_thousand_fields_is_none(admin: Studio) -> None:
    body = "&".join(f"a{number}=1" for number in range(1000))
    answer = admin.ask("/outbox/stop", method="POST", body=body, Origin=admin.url)

    assert answer.status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_not_known(admin: Studio, method: str) -> None:
    assert admin.ask("/outbox", method=method).status == 405


# ------------------------------------------------------------------ hosts and headers


def test_a_studio_without_passwords_is_for_this_machine_only(studio: Studio) -> None:
    for host in ("evil.example", "192.0.2.1:8025", "localhost.evil.example", "", "127.0.0.1.x"):
        assert studio.get("/", Host=host).status == 403, host
    assert studio.get("/", Host="localhost:9").status == 200
    assert studio.get("/", Host="[::1]:9").status == 200


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"],
)
def test_a_studio_without_passwords_is_not_for_those_behind_a_proxy(
    studio: Studio, admin: Studio, header: str
) -> None:
    told = {header.replace("-", "_"): LOOPBACK}
    answer = studio.get("/", **told)

    assert answer.status == 403
    assert "crm-mailer studio user add" in answer.text
    assert admin.get("/me", **told).status == 200, "with passwords a proxy may ask"


def test_with_passwords_an_address_will_do_but_no_unknown_name(admin: Studio) -> None:
    hosts = {"192.0.2.1:8025": 200, "[2001:db8::1]": 200, "evil.example": 403, "crm.example": 403}

    assert {host: admin.get("/me", Host=host).status for host in hosts} == hosts


def test_names_that_a_proxy_asks_by_are_a_setting(
    shop_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_shop(shop_template, tmp_path / "shop") as app:
        staff.add(app, "boss", Role.ADMIN, PASSWORD, by="test", now=NOON)
        from crm_mailer.settings import read_settings

        environment = {"CRM_MAILER_STUDIO_HOSTS": "crm.example", "CRM_MAILER_STUDIO_HTTPS": "true"}
        app.settings = read_settings(app.home, environment)
        with served(application(app)) as port:
            one = Studio(app=app, port=port)
            answer = one.get("/login", Host="crm.example")
            cookie, hsts = answer.headers["set-cookie"], answer.headers
            refused = one.get("/login", Host="other.example").status

    assert (answer.status, refused) == (200, 403)
    assert cookie.startswith("__Host-crm_mailer_studio=")
    assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/; Secure")
    assert hsts["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/", "/outbox.json", "/assets/base.css", "/no-such-page"])
def test_every_answer_has_the_headers_of_safety(studio: Studio, path: str) -> None:
    headers = studio.get(path).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in headers, "there is no https on this machine"
    assert "server" not in headers


def test_pages_are_not_kept_by_anybody(studio: Studio) -> None:
    assert studio.get("/outbox").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["../desk.py", "..%2f..%2fdesk.py", "%2e%2e/desk.py", "x.py"])
def test_nothing_but_the_assets_is_given_away(studio: Studio, name: str) -> None:
    assert studio.get(f"/assets/{name}").status == 404


def test_the_first_user_locks_the_door_at_once(shop_template: Path, tmp_path: Path) -> None:
    with open_shop(shop_template, tmp_path / "shop") as app, served(application(app)) as port:
        one = Studio(app=app, port=port)
        assert one.get("/").status == 200
        one.post("/users/add", on="/users", name="lin", role="agent", password=PASSWORD)
        assert "the first user must be an admin" in one.get("/users").text
        one.post("/users/add", on="/users", name="boss", role="admin", password=PASSWORD)

        assert one.get("/").status == 303
        assert log_in(one, "boss").status == 303
        assert one.get("/users").status == 200


def test_other_machines_are_let_in_only_where_somebody_has_a_password(
    studio: Studio, guarded_app: App
) -> None:
    serving.check_host(studio.app, "127.0.0.1")
    serving.check_host(studio.app, "::1")
    serving.check_host(guarded_app, "0.0.0.0")
    with pytest.raises(SettingsError, match="nobody has a password yet") as caught:
        serving.check_host(studio.app, "0.0.0.0")
    assert "studio user add" in caught.value.hint


# ------------------------------------------------------------------ what is written down


def test_the_log_tells_who_did_what_from_where(admin: Studio) -> None:
    log_in(Studio(app=admin.app, port=admin.port), "marketers-desk", "wrong")
    marketer = member(admin.app, admin.port, "marketer")
    marketer.get("/users")
    marketer.post("/outbox/stop", on="/outbox/stops", scope="lane:gmail", reason="a trial")
    marketer.post("/outbox/go-on", on="/outbox/stops", scope="lane:gmail")
    marketer.get("/outbox/1/mail.eml")
    lines = admin.json("/log.json")["lines"]

    told = [(one["who"], one["what"], one["said"]) for one in lines]
    assert ("marketers-desk", "login_failed", "") in told
    assert ("marketers-desk", "refused", "admin") in told
    assert ("marketers-desk", "act", "lane gmail is stopped") in told
    assert ("marketers-desk", "act", "lane gmail goes on") in told
    assert ("marketers-desk", "export", "") in told
    assert {line["address"] for line in lines if line["who"] == "marketers-desk"} == {LOOPBACK}
    assert admin.json("/log.json", what="export")["lines"][0]["path"] == "/outbox/1/mail.eml"


def test_no_password_is_ever_written_down(admin: Studio, guarded_app: App) -> None:
    log_in(Studio(app=admin.app, port=admin.port), "admins-desk", "my secret guess")
    content = (guarded_app.home / DATABASE).read_bytes()
    content += (guarded_app.home / f"{DATABASE}-wal").read_bytes()

    assert b"my secret guess" not in content
    assert PASSWORD.encode() not in content


# ------------------------------------------------------------------ in a browser


def test_in_and_out_in_a_browser(browser: Any, stranger: Studio) -> None:
    with window(browser) as page:
        page.goto(f"{stranger.url}/outbox?state=held")
        page.get_by_label("Name").fill("admins-desk")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/outbox?state=held")
        page.get_by_label("You: admins-desk").click()
        page.get_by_role("link", name="Who did what").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Who did what"
        page.get_by_label("You: admins-desk").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(f"{stranger.url}/log")
        assert "/login" in page.url


def test_a_link_on_another_site_logs_nobody_out(browser: Any, stranger: Studio) -> None:
    async def elsewhere(_request: Request) -> Response:
        link = f'<a href="{stranger.url}/outbox?state=held">go</a>'
        return HTMLResponse(f'<link rel="icon" href="data:,">{link}')

    with served(Starlette(routes=[Route("/", elsewhere)])) as other, window(browser) as page:
        page.goto(f"{stranger.url}/login?to=/me")
        page.get_by_label("Name").fill("admins-desk")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/me")
        page.goto(f"http://localhost:{other}/")
        page.get_by_role("link", name="go").click()
        page.get_by_role("heading", level=1, name="Outbox").wait_for()
        assert page.url == f"{stranger.url}/outbox?state=held"
        page.goto(f"{stranger.url}/me")
        assert page.url == f"{stranger.url}/me"


def test_a_body_that_does_not_come_is_not_waited_for_forever(
    admin: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_mailer.studio.access import keeper

    monkeypatch.setattr(keeper, "PATIENCE", 0.2)
    with socket.create_connection((LOOPBACK, admin.port), timeout=10) as line:
        line.sendall(
            b"POST /outbox/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ncsrf="
        )
        assert line.recv(1000).startswith(b"HTTP/1.1 408")
