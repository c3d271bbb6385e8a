"""Terms of service: policies with a version and a text for each language, from a YAML file."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from identity.settings import WrongSettings

VERSION = "version"
MAX_TERMS = 100_000  # characters
EXAMPLE = (
    'policies: {privacy: {version: "1.0", '
    "fr: {name: Confidentialité, url: https://example.org/fr}}}"
)


class WrongTerms(Exception):
    """The content of the file is not valid."""


@dataclass(frozen=True)
class Text:
    """The text of a policy in one language."""

    name: str
    url: str


@dataclass(frozen=True)
class Policy:
    """One policy. Accepting one of its texts accepts the policy."""

    version: str
    texts: Mapping[str, Text]

    @property
    def urls(self) -> set[str]:
        return {text.url for text in self.texts.values()}


@dataclass(frozen=True)
class Terms:
    """All policies by their ids. Without any, nothing has to be accepted."""

    policies: Mapping[str, Policy] = field(default_factory=dict)

    def are_accepted(self, urls: Collection[str]) -> bool:
        return all(policy.urls & set(urls) for policy in self.policies.values())

    @property
    def urls(self) -> set[str]:
        return {url for policy in self.policies.values() for url in policy.urls}

    def described(self) -> dict[str, Any]:
        """The policies as GET /terms of the Identity Service API answers them."""
        return {
            name: {VERSION: policy.version}
            | {lang: {"name": text.name, "url": text.url} for lang, text in policy.texts.items()}
            for name, policy in self.policies.items()
        }


def read_terms(path: Path | None) -> Terms:
    """The terms in a YAML file; no policies without a path. Raises WrongSettings."""
    if path is None:
        return Terms()
    try:
        content = yaml.safe_load(_read(path))
        return Terms(dict(_policies(content)))
    except OSError as error:
        raise WrongSettings(f"GUICHET_TERMS_FILE: {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, WrongTerms) as error:
        raise WrongSettings(f"GUICHET_TERMS_FILE: {path}: {error}; for example {EXAMPLE}") from None


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        text = file.read(MAX_TERMS + 1)
    if len(text) > MAX_TERMS:
        raise WrongTerms(f"it has more than {MAX_TERMS} characters: is it the right file?")
    return text


def _policies(content: object) -> Iterator[tuple[str, Policy]]:
    policies = content.get("policies") if isinstance(content, dict) else None
    if not isinstance(policies, dict):
        raise WrongTerms("there is no mapping named policies")
    for name, said in policies.items():
        if not isinstance(said, dict) or not isinstance(said.get(VERSION), str):
            raise WrongTerms(f"the policy {name} has no version between quotes")
        texts = {lang: _text(name, lang, text) for lang, text in said.items() if lang != VERSION}
        if not texts:
            raise WrongTerms(f"the policy {name} has no language")
        yield str(name), Policy(said[VERSION], texts)


def _text(name: str, language: object, said: object) -> Text:
    where = f"the policy {name} in {language!r}"
    if not isinstance(language, str):
        # YAML reads a bare `no` as false.
        raise WrongTerms(f"{where}: write the language between quotes")
    known = said if isinstance(said, dict) else {}
    title, url = known.get("name"), known.get("url")
    if not isinstance(title, str) or not isinstance(url, str):
        raise WrongTerms(f"{where} needs name and url")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise WrongTerms(f"{where}: the url must begin with https:// or http://")
    return Text(title, url)
