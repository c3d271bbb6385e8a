"""A password is judged by how long it would hold, and against the person's own data."""

import pytest

from identity.passwords import Reason, judge

CAMILLE = (
    "Camille Durand [Rouen]",
    "camille.durand@ac-rouen.example",
    "Éducation nationale – Rouen",
)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", Reason.TOO_SHORT),
        ("x" * 513, Reason.TOO_LONG),
        ("Durand-et-fils-1972", Reason.PERSONAL),
        ("vive-ÉDUCATION-9481", Reason.PERSONAL),
        ("camille", Reason.TOO_SHORT),
        ("aaaaaaaaaaaaaaaa", Reason.EASY),
        ("password1234", Reason.EASY),
        ("azertyuiop123", Reason.EASY),
        ("correct horse battery staple", None),
        ("wq8-Tk2 mP0_zz", None),
        ("x9" * 256, Reason.EASY),
    ],
)
def test_a_password_is_refused_for_its_reason_or_taken(password, reason):
    verdict = judge(password, about=CAMILLE)
    assert verdict.reason is reason
    assert verdict.ok is (reason is None)


def test_a_password_with_the_persons_name_is_fine_for_somebody_else():
    assert judge("Durand-et-fils-1972", about=("Lea Petit", "lea.petit@asso.example")).ok
