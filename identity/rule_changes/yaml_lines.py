"""Loading untrusted YAML as plain values with line numbers, for domain_rules.reading.

Tags that make objects, duplicate keys, deep nesting and aliases that multiply the content are
refused. A merged mapping (`<<: *alias`) does not override keys of the mapping itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from domain_rules.located import Path

MAX_REPEATED = 10_000  # values that aliases may add to a short file
MAX_REPEATED_EVER = 1_000_000  # to any file
CHARACTERS_A_VALUE = 4  # of a long file: a line of 30 characters ending with *alias adds about 5
MAX_DEPTH = 20  # levels; our own files have four
LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
PLAIN = {"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}
MERGE = "tag:yaml.org,2002:merge"
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
MAX_DIGITS = 40  # characters of a number: reading one takes time with the square of its length


class UnreadableYaml(ValueError):
    """The file is not valid YAML, or contains what is refused here. The message has the line."""


def load_yaml(text: str) -> tuple[object, dict[Path, int]]:
    """The document, and the line number of each path in it. Raises UnreadableYaml."""
    try:
        # First, since libyaml recurses without a limit of its own.
        _check_depth(text)
        root = yaml.compose(text, Loader=LOADER)
        most = max(MAX_REPEATED, min(len(text) // CHARACTERS_A_VALUE, MAX_REPEATED_EVER))
        reading = _Reading(most)
        return (reading.value(root, ()) if root else None), reading.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(mark, error.problem or error.context or "not YAML") from error
    except yaml.YAMLError as error:  # a character that no YAML may hold
        raise UnreadableYaml(str(error).partition("\n")[0]) from error


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _unreadable(event.start_mark, "nested too deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass
class _Reading:
    most_repeated: int
    lines: dict[Path, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _around: set[int] = field(default_factory=set)
    _repeated: int = 0
    _scalars: SafeConstructor = field(default_factory=SafeConstructor)

    def value(self, node: yaml.Node, path: Path) -> object:
        self._count(node)
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in PLAIN:
            raise _unreadable(node.start_mark, f"the tag {node.tag} is not for here")
        with self._inside(node):
            if isinstance(node, yaml.SequenceNode):
                return [self.value(each, (*path, at)) for at, each in enumerate(node.value)]
            return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: Path) -> dict[object, object]:
        made: dict[object, object] = {}
        self._fill(made, node, path)
        return made

    def _fill(self, made: dict[object, object], node: yaml.Node, path: Path) -> None:
        """Add a mapping's own keys, then those of merged mappings that are missing."""
        own: set[object] = set()
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _unreadable(key_node.start_mark, "a key must be a plain word")
            if key_node.tag == MERGE:
                merged += _to_merge(value_node)
                continue
            key = self._scalar(key_node)
            if key in own:
                raise _unreadable(key_node.start_mark, f"{key_node.value} stands twice here")
            own.add(key)
            if key in made:
                continue
            below = (*path, key if isinstance(key, str) else str(key))
            made[key] = self.value(value_node, below)
            self.lines[below] = key_node.start_mark.line + 1
        for each in merged:
            self._count(each)
            self._repeat(each, len(each.value))
            with self._inside(each):
                self._fill(made, each, path)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            raise _unreadable(
                node.start_mark, f"{node.value[:MAX_DIGITS]}…: the number is too long"
            )
        try:
            return self._scalars.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # no date after all
            raise _unreadable(node.start_mark, f"{node.value[:40]}: {error}") from error

    def _count(self, node: yaml.Node) -> None:
        """Refuse a node inside itself, and count a node that an alias repeats."""
        if id(node) in self._around:
            raise _unreadable(node.start_mark, "it contains itself")
        if id(node) in self._seen:
            self._repeat(node, 1)
        self._seen.add(id(node))

    def _repeat(self, node: yaml.Node, values: int) -> None:
        self._repeated += values
        if self._repeated > self.most_repeated:
            raise _unreadable(node.start_mark, "repeated too often by aliases")

    @contextmanager
    def _inside(self, node: yaml.Node) -> Iterator[None]:
        """Limit the depth again: aliases can nest deeper than the text does."""
        if len(self._around) >= MAX_DEPTH:
            raise _unreadable(node.start_mark, "nested too deep")
        self._around.add(id(node))
        try:
            yield
        finally:
            self._around.discard(id(node))


def _to_merge(node: yaml.Node) -> list[yaml.Node]:
    """The mappings to merge, one or a list; the first has precedence."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for each in nodes:
        if not isinstance(each, yaml.MappingNode):
            raise _unreadable(each.start_mark, "only mappings can be merged")
    return list(nodes)


def _unreadable(mark: Any, why: str) -> UnreadableYaml:  # libyaml has a Mark of its own
    return UnreadableYaml(f"line {mark.line + 1}: {why}" if mark else why)
