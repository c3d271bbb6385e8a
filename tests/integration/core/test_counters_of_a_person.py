"""Counters in Redis that lead to an erased person are deleted, and those of others stay."""

from datetime import UTC, datetime

import pytest
from redis import Redis

from domain_rules.addresses import EmailAddress
from identity.core.rate_limits import RateLimits
from identity.settings import Settings

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
ANA, AN = "@a*a[x]:x.example", "@abba:x.example"


@pytest.fixture
def limits(redis_url) -> RateLimits:
    return RateLimits(Settings(_env_file=None, redis_url=redis_url))


def keys(redis_url) -> set[str]:
    with Redis.from_url(redis_url) as client:
        return {key.decode() for key in client.scan_iter()}


def test_counters_of_a_person_are_deleted(limits, redis_url):
    for user_id in (ANA, AN):
        limits.spend_lookup(NOW, user_id, ["somebody@x.example"])
    for address in ("ana+1@x.example", "gil+1@x.example"):
        limits.spend_tag("203.0.113.7", EmailAddress.parse(address))
    before = keys(redis_url)
    assert limits.forget_person("ana@x.example", [ANA])
    gone = before - keys(redis_url)
    assert len([key for key in gone if ANA in key]) == 1
    assert len([key for key in gone if "tags" in key]) >= 1
    assert any(AN in key for key in keys(redis_url))
    assert any("tags" in key for key in keys(redis_url)), "those of Gil"


def test_without_redis_there_is_nothing_to_delete_and_one_that_is_away_is_said():
    assert RateLimits(Settings(_env_file=None)).forget_person("ana@x.example", [ANA])
    away = RateLimits(Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0"))
    assert not away.forget_person("ana@x.example", [ANA])
