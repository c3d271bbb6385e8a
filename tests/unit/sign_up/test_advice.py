import pytest

from domain_rules.addresses import EmailAddress
from domain_rules.advice import DEFAULT_SHARED_MAILBOXES, AdviceState, SharedMailboxes, advise
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet


def agents(kind, pattern, homeserver="agents.example", **facts):
    facts.setdefault("requires_invite", False)
    return Rule(kind, pattern, AccountClass.AGENT, homeserver, **facts)


RULES = RuleSet.compile(
    [
        agents(RuleKind.DOMAIN, "ac-rouen.example"),
        agents(RuleKind.SUFFIX, "gouv.example"),
        agents(RuleKind.DOMAIN, "ac-normandie.example", None, sibling_of="ac-rouen.example"),
        agents(RuleKind.DOMAIN, "closed.example", requires_invite=True),
        agents(RuleKind.ADDRESS, "contact@ac-rouen.example"),
        agents(RuleKind.ADDRESS, "barred@ac-rouen.example", requires_invite=True),
        Rule(
            RuleKind.DOMAIN,
            "partner.example",
            AccountClass.GUEST,
            "g.example",
            requires_invite=False,
        ),
        Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)


def ask(text, **facts):
    return advise(RULES, EmailAddress.parse(text), **facts)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("lea@ac-rouen.example", AdviceState.OPEN),
        ("lea@culture.gouv.example", AdviceState.OPEN),
        ("lea@partner.example", AdviceState.OPEN),
        ("lea@ac-normandie.example", AdviceState.SIBLING),
        ("contact@ac-normandie.example", AdviceState.SIBLING),
        ("lea@asso.example", AdviceState.NOT_OPEN),
        ("lea@closed.example", AdviceState.NOT_OPEN),
        ("barred@ac-rouen.example", AdviceState.NOT_OPEN),
        ("accueil@ac-rouen.example", AdviceState.SHARED_MAILBOX),
        ("Postmaster@ac-rouen.example", AdviceState.SHARED_MAILBOX),
        ("info+x@ac-rouen.example", AdviceState.SHARED_MAILBOX),
        ("ne_pas.repondre@ac-rouen.example", AdviceState.SHARED_MAILBOX),
        ("mairie.luce@culture.gouv.example", AdviceState.SHARED_MAILBOX),
        ("ce.0123456a@ac-rouen.example", AdviceState.SHARED_MAILBOX),
        ("ce.0123456a@culture.gouv.example", AdviceState.OPEN),
        ("ce.012345a@ac-rouen.example", AdviceState.OPEN),
        ("ce.01234567@ac-rouen.example", AdviceState.OPEN),
        ("infirmier@ac-rouen.example", AdviceState.OPEN),
        ("lea.mairie@ac-rouen.example", AdviceState.OPEN),
        ("contact@ac-rouen.example", AdviceState.OPEN),  # it has a rule of its own
        ("contact@asso.example", AdviceState.NOT_OPEN),
    ],
)
def test_every_address_has_its_page(text, state):
    assert ask(text).state is state


def test_a_sibling_names_the_domain_to_use():
    assert ask("lea@ac-normandie.example").sibling == "ac-rouen.example"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ac-ruoen.example", "ac-rouen.example"),
        ("acrouen.example", "ac-rouen.example"),
        ("ac.rouen.example", "ac-rouen.example"),
        ("ac-rouenexample.example", None),
        ("ac-rouen.exampl", "ac-rouen.example"),
        ("ac-rouen.exemple", "ac-rouen.example"),
        ("ac-rouen.examplee", "ac-rouen.example"),
        ("ac-roueen.example", "ac-rouen.example"),
        ("ac--rouenn.example", None),
        ("ac-rouèn.example", "ac-rouen.example"),
        ("ac-ruoenn.example", None),
        ("culture.guov.example", "culture.gouv.example"),
        ("culture.gouvexample.fr", None),
        ("evilgouv.example", None),
        ("x.evilgouv.example", None),
        ("ac-normandi.example", None),  # not open itself
        ("close.example", None),  # for invited people
        ("partne.example", None),  # for guests
    ],
)
def test_a_slip_of_the_hand_is_told_when_an_open_agent_domain_is_next_to_it(typed, meant):
    try:
        advice = ask(f"lea@{typed}")
    except ValueError:
        assert meant is None
        return
    assert advice.suggestion == (EmailAddress.parse(f"lea@{meant}") if meant else None)
    assert advice.state is (AdviceState.TYPO if meant else AdviceState.NOT_OPEN)


def test_who_keeps_the_typed_address_is_not_asked_again():
    advice = ask("lea@ac-ruoen.example", keep_typed=True)
    assert (advice.state, advice.suggestion) == (AdviceState.NOT_OPEN, None)


def test_a_domain_with_a_rule_of_its_own_is_never_a_slip():
    rules = RuleSet.compile(
        [
            agents(RuleKind.DOMAIN, "ac-rouen.example"),
            agents(RuleKind.DOMAIN, "ac-rouan.example", requires_invite=True),
        ]
    )
    assert advise(rules, EmailAddress.parse("lea@ac-rouan.example")).state is AdviceState.NOT_OPEN


def test_an_address_barred_by_a_rule_of_its_own_is_not_suggested():
    assert ask("barred@ac-ruoen.example").state is AdviceState.NOT_OPEN


def test_a_federation_may_say_which_mailboxes_are_shared():
    own = SharedMailboxes(names=frozenset({"guichet"}), first_words=frozenset())
    assert ask("guichet@ac-rouen.example", shared_mailboxes=own).state is AdviceState.SHARED_MAILBOX
    assert ask("accueil@ac-rouen.example", shared_mailboxes=own).state is AdviceState.OPEN


def test_the_default_names_are_written_as_they_are_compared():
    for name in DEFAULT_SHARED_MAILBOXES.names | DEFAULT_SHARED_MAILBOXES.first_words:
        assert EmailAddress.parse(f"{name}@ac-x.example") in SharedMailboxes(
            DEFAULT_SHARED_MAILBOXES.names | DEFAULT_SHARED_MAILBOXES.first_words, frozenset()
        )
