"""What is kept of a reply names nobody."""

import pytest

from identity.mail.outcomes import MAX_CHARACTERS, mask_reply

TO = "camille.durand@ac-rouen.example"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"5.1.1 <{TO}>: unknown", "550 5.1.1 <…@…>: unknown"),
        ("5.1.1 Camille.Durand does not exist", "550 5.1.1 … does not exist"),
        ("who is other@x.example?", "550 who is …@…"),
        ("2.0.0 queued as 4F2A9913B", "550 2.0.0 queued as 4F2A9913B"),
        ("spam: 482 913 est votre code", "550 spam: … est votre code"),
        ("spam: 482\u00a0913", "550 spam: …"),
        ("spam: 482913.", "550 spam: …."),
        ("bad https://g.example/v/Zm9yZ2V0IGFib3V0IHRo.x", "550 bad https://g.example/v/…"),
        ("see https://support.example/mail?p=1", "550 see https://support.example/mail?p=1"),
        ("two\nlines\r\n\x00here\x1b[1m", "550 two lines here [1m"),
    ],
)
def test_a_reply_loses_address_code_and_link(said, kept):
    assert mask_reply(550, said, to=TO) == kept


def test_a_reply_that_names_the_mailbox_without_the_tag_names_nobody():
    said = mask_reply(
        550, "5.1.1 no Ana.Durand here, nor ana.durand+x", to="ana.durand+x@a.example"
    )
    assert "durand" not in said.lower()


def test_a_reply_is_short():
    assert len(mask_reply(550, "so " * 1000, to=TO)) <= MAX_CHARACTERS + 10


def test_without_a_code_there_are_only_words():
    assert mask_reply(0, "hung up", to="") == "hung up"
