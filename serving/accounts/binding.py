"""Where the app may listen and under which names it answers. Closed unless opened on purpose."""

import ipaddress

from serving.accounts.sign_in import any_token
from serving.errors import RoundsError
from serving.settings import Settings
from serving.store import Store


class NotSafeToStart(RoundsError):
    """The settings would put patient text within reach of people who are not let in."""


def is_loopback(host: str) -> bool:
    """Tell whether a host to bind to is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(settings: Settings, store: Store) -> None:
    """Raise NotSafeToStart when the app would be reachable by others without being prepared.

    Beyond loopback the admin must say so, say under which names people reach it (or a foreign
    page could speak to it under its own name), and have given someone a way in.
    """
    if is_loopback(settings.host):
        return
    missing = []
    if not settings.allow_remote:
        missing.append("set ROUNDS_ALLOW_REMOTE=true to say that this is meant")
    if not settings.allowed_hosts:
        missing.append(
            'set ROUNDS_ALLOWED_HOSTS to the names people use, such as ["rounds.example.org"]'
        )
    if not any_token(store):
        missing.append("make an API token with `rounds token create NAME`")
    if missing:
        raise NotSafeToStart(
            f"ROUNDS_HOST is {settings.host}, which others can reach, so Rounds does not start "
            f"yet. To go on: {'; '.join(missing)}. Or leave ROUNDS_HOST at 127.0.0.1."
        )


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the Host headers that are answered, lower case, with the port where it shows."""
    names = list(settings.allowed_hosts)
    if is_loopback(settings.host):
        local = ("127.0.0.1", "localhost", "[::1]")
        names += [f"{name}:{settings.port}" for name in local]
        if settings.port == 80:  # browsers leave the default port out
            names += local
    return frozenset(name.lower() for name in names)


def page_url(settings: Settings) -> str:
    """Return the address that people open: ours on loopback, else the first of the named hosts."""
    here = is_loopback(settings.host) or not settings.allowed_hosts
    name = f"{settings.host}:{settings.port}" if here else settings.allowed_hosts[0]
    return f"http://{name}"
