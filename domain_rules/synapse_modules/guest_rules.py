"""Guests answer; they do not start."""

from typing import Any

from .configuration import Config
from .knowledge import Knowledge
from .refusals import Refusals


class Part:
    """The deeds of one person."""

    def __init__(self, config: Config, api: Any, knowledge: Knowledge, refusals: Refusals) -> None:
        self.config = config
        self.api = api
        self.knowledge = knowledge
        self.refusals = refusals
