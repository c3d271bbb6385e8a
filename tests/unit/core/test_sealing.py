"""What is kept for others is unreadable without the keys, and outlives their rotation."""

import pytest
from pydantic import SecretStr

from identity.core.sealing import CannotOpen, PrivateHalves, PublicHalf, Vault, key_id_of, new_pair

OLD, NEW = SecretStr("old storage key"), SecretStr("new storage key")


def test_what_is_sealed_is_opened_by_any_key_of_the_list():
    sealed = Vault([OLD]).seal("syt_admin_token")
    assert "syt_admin_token" not in sealed
    assert Vault([OLD, NEW]).open(sealed).get_secret_value() == "syt_admin_token"


def test_without_its_key_nothing_is_opened():
    with pytest.raises(CannotOpen):
        Vault([NEW]).open(Vault([OLD]).seal("syt_admin_token"))
    with pytest.raises(ValueError, match="storage key"):
        Vault([])


def test_what_is_sealed_to_a_pair_is_opened_by_its_private_half_alone():
    (private, public), (other, _) = new_pair(), new_pair()
    box = public.seal("syt_admin_token", about=["a.example", "token"])
    assert "syt_admin_token" not in box
    assert PrivateHalves([private]).open(box, about=["a.example", "token"]) == SecretStr(
        "syt_admin_token"
    )
    with pytest.raises(CannotOpen):
        PrivateHalves([other]).open(box, about=["a.example", "token"])
    with pytest.raises(CannotOpen):
        Vault([OLD]).open(box)


@pytest.mark.parametrize(
    "about", [[], ["a.example"], ["b.example", "token"], ["token", "a.example"]]
)
def test_what_is_sealed_about_one_thing_is_not_opened_about_another(about):
    private, public = new_pair()
    box = public.seal("secret", about=["a.example", "token"])
    with pytest.raises(CannotOpen):
        PrivateHalves([private]).open(box, about=about)


@pytest.mark.parametrize(
    "spoilt", ["", "box1", "box1.x.y", "box1..", "gAAAA", "box1.{id}.AAAA", "{box}A"]
)
def test_what_is_no_box_is_not_opened(spoilt):
    private, public = new_pair()
    box = public.seal("secret", about=[])
    with pytest.raises(CannotOpen):
        PrivateHalves([private]).open(spoilt.format(id=public.key_id, box=box), about=[])


def test_a_box_does_not_tell_how_long_the_password_in_it_is():
    _, public = new_pair()
    lengths = {len(public.seal("x" * size, about=["p"])) for size in range(12, 72)}
    assert len(lengths) == 1


def test_any_pair_of_the_list_opens_and_the_newest_seals():
    (old, old_public), (new, new_public) = new_pair(), new_pair()
    both = PrivateHalves([old, new])
    assert both.newest.text == new_public.text
    for public in (old_public, new_public):
        assert both.open(public.seal("é" * 600, about=["x"]), about=["x"]) == SecretStr("é" * 600)
    assert key_id_of(old_public.seal("x", about=[])) == old_public.key_id != new_public.key_id


def test_the_halves_of_a_pair_are_told_apart():
    private, public = new_pair()
    with pytest.raises(ValueError, match="hs-public-") as caught:
        PublicHalf(private.get_secret_value())
    assert private.get_secret_value() not in str(caught.value)
    for wrong in (public.text, "", "hs-private-", "hs-private-short", "a long random string"):
        with pytest.raises(ValueError, match="hs-private-"):
            PrivateHalves([SecretStr(wrong)])
    with pytest.raises(ValueError, match="private half"):
        PrivateHalves([])
