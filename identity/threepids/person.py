"""What the Identity Service API stores of a person: associations, clients' tokens, validations."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, select

from identity.core.one_time_codes import person as codes
from identity.core.personal_data import Erasure, Person, Record, View, happened
from identity.core.story import Events, events

from .account_models import AcceptedTerms, AccessToken, EndedAccount
from .associations import Association, has_address
from .validation_sessions import ValidationSession


def records_of(view: View) -> Iterator[Record]:
    """Associations, tokens (dates only), accepted terms, validation sessions and their codes."""
    person, session = view.person, view.session
    bound = select(Association).where(_is_bound(person)).order_by(Association.bound_at)
    for each in session.scalars(bound):
        yield Record(
            "associations",
            {"address": each.address, "user_id": each.user_id, "since": each.bound_at},
            happened((each.bound_at, f"{each.address} associated with {each.user_id}")),
        )
    mine = AccessToken.user_id.in_(person.user_ids)
    for token in session.scalars(select(AccessToken).where(mine).order_by(AccessToken.created_at)):
        yield Record(
            "tokens_of_matrix_clients",
            {
                "user_id": token.user_id,
                "since": token.created_at,
                "last_used_at": token.last_used_at,
            },
            happened((token.created_at, f"{token.user_id}: a Matrix client signed in here")),
        )
    terms = select(AcceptedTerms).where(AcceptedTerms.user_id.in_(person.user_ids))
    for accepted in session.scalars(terms.order_by(AcceptedTerms.accepted_at, AcceptedTerms.url)):
        yield Record(
            "accepted_terms",
            {"user_id": accepted.user_id, "url": accepted.url, "at": accepted.accepted_at},
            happened((accepted.accepted_at, f"{accepted.user_id} accepted {accepted.url}")),
        )
    ended = select(EndedAccount).where(EndedAccount.user_id.in_(person.user_ids))
    for end in session.scalars(ended):
        yield Record(
            "ended_accounts",
            {"user_id": end.user_id, "at": end.ended_at},
            happened((end.ended_at, f"{end.user_id} ended")),
        )
    yield from _validations(view)


def events_of(view: View) -> Iterator[Events]:
    """Associations, Matrix clients that signed in, terms, validations, ends, and codes."""
    person = view.person
    bound, token = Association, AccessToken
    yield events("address-bound", bound.bound_at, bound.address, _is_bound(person))
    mine = token.user_id.in_(person.user_ids)
    # A token's hash is nobody's business, not even as the name of an event.
    yield events("client-signed_in", token.created_at, token.created_at, mine)
    terms = AcceptedTerms.user_id.in_(person.user_ids)
    yield events(
        *("client-terms", AcceptedTerms.accepted_at, AcceptedTerms.url, terms),
        detail=AcceptedTerms.url,
    )
    asked = ValidationSession
    about = _is_about(person)
    yield events("client-asked", asked.created_at, asked.id, about, detail=asked.device)
    yield events("client-verified", asked.validated_at, asked.id, about, detail=asked.device)
    ended = EndedAccount.user_id.in_(person.user_ids)
    yield events("account-ended", EndedAccount.ended_at, EndedAccount.user_id, ended)
    yield from codes.events_of(person.addresses)


def erase(erasure: Erasure) -> None:
    """Delete all of it. Lookup hashes go with their association, codes with their session."""
    person, session = erasure.person, erasure.session
    sids = [
        each.hex for each in session.scalars(select(ValidationSession.id).where(_is_about(person)))
    ]
    codes.erase(erasure, [*person.addresses, *sids])
    erasure.delete("associations", Association, _is_bound(person))
    erasure.delete("validation_sessions", ValidationSession, _is_about(person))
    mine = person.user_ids
    erasure.delete("tokens_of_matrix_clients", AccessToken, AccessToken.user_id.in_(mine))
    erasure.delete("accepted_terms", AcceptedTerms, AcceptedTerms.user_id.in_(mine))
    erasure.delete("ended_accounts", EndedAccount, EndedAccount.user_id.in_(mine))


def _validations(view: View) -> Iterator[Record]:
    found = select(ValidationSession).where(_is_about(view.person))
    opened = view.session.scalars(found.order_by(ValidationSession.created_at)).all()
    for each in opened:
        yield Record(
            "validation_sessions",
            {
                "address": each.address,
                "user_id": each.user_id,
                "client": each.device,
                "since": each.created_at,
                "last_asked_at": each.asked_at,
                "validated_at": each.validated_at,
            },
            happened(
                (each.created_at, f"{each.user_id} asked in a Matrix client to verify it"),
                (each.validated_at, f"verified for {each.user_id} in a Matrix client"),
            ),
        )
    yield from codes.records_of(view, [*view.person.addresses, *(each.sid for each in opened)])


def _is_bound(person: Person) -> ColumnElement[bool]:
    return has_address(person.addresses) | Association.user_id.in_(person.user_ids)


def _is_about(person: Person) -> ColumnElement[bool]:
    return person.is_in(ValidationSession.address, ValidationSession.user_id)
