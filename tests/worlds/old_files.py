"""Old files as the servers that are moved from have them, as values and not as text."""

from domain_rules.info_yaml.reading import InfoYamlReading, read_info_yaml

A = {"hs": "a.fake.server", "requires_invite": False}
P = {"hs": "p.fake.server", "shadow_hs": "public.p.fake.server", "requires_invite": False}
E = {"hs": "e.fake.server", "requires_invite": True}
WITHOUT_INVITE = {"hs": "e.fake.server", "requires_invite": False}
KNOWN = {
    "a.fake.server": False,
    "p.fake.server": False,
    "public.p.fake.server": False,
    "e.fake.server": True,
}


def read(*patterns: tuple[str, dict], entries: object = None, **options) -> InfoYamlReading:
    """A file of these patterns, the first of them on line 101."""
    document = {
        "platforms": [A, P, E],
        "medium": {
            "email": {"entries": entries, "patterns": [{one: two} for one, two in patterns]}
        },
    }
    lines = {
        ("medium", "email", "patterns", at, text): 101 + at for at, (text, _) in enumerate(patterns)
    }
    return read_info_yaml(document, lines, known_homeservers=KNOWN, **options)


def names(reading: InfoYamlReading) -> list[str]:
    return [rule.name for rule in reading.rules]
