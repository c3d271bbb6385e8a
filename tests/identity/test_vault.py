"""What is kept for others is unreadable without the keys, and outlives their rotation."""

import pytest
from pydantic import SecretStr

from identity.vault import CannotOpen, Vault

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
