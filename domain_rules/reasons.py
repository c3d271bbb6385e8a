"""Why a line of a file of rules is refused: a sentence in English, with a code for other languages."""

from collections.abc import Mapping

REASONS = {
    "unknown_key": "unknown key; known are {known}",
    "no_text": "{key} must be a text; put it in quotes",
    "zero_in_text": "{key} must not contain the character 0",
    "no_flag": "{key} must be true or false",
    "unknown_word": "{key} must be one of {known}",
    "no_moment": "{key} must be a date or a time, for example 2027-01-31T08:00:00Z",
    "no_texts": "{key} must be a list of texts",
    "no_list": "{key} must be a list",
    "no_mapping": "each of {key} must be a mapping",
    "no_federation": "the file must hold homeservers: and rules:",
    "homeserver_twice": "this homeserver stands on line {line}",
    "rule_twice": "line {line} has another rule for the same",
    "rule_twice_of_all_times": "line {line} has a rule for the same; only one can be kept",
    "pattern_in_list": "Write {domain} and import it as a suffix: there are no patterns.",
    "url_in_list": "This is a web address; the domain alone is wanted.",
    "address_in_list": "This is an address; the list takes domains only.",
    "unknown_column": "unknown column; known are {known}",
    "wrong_header": "kind and pattern must stand there, and no column twice",
    "too_many_fields": "{n} fields, and the header has {all}",
    "no_csv": "not CSV from here on: {error}",
    "no_server_name": "name must be a server name, for example agents.example.org",
    "no_url": "url is missing",
    "wrong_url": "{key} must begin with https:// or http://",
    "own_sibling": "a domain cannot be its own sibling",
    "unknown_homeserver": "there is no homeserver of this name",
    "unknown_homeserver_near": "there is no homeserver of this name; close to it: {near}",
    "default_for_agents": "the default rule is for guests: it would make everybody an agent",
    "accented_agent": "an agent's address has unaccented letters only",
    "no_pattern": "give exactly one of address, domain, suffix, default",
    "no_default": "write default: true, or leave the rule out",
    "wrong_signs": "extra_signs must be some of {known}",
    "two_places": "{rule}: give a homeserver or sibling_of, one of the two",
    "protected_sibling": "{rule}: a sibling has no protected homeserver",
    "pattern_missing": "{rule}: every rule but the default has a pattern",
    "default_sibling": "{rule}: the default cannot be a sibling",
    "ends_first": "{rule}: it ends before it begins",
    "signs_out_of_order": "{rule}: extra_signs are some of {known}, in this order",
    "too_many_rules": "from here on nothing is read: more than {most} rules",
    "homeserver_to_add": (
        "there is no homeserver of this name, {n} lines are not taken; "
        "add it first (guichet homeserver add)"
    ),
    "homeserver_to_add_one": (
        "there is no homeserver of this name, 1 line is not taken; "
        "add it first (guichet homeserver add)"
    ),
    "homeserver_to_add_near": (
        "there is no homeserver of this name, {n} lines are not taken; "
        "add it first (guichet homeserver add); close to it: {near}"
    ),
    "homeserver_to_add_one_near": (
        "there is no homeserver of this name, 1 line is not taken; "
        "add it first (guichet homeserver add); close to it: {near}"
    ),
    "no_medium": "there must be medium: email: patterns: in it",
    "wrong_entries": "entries must be a mapping of addresses",
    "wrong_patterns": "patterns must be a list, in the order they are tried",
    "wrong_pattern": "a pattern is written - regex: {{hs: homeserver}}",
    "no_quotes": "this must be a text; put it in quotes",
    "not_understood": "not understood: {what}",
    "no_answer": "nothing stands behind it; {{hs: homeserver}} is wanted",
    "no_hs": "hs, its homeserver, is missing",
}
"""The English sentences, by code."""


class Reason(str):
    """A sentence in English, a text like any other, with its code and the values in it."""

    __slots__ = ("code", "values")

    code: str
    values: Mapping[str, str | int]


def reason(code: str, /, **values: str | int) -> Reason:
    """The reason of this code."""
    return named(REASONS[code].format(**values), code, **values)


def named(sentence: str, code: str, /, **values: str | int) -> Reason:
    """A sentence that stands elsewhere, as the reason of this code."""
    made = Reason(sentence)
    made.code, made.values = code, values
    return made
