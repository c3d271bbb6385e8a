"""Programs that call at the same time: one key is one deed, one version is one edit."""

from concurrent.futures import ThreadPoolExecutor

from identity.core import journal
from identity.operators.roles import Role
from tests.worlds.admin_api import *

CALLERS = 4


def at_once(call):
    with ThreadPoolExecutor(CALLERS) as pool:
        return [each.result() for each in [pool.submit(call) for _ in range(CALLERS)]]


def test_the_same_call_at_once_is_done_once_and_all_get_its_answer(program, services):
    caller = program(Role.EDITOR)
    caller.get("/freezes")  # its use is recorded
    answers = at_once(
        lambda: Program(caller.client.application, caller.token).post(
            "/changes", {"title": "at once"}, Idempotency_Key="one"
        )
    )
    assert [each.status_code for each in answers] == [201] * CALLERS
    assert len({each.data for each in answers}) == 1
    assert sum("Idempotent-Replayed" in each.headers for each in answers) == CALLERS - 1
    with services.database.reading() as session:
        assert len(list(journal.find_by_action(session, "change.make"))) == 1


def test_of_edits_of_one_version_at_once_one_is_made(program):
    caller = program(Role.EDITOR)
    made = caller.post("/changes", {"title": "at once"})
    answers = at_once(
        lambda: Program(caller.client.application, caller.token).open(
            "PATCH", "/changes/1", {"title": "another"}, If_Match=made.headers["ETag"]
        )
    )
    assert sorted(each.status_code for each in answers) == [200] + [412] * (CALLERS - 1)
    assert caller.get("/changes/1").json["version"] == 2
