"""The hook itself: standard library only, since every Python child of the tests loads it."""

import errno
import os
import sys

LOG = "ROUNDS_NETGUARD_LOG"
_INSTALLED = "_rounds_netguard_installed"
_CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def is_local(host: object) -> bool:
    """Tell whether a host, by name or address, stays on this machine."""
    import ipaddress
    import socket

    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host is None or host in ("", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _hook(event: str, args: tuple) -> None:
    if event in _CONNECTS:
        import socket

        sock, address = args
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not address:
            return
        host = address[0]
    elif event in _LOOKUPS:
        host = address = args[0]
    else:
        return
    if is_local(host):
        return
    _record(event, address)
    raise OSError(errno.ENETUNREACH, f"refused by the tests' network guard: {event}")


def _record(event: str, address: object) -> None:
    import json
    import traceback

    row = {
        "event": event,
        "address": repr(address),
        "process": f"{os.getpid()} {getattr(sys, 'orig_argv', [])[:4]}",
        "stack": traceback.format_stack()[:-2],
    }
    if log := os.environ.get(LOG):
        with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123 - keep imports few
            file.write(json.dumps(row) + "\n")


def install() -> None:
    """Watch this process from now on (an audit hook cannot be taken out again)."""
    if not hasattr(sys, _INSTALLED):
        setattr(sys, _INSTALLED, True)
        sys.addaudithook(_hook)
