"""Login and logout, one's own password, the users, and the log of who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crm_mailer import i18n
from crm_mailer.app import staff
from crm_mailer.app.staff import LoginFailed, LoginLimited
from crm_mailer.i18n import _, n_, say
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.staff import Noted
from crm_mailer.studio import given
from crm_mailer.studio.desk import Asked, Desk, Done, is_own_path, parse_form
from crm_mailer.studio.formats import word
from crm_mailer.studio.roles import Role

if TYPE_CHECKING:
    from crm_mailer.studio.access.door import Door

#: Lines of the log on one page.
LINES = 100


def routes(desk: Desk, door: Door) -> list[Route]:
    """All of them."""
    own, login = _Own(door), _Login(desk, door)
    return [
        Route("/login", login.show, methods=["GET"]),
        Route("/login", login.enter, methods=["POST"]),
        Route("/logout", login.leave, methods=["POST"]),
        *desk.page("/me", "me", own.me),
        *desk.act("/me/password", own.change_password, needs=Role.VIEWER),
        *desk.page("/users", "users", own.users, needs=Role.ADMIN),
        *desk.act("/users/add", own.add, needs=Role.ADMIN),
        *desk.act("/users/role", own.change_role, needs=Role.ADMIN),
        *desk.act("/users/remove", own.remove, needs=Role.ADMIN),
        *desk.page("/log", "log", own.log, needs=Role.ADMIN),
    ]


class _Login:
    """The way in and out: the one page that strangers see."""

    def __init__(self, desk: Desk, door: Door) -> None:
        self._desk = desk
        self._door = door

    async def show(self, request: Request) -> Response:
        """The form; whoever is in already goes on."""
        if request.state.visitor.name or not self._door.is_locked:
            return RedirectResponse("/", 303)
        return await run_in_threadpool(self._shown, request, "", None, 200)

    async def enter(self, request: Request) -> Response:
        """The form, filled in."""
        form = parse_form(await request.body())
        return await run_in_threadpool(self._entered, request, form)

    async def leave(self, request: Request) -> Response:
        """Out, here or everywhere."""
        form = parse_form(await request.body())
        guest, is_everywhere = request.state.guest, form.get("everywhere") == "1"
        now = self._door.clock.now()
        await run_in_threadpool(
            staff.logout, self._door.app, guest.session, now, is_everywhere=is_everywhere
        )
        return RedirectResponse("/login", 303)

    def _entered(self, request: Request, form: Mapping[str, str]) -> Response:
        guest, name = request.state.guest, form.get("name", "")
        to = form.get("to", "/")
        try:
            session = staff.login(
                self._door.app, name, form.get("password", ""), guest.caller,
                self._door.clock.now(),
            )  # fmt: skip
        except (LoginFailed, LoginLimited) as error:
            is_limited = isinstance(error, LoginLimited)
            return self._shown(request, name[:80], is_limited, 429 if is_limited else 401)
        request.state.hold(session)
        return RedirectResponse(to if is_own_path(to) else "/", 303)

    def _shown(self, request: Request, name: str, is_limited: bool | None, status: int) -> Response:
        """`is_limited`: None where nothing has failed yet."""
        to = request.query_params.get("to", "/")
        with i18n.speaking(request.state.visitor.language):
            fault = ""
            if is_limited is not None:
                wrong = _("the name or the password is wrong")
                fault = _("too many have failed: wait 15 minutes") if is_limited else wrong
            found = {"name": name, "fault": fault, "to": to if is_own_path(to) else "/"}
            return self._desk.render(request, "login.html", found, status)


class _Own:
    """Looks and acts on users and sessions."""

    def __init__(self, door: Door) -> None:
        self._door = door

    # ------------------------------------------------------------------ oneself

    def me(self, asked: Asked) -> Mapping[str, Any]:
        """One's own password, and where one is logged in."""
        found = staff.sessions(asked.app, asked.visitor.name) if asked.visitor.has_password else []
        now = self._door.clock.now()
        open_ = [
            {"began_at": one.began_at, "seen_at": one.seen_at, "address": one.address,
             "browser": one.browser}
            for one in found if now - one.began_at <= staff.SESSION and
            now - one.seen_at <= staff.IDLE
        ]  # fmt: skip
        return {"sessions": open_}

    def change_password(self, asked: Asked) -> Done:
        """Needs the old one: a browser left alone is not enough."""
        form, name = asked.form, asked.visitor.name
        if not asked.visitor.has_password:
            raise NotPossible(_("you have no password here"))
        if form.get("new", "") != form.get("again", ""):
            raise NotPossible(_("the two new passwords differ"))
        now = self._door.clock.now()
        try:
            staff.prove(asked.app, name, form.get("old", ""), asked.caller, now)
        except LoginFailed:
            raise NotPossible(_("the present password is wrong")) from None
        except LoginLimited:
            raise NotPossible(_("too many have failed: wait 15 minutes")) from None
        ended = staff.change_password(
            asked.app, name, form["new"], by=name, now=now, keep=asked.session
        )
        ends = n_("1 other session has ended", "{number} other sessions have ended", ended)
        return Done(to="/me", said=_("Your password is changed; {ends}").format(ends=ends))

    # ------------------------------------------------------------------ users

    def users(self, asked: Asked) -> Mapping[str, Any]:
        """All who may log in."""
        return {"users": staff.users(asked.app), "roles": [role.value for role in Role]}

    def add(self, asked: Asked) -> Done:
        """Somebody new; the first one is an admin, or nobody could add a second."""
        form, role = asked.form, _role(asked.form)
        if not staff.has_users(asked.app) and role is not Role.ADMIN:
            raise NotPossible(_("the first user must be an admin"))
        user = staff.add(
            asked.app, form.get("name", ""), role, form.get("password", ""),
            by=asked.visitor.name, now=self._door.clock.now(),
        )  # fmt: skip
        self._door.lock()
        return Done(to="/users", said=_("{name} may log in now").format(name=user.name))

    def change_role(self, asked: Asked) -> Done:
        """Another role, or another password where one is given."""
        form, now, by = asked.form, self._door.clock.now(), asked.visitor.name
        name = form.get("name", "")
        user = staff.change_role(asked.app, name, _role(form), by=by, now=now)
        if form.get("password"):
            staff.change_password(asked.app, name, form["password"], by=by, now=now)
        return Done(to="/users", said=_("{name} is {role} now").format(
            name=user.name, role=word(user.role)))  # fmt: skip

    def remove(self, asked: Asked) -> Done:
        """Nobody removes themselves."""
        name = asked.form.get("name", "")
        if name == asked.visitor.name:
            raise NotPossible(_("you cannot remove yourself"))
        staff.remove(asked.app, name, by=asked.visitor.name, now=self._door.clock.now())
        return Done(to="/users", said=_("{name} may not log in any more").format(name=name))

    # ------------------------------------------------------------------ the log

    def log(self, asked: Asked) -> Mapping[str, Any]:
        """Who did what, the last first."""
        what, who = asked.query.get("what", ""), asked.query.get("who", "")
        before = given.number(asked.query.get("after", ""))
        lines = staff.log(asked.app, what=what, who=who, before=before, limit=LINES + 1)
        return {
            "lines": [replace(one, said=say(one.said)) for one in lines[:LINES]],
            "more": lines[LINES - 1].id if len(lines) > LINES else None,
            "what": what,
            "who": who,
            "kinds": [one.value for one in Noted],
        }


def _role(form: Mapping[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        raise NotPossible(_("there is no such role")) from None
