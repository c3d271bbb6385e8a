"""The URL rules of an application are compiled once for all tests.

Each test makes an application of its own, with the same hundred rules, and Werkzeug writes and compiles two functions for each rule:
more than half of the time of a test that asks for one page. What it makes depends on the parts of the rule alone (the
function takes the rule as `self`, and finds its converters there), so the second application gets what the first one had.
"""

from collections.abc import Callable

from werkzeug.routing import Rule

_compiled: dict[object, Callable[..., tuple[str, str]]] = {}
_compile = Rule._compile_builder


def _once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    defaults = repr(sorted((rule.defaults or {}).items()))
    key = (tuple(rule._trace), tuple(sorted(rule.arguments)), defaults, append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile(rule, append_unknown)
    return _compiled[key]


Rule._compile_builder = _once
