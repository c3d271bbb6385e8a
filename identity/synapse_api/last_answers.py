"""What the feeds last said, for modules that ask while the database is away."""

import json
from dataclasses import dataclass, field

from domain_rules import wire_format

from .sync import Answer


@dataclass
class LastAnswers:
    """The last answers of one process. Nothing changes while the database is away."""

    rules: dict[str, Answer] = field(default_factory=dict)
    """By homeserver."""
    _agents: tuple[str, int, str] | None = None  # epoch, number, tag

    def keep_agents(self, epoch: str, answer: Answer) -> None:
        """Remember up to where the agents are known."""
        self._agents = epoch, answer.number, answer.tag

    def no_news_of_agents(self, since: int) -> Answer | None:
        """The answer for a module that has all agents this process knew of; None for others."""
        if self._agents is None:
            return None
        epoch, number, tag = self._agents
        if since != number:
            return None
        facts = {"version": wire_format.VERSION, "epoch": epoch, "number": number}
        facts |= {"added": [], "removed": [], "complete": False}
        return Answer(json.dumps(facts).encode(), number, tag)
