"""/admin/access: operators, what they may do, and help for those who cannot get in."""

import uuid
from collections.abc import Callable

from flask import Response, abort, request

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.homeservers import models as homeservers
from identity.operators import (
    access_views as views,
    helping,
    models as operators,
    service as operating,
)
from identity.operators.models import Source
from identity.operators.roles import Deed, Role, Scope
from identity.operators.service import Standing
from identity.problems import LastAdmin, NotYourOwn, OperatorExists, Problem, WrongOperator
from identity.translations import LANGUAGES
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator


@screen("/access", Deed.SEE_ACCESS)
def access() -> Response:
    """All operators and API tokens."""
    now = services.now()
    masked = not operator().may(Deed.MANAGE_ACCESS)
    with services.database.reading() as database:
        told = views.operators_told(database, now, masked=masked)
        tokens = views.tokens_told(database, now)
    return show("access", operators=told, tokens=tokens)


@screen("/access/invite", Deed.MANAGE_ACCESS)
def invite_form() -> Response:
    """Whom to invite, and what they may do."""
    return _invite_page()


@form("/access/invite", Deed.MANAGE_ACCESS)
def invite() -> Response:
    """Make an operator, and mail them a link."""
    try:
        mail = EmailAddress.parse(request.form.get("email", "")).canonical
        with services.database.transaction() as database:
            made = operating.add(
                database,
                services.now(),
                actor(typed_reason()),
                mail=mail,
                name=request.form.get("name", ""),
                language=_typed_language(),
                standing=typed_standing(),
            )
            operating.invite(database, services.now(), made)
    except InvalidAddress:
        return _invite_page([Fault("email", text("start.fault"))])
    except OperatorExists:
        return _invite_page([Fault("email", text("console.access.exists"))])
    except WrongOperator as error:
        return _invite_page([Fault("roles", str(error))])
    say("console.access.invited", name=made.name)
    return go_to("operator_page", operator_id=made.id)


@screen("/access/<uuid:operator_id>", Deed.SEE_ACCESS)
def operator_page(operator_id: uuid.UUID) -> Response:
    """One operator: what they may do, their sessions, and what can be done for them."""
    return _operator_page(operator_id)


@form("/access/<uuid:operator_id>/roles", Deed.MANAGE_ACCESS)
def change_roles(operator_id: uuid.UUID) -> Response:
    """Give them these roles and this scope; what was taken ends their sessions."""
    standing = typed_standing()
    return _do(
        operator_id,
        "console.access.changed",
        lambda database, now, who: operating.change(
            database, now, who, operator_id, standing, by=operator().operator_id
        ),
    )


@form("/access/<uuid:operator_id>/invite", Deed.MANAGE_ACCESS)
def invite_operator_again(operator_id: uuid.UUID) -> Response:
    """Mail them a new link; the earlier ones end."""
    return _do(
        operator_id,
        "console.access.invited",
        lambda database, now, who: helping.invite_again(database, now, who, operator_id),
    )


@form("/access/<uuid:operator_id>/disable", Deed.MANAGE_ACCESS)
def disable_operator(operator_id: uuid.UUID) -> Response:
    """Let them in no more."""
    return _do(
        operator_id,
        "console.access.disabled",
        lambda database, now, who: operating.disable(
            database, now, who, operator_id, by=operator().operator_id
        ),
    )


@form("/access/<uuid:operator_id>/enable", Deed.MANAGE_ACCESS)
def enable_operator(operator_id: uuid.UUID) -> Response:
    """Let them in again, with a new app."""
    return _do(
        operator_id,
        "console.access.enabled",
        lambda database, now, who: operating.enable(database, now, who, operator_id),
    )


@form("/access/<uuid:operator_id>/confirm", Deed.MANAGE_ACCESS)
def confirm_operator(operator_id: uuid.UUID) -> Response:
    """After a restore: they still belong here."""
    return _do(
        operator_id,
        "console.access.confirmed",
        lambda database, now, who: operating.confirm(database, now, who, operator_id),
    )


@form("/access/<uuid:operator_id>/reset-factor", Deed.MANAGE_ACCESS)
def reset_operator_factor(operator_id: uuid.UUID) -> Response:
    """They add an app anew at their next sign-in; all admins are mailed."""
    return _do(
        operator_id,
        "console.access.reset",
        lambda database, now, who: helping.reset_factor(
            database, now, who, operator_id, by=operator().operator_id
        ),
    )


@form("/access/<uuid:operator_id>/unlock", Deed.MANAGE_ACCESS)
def unlock_operator(operator_id: uuid.UUID) -> Response:
    """They may type a code again at once; all admins are mailed."""
    return _do(
        operator_id,
        "console.access.unlocked",
        lambda database, now, who: helping.unlock(database, now, who, operator_id),
    )


@form("/access/<uuid:operator_id>/end-sessions", Deed.MANAGE_ACCESS)
def end_operator_sessions(operator_id: uuid.UUID) -> Response:
    """Sign them out everywhere."""
    return _do(
        operator_id,
        "console.access.signed_out",
        lambda database, now, who: helping.end_sessions(database, now, who, operator_id),
    )


def typed_standing() -> Standing:
    """The roles and the scope of a form. Raises WrongOperator for a role that there is none of."""
    try:
        roles = frozenset(Role(each) for each in request.form.getlist("roles"))
    except ValueError:
        raise WrongOperator("there is no such role") from None
    named = request.form.get("organisations", "").splitlines()
    organisations = frozenset(filter(None, (" ".join(each.split()) for each in named)))
    return Standing(roles, Scope(organisations, frozenset(request.form.getlist("homeservers"))))


def _do(operator_id: uuid.UUID, done: str, deed: Callable[..., object]) -> Response:
    """Do it in one transaction, say so, and show the operator; or say there why not."""
    try:
        with services.database.transaction() as database:
            found = operators.find(database, operator_id)
            if found is None:
                abort(404)
            name = found.name
            deed(database, services.now(), actor(typed_reason()))
    except (LastAdmin, NotYourOwn, WrongOperator) as error:
        return _operator_page(operator_id, [Fault("deeds", _sentence(error))])
    say(done, name=name)
    return go_to("operator_page", operator_id=operator_id)


def _sentence(error: Problem) -> str:
    match error:
        case LastAdmin():
            return text("console.access.last_admin")
        case NotYourOwn():
            return text("console.access.own")
    return str(error)


def _typed_language() -> str:
    typed = request.form.get("language", "")
    return typed if typed in LANGUAGES else services.settings.default_locale


def _invite_page(faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as database:
        names = [each.name for each in homeservers.find_all(database)]
    return show(
        "access_invite",
        faults=faults or (),
        roles=list(Role),
        homeservers=names,
        languages=LANGUAGES,
        chosen=_typed(),
    )


def _operator_page(operator_id: uuid.UUID, faults: list[Fault] | None = None) -> Response:
    now, who = services.now(), operator()
    masked = not who.may(Deed.MANAGE_ACCESS)
    with services.database.reading() as database:
        found = operators.find(database, operator_id)
        if found is None:
            abort(404)
        told = views.operator_told(database, now, found, masked=masked)
        opened = views.sessions_told(database, now, operator_id)
        names = [each.name for each in homeservers.find_all(database)]
    return show(
        "access_operator",
        faults=faults or (),
        told=told,
        sessions=opened,
        roles=list(Role),
        homeservers=names,
        chosen=told if request.method == "GET" or "roles" not in request.form else _typed(),
        is_self=operator_id == who.operator_id,
        may_be_invited=found.mail is not None and found.signs_in_by_mail,
        has_mail=told["source"] != Source.EMBEDDED,
    )


def _typed() -> dict[str, list[str]]:
    return {
        "roles": request.form.getlist("roles"),
        "homeservers": request.form.getlist("homeservers"),
        "organisations": request.form.get("organisations", "").splitlines(),
    }
