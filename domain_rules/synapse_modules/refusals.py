"""Refuses actions: gives clients a reason with a sentence in French and English, and counts."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from prometheus_client import Counter

from domain_rules.enums import StrEnum

from .configuration import Language, Mode
from .sentences import SENTENCES, RefusalReason, Sentence
from .time_limits import Within, within

FORBIDDEN = 403
MAX_KEPT = 1000

logger = logging.getLogger(__name__)
refusal_counter = Counter(
    "guichet_refusals",
    "What was refused, or would have been where `mode` is log",
    ["reason", "mode"],
)
exemption_counter = Counter(
    "guichet_exemptions", "What only an exempt account was allowed", ["reason"]
)


@dataclass(frozen=True)
class SynapseTypes:
    """Objects of Synapse that refusals need.

    `not_spam` must be Synapse's own object: an equal one is taken for a refusal. `prune`: gives an
    event as a redaction leaves it, by its room version.
    """

    not_spam: Any
    forbidden: Any
    error_class: type[Exception]
    within: Within = within
    prune: Callable[[Any], Any] = lambda event: event

    @classmethod
    def of_synapse(cls) -> "SynapseTypes":
        """Imported here, so that everything else can be read and tested without Synapse."""
        from synapse.api.errors import Codes, SynapseError  # noqa: PLC0415  # see above
        from synapse.events.utils import prune_event  # noqa: PLC0415  # see above
        from synapse.module_api import NOT_SPAM  # noqa: PLC0415  # see above

        return cls(
            not_spam=NOT_SPAM,
            forbidden=Codes.FORBIDDEN,
            error_class=SynapseError,
            prune=prune_event,
        )


@dataclass(frozen=True)
class Refusal:
    """A refusal that was given, for the report. `is_enforced`: not only logged."""

    reason: str
    user_id: str
    at_ms: int
    is_enforced: bool


class Refusals:
    """Gives reasons, counts them, and keeps the latest until they are drained for the report."""

    def __init__(
        self,
        terms: SynapseTypes,
        now_ms: Callable[[], int],
        *,
        mode: Mode,
        language: Language = Language.FRENCH,
    ) -> None:
        self.terms = terms
        self._now_ms = now_ms
        self._mode = mode
        self._language = language
        self._sentences: dict[str, Sentence] = {
            word.value: said for word, said in SENTENCES.items()
        }
        self._kept: deque[Refusal] = deque(maxlen=MAX_KEPT)

    @property
    def is_log_only(self) -> bool:
        """Whether refusals are only counted and logged."""
        return self._mode is Mode.LOG

    @property
    def allowed(self) -> Any:
        """What a spam checker's callback returns for yes."""
        return self.terms.not_spam

    def add_sentences(self, sentences: Mapping[Any, Sentence]) -> None:
        """Add the reasons of a part, with their sentences."""
        self._sentences |= {str(word): said for word, said in sentences.items()}

    def refuse(self, reason: StrEnum, user_id: str) -> Any:
        """For callbacks that return: `(code, fields)`; yes in log mode."""
        self.record(reason, user_id)
        return self.allowed if self.is_log_only else (self.terms.forbidden, self.fields(reason))

    def refuse_by_raising(self, reason: StrEnum, user_id: str, *, status: int = FORBIDDEN) -> None:
        """For callbacks that raise. Returns in log mode."""
        self.record(reason, user_id)
        if not self.is_log_only:
            raise self.error(reason, status=status)

    def error(self, reason: StrEnum, *, status: int = FORBIDDEN) -> Exception:
        """Synapse's own exception, which reaches the client as it is."""
        fields = self.fields(reason)
        error: Any = self.terms.error_class(status, fields["error"], self.terms.forbidden, fields)
        error.reason_of_guichet = reason
        return cast("Exception", error)

    def is_ours(self, error: Exception) -> bool:
        """Whether the exception is a refusal made here, and not Synapse's own."""
        return hasattr(error, "reason_of_guichet")

    def fields(self, reason: StrEnum) -> dict[str, Any]:
        """What the client gets beside the code.

        Clients show `error`: it replaces Synapse's sentence. Synapse does not tell modules the
        language of a request, so it is the configured one.
        """
        said = self._sentences.get(reason.value) or SENTENCES[RefusalReason.NOT_ALLOWED]
        return {
            "error": said.french if self._language is Language.FRENCH else said.english,
            "org.guichet.reason": reason.value,
            "org.guichet.message": {"fr": said.french, "en": said.english},
        }

    def record(self, reason: StrEnum, user_id: str) -> None:
        """Count and keep a refusal without answering."""
        done = "refused" if not self.is_log_only else "would refuse"
        logger.info("%s %s: %s", done, user_id, reason.value)
        refusal_counter.labels(reason.value, self._mode.value).inc()
        self._kept.append(Refusal(reason.value, user_id, self._now_ms(), not self.is_log_only))

    def record_exemption(self, reason: StrEnum, user_id: str) -> None:
        """Count what an exempt account did and its class would not allow."""
        logger.warning("%s is exempt, would otherwise be refused: %s", user_id, reason.value)
        exemption_counter.labels(reason.value).inc()

    def drain(self) -> list[Refusal]:
        """The refusals since the last call, oldest first."""
        kept = list(self._kept)
        self._kept.clear()
        return kept
