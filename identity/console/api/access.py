"""`/operators` and `/tokens`: who comes in. They are made and changed in the console alone."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import paging
from identity.operators import models, views
from identity.operators.models import AdminToken, Operator
from identity.operators.roles import Deed

from . import frame


@frame.reads("/operators", Deed.SEE_ACCESS)
def list_operators(session: Session) -> dict[str, Any]:
    """The operators by name, disabled ones too."""
    page = paging.find_page(
        session, select(Operator), [Operator.name], descending=False, **frame.asked_page()
    )
    return frame.listed(page, views.describe_operator)


@frame.reads("/tokens", Deed.SEE_ACCESS)
def list_tokens(session: Session) -> dict[str, Any]:
    """The API tokens, newest first, also those that ended."""
    keys = [AdminToken.created_at, AdminToken.id]
    page = paging.find_page(session, select(AdminToken), keys, **frame.asked_page())
    makers = {each.id: each.name for each in models.find_all(session)}
    return frame.listed(page, lambda row: views.describe_token(row, makers[row.operator_id]))


frame.in_console("/operators", "add_operator", Deed.MANAGE_ACCESS, "/admin/access")
frame.in_console("/tokens", "add_token", Deed.MANAGE_ACCESS, "/admin/access")
