"""Invitations as operators find them, extend and revoke them; and what a scope leaves of all things."""

from datetime import timedelta

from identity.freezes import models as freezes
from identity.invitations.models import State as InvitationState, ThirdPartyInvitation
from identity.operators.roles import Role, Scope
from tests.worlds.console import *
from tests.worlds.things import *
from tests.worlds.things import WHY, ZOE
from tests.worlds.visitors import words


def test_an_invitation_is_extended_and_revoked_and_its_people_are_masked(
    sign_in, sal, invite, stored, last_row, clock
):
    invitation_id = invite()
    browser = sign_in(sal)
    page = browser.get(f"/admin/invitations/{invitation_id}")
    assert "g•••@asso.example" in page.text
    assert "gil@" not in page.text
    assert ZOE not in page.text
    clock.advance(days=1)
    browser = sign_in(sal)
    browser.get(f"/admin/invitations/{invitation_id}")
    browser.post(f"/admin/invitations/{invitation_id}", change="extend", reason=WHY)
    assert stored(ThirdPartyInvitation, invitation_id).expires_at == clock() + timedelta(days=30)
    browser.post(f"/admin/invitations/{invitation_id}", change="revoke", reason=WHY)
    assert stored(ThirdPartyInvitation, invitation_id).state == InvitationState.REVOKED
    assert last_row().action == "invitation.revoke"


def test_several_are_revoked_from_an_exact_list(sign_in, sal, invite, stored):
    ticked, left = (
        [invite(room_id=f"!{n}:education.example") for n in range(3)],
        invite(room_id="!x:y"),
    )
    browser = sign_in(sal)
    browser.get("/admin/invitations")
    page = browser.post("/admin/invitations/several", id=list(map(str, ticked)), change="revoke")
    assert "Exactly these 3 invitations" in words(page)
    browser.post(
        "/admin/invitations/several/do", id=list(map(str, ticked)), change="revoke", reason=WHY
    )
    states = {stored(ThirdPartyInvitation, each).state for each in ticked}
    assert states == {InvitationState.REVOKED}
    assert stored(ThirdPartyInvitation, left).state == InvitationState.QUEUED
    empty = browser.post("/admin/invitations/several", change="revoke")
    assert "No invitation was ticked." in words(empty)


def test_invitations_of_one_inviter_and_one_room_are_found_without_naming_anybody(
    sign_in, vera, invite
):
    own = invite()
    invite(sender="@max:education.example", address="max@autre.example", room_id="!b:c")
    browser = sign_in(vera)
    like = browser.get(f"/admin/invitations?like={own}")
    assert ("asso.example" in like.text, "autre.example" in like.text) == (True, False)
    room = browser.get("/admin/invitations?room=!b:c")
    assert ("asso.example" in room.text, "autre.example" in room.text) == (False, True)
    server = browser.get("/admin/invitations?homeserver=guests.example")
    assert "Nothing like this." in words(server)


def test_outside_of_a_scope_nothing_is_found(
    sign_in, make_operator, order, invite, services, clock
):
    scoped = make_operator(
        "Rouen",
        Role.APPROVER,
        Role.SUPPORT,
        scope=Scope(homeservers=frozenset({"education.example"})),
    )
    inside, outside = order("lea@ac-rouen.example"), order("gil@asso.example")
    ours = invite(address="gil@asso.example")
    theirs = invite(sender="@max:guests.example", address="max@asso.example")
    browser = sign_in(scoped)
    statuses = {
        path: browser.get(path).status_code
        for path in (
            f"/admin/mails/{inside}",
            f"/admin/mails/{outside}",
            f"/admin/invitations/{ours}",
            f"/admin/invitations/{theirs}",
            "/admin/homeservers/education.example",
            "/admin/homeservers/guests.example",
        )
    }
    assert list(statuses.values()) == [200, 404, 200, 404, 200, 404]
    listed = browser.get("/admin/mails").text
    assert ("ac-rouen.example" in listed, "asso.example" in listed) == (True, False)
    assert "guests.example" not in browser.get("/admin/homeservers").text
    browser.get("/admin/incidents")
    for fields in ({"what": "sign-ups"}, {"what": "domain", "name": "asso.example"}):
        answer = browser.send(
            "/admin/incidents", **{"name": "", "hours": "1", "reason": WHY, **fields}
        )
        assert answer.status_code == 404
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="domain", name="ac-rouen.example", hours="1", reason=WHY)
    with services.database.reading() as session:
        found = freezes.find_in_force(session, clock()).each
    assert [each.domain for each in found] == ["ac-rouen.example"]
