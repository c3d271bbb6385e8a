"""Who asks about one address reads the rules of that address, and is told what all rules say."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from domain_rules.addresses import EmailAddress
from domain_rules.advice import AdviceState, advise
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.journal import Actor
from identity.rule_changes import service
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.statements import statements

DOMAINS = ("lycee.example", "x.lycee.example", "licee.example")
ADDRESSES = tuple(f"ana@{domain}" for domain in DOMAINS)
UNDER = (*DOMAINS, "example")
KEYS = st.one_of(
    st.tuples(st.just(RuleKind.ADDRESS), st.sampled_from(ADDRESSES)),
    st.tuples(st.sampled_from((RuleKind.DOMAIN, RuleKind.SUFFIX)), st.sampled_from(UNDER)),
    st.just((RuleKind.DEFAULT, "")),
)
HOUR = timedelta(hours=1)
# For agents, for guests, or in the place of another domain; and from when until when.
SAYS = st.tuples(
    st.sampled_from((True, False, "sibling")),
    st.sampled_from(((None, None), (HOUR, None), (None, HOUR), (None, -HOUR))),
)


def rule_of(key, says, now):
    (kind, pattern), (is_agents, window) = key, says
    begins, ends = (each and now + each for each in window)
    if is_agents == "sibling" and kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}:
        return Rule(
            kind,
            pattern,
            AccountClass.GUEST,
            None,
            requires_invite=False,
            sibling_of=DOMAINS[0],
            valid_from=begins,
            valid_until=ends,
        )
    return Rule(
        kind,
        pattern,
        AccountClass.AGENT if is_agents else AccountClass.GUEST,
        EDUCATION if is_agents else GUESTS,
        requires_invite=not is_agents,
        valid_from=begins,
        valid_until=ends,
    )


def publish(session, now, put, *, whole=False):
    difference = service.compare(session, put=put, whole=whole)
    return service.publish(session, now, difference, Actor("olga", "here"))


@given(
    rules=st.dictionaries(KEYS, SAYS, max_size=5),
    later=st.dictionaries(KEYS, SAYS, max_size=5),
    asked=st.sampled_from((*ADDRESSES, "ana@lycee.exampel", "ana@lyceee.example")),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_it_is_told_the_same(services, rules, later, asked):
    address, now = EmailAddress.parse(asked), services.now()
    with services.database.transaction() as session:
        first = publish(session, now, [rule_of(*each, now) for each in rules.items()], whole=True)
        publish(session, now, [rule_of(*each, now) for each in later.items()], whole=True)
        for revision in (first, None):
            of_all = service.rules_at(session, now, revision)
            of_one = service.rules_for(session, now, revision, address)
            assert of_one.explain(address) == of_all.explain(address)
            assert advise(of_one, address) == advise(of_all, address)
        session.rollback()


def test_the_others_are_read_only_for_what_may_be_a_typing_error(services):
    with services.database.transaction() as session:
        publish(session, services.now(), [agent(f"d{n}.example") for n in range(20)])
        asked = EmailAddress.parse("ana@d7.example")
        with statements(services.database.engine) as sent:
            found = service.rules_for(session, services.now(), None, asked)
        assert [rule.pattern for rule in found.rules if rule.pattern] == ["d7.example"]
        assert len(sent) == 2  # the revision, and the rules of this address
        wrong = EmailAddress.parse("ana@d17.exampel")
        all_of_them = service.rules_for(session, services.now(), None, wrong)
        assert advise(all_of_them, wrong).state is AdviceState.TYPO
