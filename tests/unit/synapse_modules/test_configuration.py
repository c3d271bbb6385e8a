"""The block in homeserver.yaml: a fault stops Synapse at start and names the key."""

import pytest

from domain_rules.synapse_modules.configuration import (
    ClassSource,
    Config,
    FaultyConfiguration,
    Mode,
    Parts,
    SoftFail,
)

LEAST = {"guichet_url": "https://guichet.example", "credential": "secret"}


def test_the_address_and_the_credential_are_enough():
    config = Config.parse(LEAST)
    assert config == Config(guichet_url="https://guichet.example", credential="secret")
    assert config.mode is Mode.ENFORCE
    assert config.soft_fail is SoftFail.LOG
    assert config.parts == Parts()
    assert config.poll_seconds == 20


def test_everything_can_be_said(authority):
    config = Config.parse(
        {
            "guichet_url": "https://guichet.example/",
            "credential": "secret",
            "identity_server": ["is.example:8090"],
            "ca_file": str(authority.ca_file),
            "poll_seconds": 5,
            "mode": "log",
            "exempt": ["@bot:agents.example"],
            "parts": {"desk": False},
            "soft_fail": "on",
            "class_source": "by_person",
        }
    )
    assert config.guichet_url == "https://guichet.example"
    assert config.identity_servers == {"is.example:8090"}
    assert config.ca_file == authority.ca_file
    assert config.poll_seconds == 5
    assert config.mode is Mode.LOG
    assert config.exempt == {"@bot:agents.example"}
    assert config.parts == Parts(desk=False)
    assert config.soft_fail is SoftFail.ON
    assert config.class_source is ClassSource.BY_PERSON


def test_the_credential_may_stand_in_a_file_and_is_never_shown(tmp_path):
    path = tmp_path / "credential"
    path.write_text("very secret\n")
    config = Config.parse({"guichet_url": "https://guichet.example", "credential_file": str(path)})
    assert config.credential == "very secret"
    assert "secret" not in repr(config)


def test_on_and_off_as_yaml_reads_them():
    assert Config.parse({**LEAST, "soft_fail": False}).soft_fail is SoftFail.OFF
    assert Config.parse({**LEAST, "soft_fail": True}).soft_fail is SoftFail.ON


@pytest.mark.parametrize(
    ("key", "block"),
    [
        ("config", None),
        ("config", []),
        ("guichet_url", {}),
        ("guichet_url", {**LEAST, "guichet_url": ""}),
        ("guichet_url", {**LEAST, "guichet_url": 3}),
        ("guichet_url", {**LEAST, "guichet_url": "guichet.example"}),
        ("guichet_url", {**LEAST, "guichet_url": "http://guichet.example"}),
        ("guichet_url", {**LEAST, "guichet_url": "https://guichet.example?a=b"}),
        ("credential", {"guichet_url": "https://guichet.example"}),
        ("credential", {**LEAST, "credential": ""}),
        ("credential", {**LEAST, "credential_file": "/run/credential"}),
        ("credential_file", {"guichet_url": "https://g.example", "credential_file": "/nowhere"}),
        ("credential_file", {"guichet_url": "https://g.example", "credential_file": "/dev/null"}),
        ("identity_server", {**LEAST, "identity_server": "is.example"}),
        ("identity_server", {**LEAST, "identity_server": [3]}),
        ("ca_file", {**LEAST, "ca_file": "/nowhere"}),
        ("ca_file", {**LEAST, "ca_file": "/etc/hostname"}),
        ("poll_seconds", {**LEAST, "poll_seconds": 0}),
        ("poll_seconds", {**LEAST, "poll_seconds": True}),
        ("poll_seconds", {**LEAST, "poll_seconds": "20"}),
        ("mode", {**LEAST, "mode": "observe"}),
        ("mode", {**LEAST, "mode": ["log"]}),
        ("exempt", {**LEAST, "exempt": ["bot"]}),
        ("exempt", {**LEAST, "exempt": {"@bot:x": True}}),
        ("parts", {**LEAST, "parts": ["desk"]}),
        ("parts.desks", {**LEAST, "parts": {"desks": True}}),
        ("parts.desk", {**LEAST, "parts": {"desk": "yes"}}),
        ("soft_fail", {**LEAST, "soft_fail": "maybe"}),
        ("class_source", {**LEAST, "class_source": "person"}),
        ("guichet_uri", {**LEAST, "guichet_uri": "https://guichet.example"}),
    ],
)
def test_a_fault_names_its_key(key, block):
    with pytest.raises(FaultyConfiguration) as fault:
        Config.parse(block)
    assert fault.value.key == key
    assert str(fault.value).startswith(f"{key}: ")
