"""The web parts that run beside the daemon, in threads of its process, and end with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from crm_mailer import logs

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.web.serving import Running


@dataclass(slots=True)
class Beside:
    """What was opened; the end of the block closes it all, whatever ends the block."""

    app: App
    log: Any = field(default_factory=logs.get)
    _running: list[tuple[str, Running]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for name, running in reversed(self._running):
            if not running.stop():
                self.log.warning("cut off", work=name)

    def open_studio(self, host: str, port: int | None) -> None:
        """The studio.

        Raises:
            SettingsError: other machines could reach it, and nobody has a password.
            CannotWrite: the port is taken.
        """
        from crm_mailer.studio import server

        self._opened("studio", server.start(self.app, host, port))

    def open_public_pages(self, port: int | None) -> None:
        """The pages that customers reach; CannotWrite where the port is taken."""
        from crm_mailer.public import server

        self._opened("public pages", server.start(self.app, port=port))

    def open_metrics(self, host: str, port: int) -> None:
        """What monitoring programs ask for; CannotWrite where the port is taken."""
        from crm_mailer.web import serving, vitals

        door = serving.open_port(port, usual=vitals.USUAL_PORT, host=host)
        self._opened("metrics", serving.start(vitals.application(self.app), door))

    def _opened(self, name: str, running: Running) -> None:
        self._running.append((name, running))
        self.log.info("opened", what=name, address=running.address)
