"""Whether somebody with a scope looks after a domain, as the rules in memory decide.

`routing/scoped_domains.py` asks the database the same.
"""

from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.operators.roles import Scope


def is_within(scope: Scope, rules: RuleSet, domain: str) -> bool:
    """Whether a domain (A-labels) lies within; one without a rule is nobody's who has a scope."""
    rule = rules.rule_of_domain(domain)
    return scope.is_all or (rule is not None and _is_rule_within(scope, rules, rule))


def is_outside(scope: Scope, rules: RuleSet, domain: str) -> bool:
    """Whether a domain is somebody else's: nothing is told of it. One without a rule is nobody's."""
    return rules.rule_of_domain(domain) is not None and not is_within(scope, rules, domain)


def is_whole_within(scope: Scope, rules: RuleSet, domain: str) -> bool:
    """Whether it lies within with every domain below it that has a rule: a freeze stops these too."""
    if scope.is_all:
        return True
    below = f".{domain}"
    return is_within(scope, rules, domain) and all(
        _is_rule_within(scope, rules, rule)
        for rule in rules.rules
        if rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX} and rule.pattern.endswith(below)
    )


def _is_rule_within(scope: Scope, rules: RuleSet, rule: Rule) -> bool:
    """A sibling belongs to what the domain that it names belongs to."""
    home = rules.rule_of_domain(rule.sibling_of) if rule.sibling_of else rule
    return home is not None and scope.covers(
        homeserver=home.homeserver, organisation=home.organisation or None
    )
