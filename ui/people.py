"""Who is at the page, and what their role allows."""

import asyncio
from typing import TYPE_CHECKING

import gradio as gr

from serving.accounts.binding import is_loopback
from serving.errors import NotAllowed
from serving.store.records import Account, Role

if TYPE_CHECKING:
    from serving.workbench import Workbench


async def account(request: gr.Request, workbench: "Workbench", *roles: Role) -> Account:
    """Return who asks; with roles, only if one of them is theirs.

    On loopback the admin, who is the person at this machine, may do everything.
    Raises NotAllowed for strangers and other roles.
    """
    name = request.username or ""
    person = await asyncio.to_thread(workbench.store.accounts.by_name, name)
    if person is None:
        raise NotAllowed("You are not signed in any more. Open a new sign-in link.")
    alone = person.role == "admin" and is_loopback(workbench.settings.host)
    if roles and person.role not in roles and not alone:
        raise NotAllowed(f"This needs the role {' or '.join(roles)}; yours is {person.role}.")
    return person


def page_id(request: gr.Request) -> str:
    """Return what tells this open page from others of the same person."""
    return f"{request.username}:{request.session_hash}"
