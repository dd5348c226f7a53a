"""One shop, opened: its folder, settings, definitions, database and keys, each made when asked."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crm_mailer import home as homes
from crm_mailer import logs
from crm_mailer.app.clocks import choose_clock
from crm_mailer.definitions import library
from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import raise_all
from crm_mailer.definitions.template_index import index
from crm_mailer.definitions.words_memory import remembered_words
from crm_mailer.definitions.words_reader import SHIPPED, read_reasons
from crm_mailer.model.errors import DefinitionError, SettingsError, StoreError
from crm_mailer.model.moment import Clock, zone
from crm_mailer.model.reply import SHIPPED_REASONS, adopt_reasons
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.words import Words
from crm_mailer.settings import Settings, read_settings

if TYPE_CHECKING:
    from crm_mailer.rendering import TemplateLibrary
    from crm_mailer.rendering.markup import MjmlCompiler
    from crm_mailer.store.engine import Store
    from crm_mailer.store.fences import Fence

DATABASE = "crm-mailer.db"
#: What work leaves in the shop's folder beside a database that may lie elsewhere.
_TRACES = (DATABASE, "journal", "erasures.jsonl", "inbound", "archive", "evidence")


class App:
    """What every verb is given. Nothing is read or opened before it is needed."""

    def __init__(self, home: Path, settings: Settings, clock: Clock | None = None) -> None:
        self.home = home
        self.settings = settings
        self._seen: int | None = None
        self._before: Definitions | None = None
        self.clock: Clock = clock or choose_clock(settings.clock, settings.database)
        #: The lease under which this process works; None: nobody else may be at it.
        self.fence: Fence | None = None
        if settings.clock and settings.leaves:
            raise SettingsError(
                "`clock` is set, so nothing may leave this machine",
                hint="remove `clock` or `smtp.host` and other accounts from crm-mailer.toml",
            )

    @cached_property
    def definitions(self) -> Definitions:
        """What marketers wrote; what a file said before stands while the file is wrong."""
        read = library.load(self.home / "campaigns", index(self.templates_folder))
        self._before = library.keeping(read, self._before) if self._before else read
        return self._before

    @cached_property
    def words(self) -> Words:
        """The word lists of listening: what ships, and what lies in the shop's `words` folder."""
        folders = (SHIPPED, self.home / "words")
        words = remembered_words(folders, self.home / ".cache" / "words.json")
        adopt_reasons({c: r for c, r in words.reasons.items() if c not in SHIPPED_REASONS})
        return words

    def reload(self) -> None:
        """Read the files anew when they are next needed."""
        self.__dict__.pop("definitions", None)
        self.__dict__.pop("_shop_alone", None)
        self.__dict__.pop("words", None)
        self.__dict__.pop("templates", None)

    def reload_templates(self) -> None:
        """Read the templates anew when they are next needed, and nothing else."""
        self.__dict__.pop("templates", None)

    def reload_if_changed(self) -> bool:
        """Read the files anew when one was written since the last look; whether that is so."""
        seen = _fingerprint(self.home)
        is_changed = seen != self._seen
        if is_changed and self._seen is not None:
            self.reload()
        self._seen = seen
        return is_changed

    def has_changed_files(self) -> bool:
        """Whether `reload_if_changed` would read them anew."""
        return self._seen is not None and _fingerprint(self.home) != self._seen

    @cached_property
    def templates(self) -> TemplateLibrary:
        """The compiled templates; what MJML made of them is kept in the shop's folder."""
        from crm_mailer.rendering import TemplateLibrary  # Jinja and Babel: slow to import

        return TemplateLibrary(self.templates_folder, compiler=self.mjml)

    @cached_property
    def mjml(self) -> MjmlCompiler:
        """What compiles templates; it knows those from before they were read anew."""
        from crm_mailer.rendering.markup import MjmlCompiler

        return MjmlCompiler(self.home / ".cache" / "mjml")

    @property
    def shop(self) -> Shop:
        """The shop's own facts.

        Raises:
            DefinitionError: the shop's file is wrong.
        """
        if not self.definitions.has_shop:
            raise_all([one for one in self.definitions.errors if one.file.endswith("shop.yaml")])
        return self.definitions.shop

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the shop counts its days; the default one while its file is wrong."""
        return zone(self.shop_or_default.time_zone)

    @property
    def shop_or_default(self) -> Shop:
        """The shop's facts for who can do with the defaults while its file is wrong."""
        return self.definitions.shop if "definitions" in self.__dict__ else self._shop_alone

    @cached_property
    def _shop_alone(self) -> Shop:
        """For commands that look at rows only: reading every campaign would take longer."""
        return library.shop_of(self.home / "campaigns")

    @property
    def templates_folder(self) -> Path:
        """Where the MJML lies."""
        return self.home / "templates"

    @property
    def outbox_folder(self) -> Path:
        """Where the sandbox puts its mails."""
        return self.home / self.settings.outbox

    @property
    def raw_folder(self) -> Path:
        """Where large received mails lie, named by their digest."""
        return self.home / "inbound"

    @property
    def journal_folder(self) -> Path:
        """Where sending processes note what is on the wire."""
        return self.home / "journal"

    @property
    def database_url(self) -> str:
        """The database's address."""
        return self.settings.database or f"sqlite:///{self.home / DATABASE}"

    @cached_property
    def store(self) -> Store:
        """The database, with the program's schema. A new one is made; an old one is refused.

        Raises:
            StoreError: it cannot be used, or was deleted: mails have left from this folder before.
        """
        from crm_mailer.store import migrate  # SQLAlchemy: `check` has no need of it
        from crm_mailer.store.engine import open_store

        store = open_store(self.database_url)
        if store.is_sqlite and not Path(str(store.url.database)).exists():
            self._refuse_mistyped(str(store.url.database))
            if (self.journal_folder / "witness").exists():
                raise StoreError(
                    Sentence("the database is gone: {database}", database=store.url.database),
                    hint="put a backup in its place with `crm-mailer db restore FILE`; only to "
                    "begin with an empty one, `crm-mailer db upgrade`",
                )
            migrate.upgrade(store)
        else:
            try:
                migrate.verify(store)
            except BaseException:
                store.close()
                raise
        return store

    def _refuse_mistyped(self, missing: str) -> None:
        """A folder that was worked in has a database somewhere: an empty one would hide it.

        Raises:
            StoreError: the settings name a file that is not there, and others tell of earlier work.
        """
        told = [name for name in _TRACES if _is_filled(self.home / name)]
        if self.settings.database and told:
            raise StoreError(
                Sentence(
                    "there is no database at {file}, but this folder was worked in before: "
                    "it has {traces}",
                    file=missing,
                    traces=_listed(told),
                ),
                hint="look at `database` in crm-mailer.toml (CRM_MAILER_DATABASE), or put a backup "
                "there with `crm-mailer db restore FILE`; only to begin with an empty one, "
                "`crm-mailer db upgrade`",
            )

    def under(self, fence: Fence | None) -> App:
        """The same shop for work that one process alone does: what it writes counts only while
        the lease is its own. For one turn of work, since later changes of files are not seen.
        """
        if fence is None:
            return self
        from crm_mailer.store.fences import FencedStore

        self.definitions  # noqa: B018 - read once, for this turn and those to come
        other = copy(self)
        other.fence = fence
        other.store = FencedStore(self.store, fence)
        return other

    @property
    def is_in_time(self) -> bool:
        """Whether what others can see may still be done: the lease is ours by our own clock."""
        return self.fence is None or self.fence.is_in_time()

    @cached_property
    def keys(self) -> KeyRing:
        """The keys of our tokens."""
        return homes.read_keys(self.home, self.settings.secret_key)

    def set_up_logs(self) -> None:
        """Log as the settings want it; addresses are hashed by the shop's key, where it has one."""
        key = b""
        with suppress(SettingsError):
            key = self.keys.keys[self.keys.current]
        logs.set_up(self.settings.log_level, self.settings.log_format, key)

    def close(self) -> None:
        """Let go of the database, and of a waiting child."""
        if "mjml" in self.__dict__:
            self.mjml.close()
        if "store" in self.__dict__:
            self.store.close()


def open_app(given_home: str | None = None, clock: Clock | None = None) -> App:
    """The shop in `given_home`, or the nearest one."""
    home = homes.find_home(given_home)
    _adopt_reasons(home / "words")
    return App(home, read_settings(home), clock)


def _adopt_reasons(folder: Path) -> None:
    """The shop's own complaint reasons; `check` and listening tell what is wrong with the files."""
    with suppress(DefinitionError):
        adopt_reasons(read_reasons(folder) if folder.is_dir() else {})


def _fingerprint(home: Path) -> int:
    """Changes whenever a file that people write is saved."""
    return hash(
        tuple(
            (str(path), path.stat().st_mtime_ns)
            for name in ("campaigns", "templates", "words")
            for path in sorted((home / name).rglob("*"))
        )
    )


def _listed(names: list[str]) -> str:
    """Names in a row, as a person says them."""
    said = names[0]
    for name in names[1:]:
        said = Sentence("{one} and {other}", one=said, other=name)
    return said


def _is_filled(path: Path) -> bool:
    """Whether a file is there, or a folder with something in it."""
    return any(path.iterdir()) if path.is_dir() else path.is_file()
