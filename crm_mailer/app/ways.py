"""From the settings to the ways out: one outlet an account, or the sandbox where there is none."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from crm_mailer.app.wiring import App
from crm_mailer.delivering.account import Account, Auth, Tls
from crm_mailer.delivering.oauth import RefreshedToken, TokenFile, TokenSource
from crm_mailer.delivering.port import Transport
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.delivering.sandbox import FolderTransport, NullTransport
from crm_mailer.delivering.ses import SesAccount, SesTransport
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.campaign import Stream
from crm_mailer.settings import AccountSettings, ImapSettings
from crm_mailer.store import lanes

#: Access tokens and certificates that were got for one round serve the next.
_MADE: WeakKeyDictionary[App, Ways] = WeakKeyDictionary()


def ways(app: App) -> Ways:
    """The accounts of the shop, and the limits of receiving providers.

    Raises:
        SettingsError: an account cannot work here: boto3 is missing, or a file of certificates.
    """
    if app not in _MADE:
        accounts = app.settings.accounts
        outlets = [_outlet(app, one) for one in accounts] or [_sandbox(app)]
        _MADE[app] = Ways(outlets=outlets, limits=dict(app.settings.limits))
    return _MADE[app]


def _sandbox(app: App) -> Outlet:
    """Mails become files; the pace of the account to be can be rehearsed."""
    return Outlet(
        name=lanes.SANDBOX,
        transport=FolderTransport(app.outbox_folder, app.clock),
        per_minute=app.settings.smtp.per_minute or None,
    )


def _outlet(app: App, account: AccountSettings) -> Outlet:
    return Outlet(
        name=account.name,
        transport=_transport(app, account),
        streams=frozenset(Stream(name) for name in account.streams),
        providers=frozenset(account.providers),
        rank=account.rank,
        per_minute=account.per_minute or None,
        warm_since=account.warm_since,
    )


def _transport(app: App, account: AccountSettings) -> Transport:
    match account.kind:
        case "ses":
            return SesTransport(_ses(account))
        case "folder":
            folder = account.folder or f"{app.settings.outbox}/{account.name}"
            return FolderTransport(app.home / folder, app.clock)
        case "null":
            return NullTransport()
        case _:
            return SmtpTransport(smtp(app, account))


def smtp(app: App, account: AccountSettings) -> Account:
    """How to reach a mail server."""
    return Account(
        host=account.host,
        port=account.port,
        username=account.username,
        password=account.password,
        auth=Auth(account.auth),
        oauth=token_source(app, account),
        tls=Tls(account.tls),
        ca_file=account.ca_file,
        hello=account.hello,
        connections=account.connections,
        messages_per_connection=account.messages_per_connection,
        pipelining=account.pipelining,
        bdat=account.bdat,
    )


def token_source(app: App, account: AccountSettings | ImapSettings) -> TokenSource | None:
    """Where the access tokens of an account or a mailbox come from; None where it has none."""
    oauth = account.oauth
    if oauth.token_file:
        return TokenFile(app.home / oauth.token_file)
    if not oauth.token_url:
        return None
    return RefreshedToken(
        endpoint=oauth.token_url,
        client_id=oauth.client_id,
        client_secret=oauth.client_secret,
        refresh_token=oauth.refresh_token,
        scope=oauth.scope,
        ca_file=account.ca_file,
    )


def _ses(account: AccountSettings) -> SesAccount:
    return SesAccount(
        region=account.region,
        access_key=account.access_key,
        secret_key=account.secret_key,
        endpoint=account.endpoint,
        configuration_set=account.configuration_set,
        ca_file=account.ca_file,
        connections=account.connections,
    )
