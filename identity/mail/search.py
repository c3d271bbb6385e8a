"""Searches mails by what is known of them, newest first, page by page; each search has its index."""

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from identity.core import paging
from identity.core.address_domains import domain_of
from identity.core.paging import Page

from .models import Mail, MailState
from .quota import Template


@dataclass(frozen=True)
class MailFilter:
    """What to look for; None matches everything. `domain`: of the address, in A-labels."""

    state: MailState | None = None
    template: Template | None = None
    domain: str | None = None
    outcome: str | None = None


def find(
    session: Session,
    wanted: MailFilter,
    *,
    within: ColumnElement[bool] | None = None,
    after: str | None = None,
    limit: int = paging.LIMIT,
) -> Page[Mail]:
    """A page of these mails. `within`: what the reader may see. Raises WrongParameter."""
    asked = (
        (Mail.state, wanted.state),
        (Mail.template, wanted.template),
        (domain_of(Mail.address), wanted.domain),
        (Mail.outcome, wanted.outcome),
    )
    conditions = [column == value for column, value in asked if value is not None]
    query = select(Mail).where(*conditions, true() if within is None else within)
    return paging.find_page(session, query, (Mail.created_at, Mail.id), after=after, limit=limit)


def find_within(session: Session, mail_id: uuid.UUID, within: ColumnElement[bool]) -> Mail | None:
    """The mail, if the reader may see it."""
    return session.scalar(select(Mail).where(Mail.id == mail_id, within))
