"""`/operators` and `/tokens`: who comes in. They are made and changed in the console alone."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import paging
from identity.operators import access_views as views
from identity.operators.models import AdminToken, Operator
from identity.operators.roles import Deed
from identity.web.request_context import services

from . import frame


@frame.reads("/operators", Deed.SEE_ACCESS, *frame.PAGED)
def list_operators(session: Session) -> dict[str, Any]:
    """The operators by name, disabled ones too; their addresses are masked."""
    page = paging.find_page(
        session, select(Operator), [Operator.name], descending=False, **frame.asked_page()
    )
    shown = views.operators_told(session, services.now(), masked=True, found=page.items)
    return {"items": shown, "next": page.following}


@frame.reads("/tokens", Deed.SEE_ACCESS, *frame.PAGED)
def list_tokens(session: Session) -> dict[str, Any]:
    """The API tokens, newest first, also those that ended."""
    keys = [AdminToken.created_at, AdminToken.id]
    page = paging.find_page(session, select(AdminToken), keys, **frame.asked_page())
    shown = views.tokens_told(session, services.now(), page.items)
    return {"items": shown, "next": page.following}


frame.in_console("/operators", "add_operator", Deed.MANAGE_ACCESS, "/admin/access")
frame.in_console("/tokens", "add_token", Deed.MANAGE_ACCESS, "/admin/access")
