import pytest

from domain_rules.addresses import EmailAddress
from domain_rules.advice import DEFAULT, SharedMailboxes, State, advise
from domain_rules.rules import AccountClass, Kind, Rule, RuleSet


def agents(kind, pattern, homeserver="agents.example", **facts):
    facts.setdefault("requires_invite", False)
    return Rule(kind, pattern, AccountClass.AGENT, homeserver, **facts)


RULES = RuleSet.compile(
    [
        agents(Kind.DOMAIN, "ac-rouen.example"),
        agents(Kind.SUFFIX, "gouv.example"),
        agents(Kind.DOMAIN, "ac-normandie.example", None, sibling_of="ac-rouen.example"),
        agents(Kind.DOMAIN, "closed.example", requires_invite=True),
        agents(Kind.ADDRESS, "contact@ac-rouen.example"),
        agents(Kind.ADDRESS, "barred@ac-rouen.example", requires_invite=True),
        Rule(
            Kind.DOMAIN, "partner.example", AccountClass.GUEST, "g.example", requires_invite=False
        ),
        Rule(Kind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)


def ask(text, **facts):
    return advise(RULES, EmailAddress.parse(text), **facts)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("lea@ac-rouen.example", State.OPEN),
        ("lea@culture.gouv.example", State.OPEN),
        ("lea@partner.example", State.OPEN),
        ("lea@ac-normandie.example", State.SIBLING),
        ("contact@ac-normandie.example", State.SIBLING),
        ("lea@asso.example", State.NOT_OPEN),
        ("lea@closed.example", State.NOT_OPEN),
        ("barred@ac-rouen.example", State.NOT_OPEN),
        ("accueil@ac-rouen.example", State.SHARED_MAILBOX),
        ("Postmaster@ac-rouen.example", State.SHARED_MAILBOX),
        ("info+x@ac-rouen.example", State.SHARED_MAILBOX),
        ("ne_pas.repondre@ac-rouen.example", State.SHARED_MAILBOX),
        ("mairie.luce@culture.gouv.example", State.SHARED_MAILBOX),
        ("ce.0123456a@ac-rouen.example", State.SHARED_MAILBOX),
        ("ce.0123456a@culture.gouv.example", State.OPEN),
        ("ce.012345a@ac-rouen.example", State.OPEN),
        ("ce.01234567@ac-rouen.example", State.OPEN),
        ("infirmier@ac-rouen.example", State.OPEN),
        ("lea.mairie@ac-rouen.example", State.OPEN),
        ("contact@ac-rouen.example", State.OPEN),  # it has a rule of its own
        ("contact@asso.example", State.NOT_OPEN),
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
    assert advice.state is (State.TYPO if meant else State.NOT_OPEN)


def test_who_keeps_the_typed_address_is_not_asked_again():
    advice = ask("lea@ac-ruoen.example", keep_typed=True)
    assert (advice.state, advice.suggestion) == (State.NOT_OPEN, None)


def test_a_domain_with_a_rule_of_its_own_is_never_a_slip():
    rules = RuleSet.compile(
        [
            agents(Kind.DOMAIN, "ac-rouen.example"),
            agents(Kind.DOMAIN, "ac-rouan.example", requires_invite=True),
        ]
    )
    assert advise(rules, EmailAddress.parse("lea@ac-rouan.example")).state is State.NOT_OPEN


def test_an_address_barred_by_a_rule_of_its_own_is_not_suggested():
    assert ask("barred@ac-ruoen.example").state is State.NOT_OPEN


def test_a_federation_may_say_which_mailboxes_are_shared():
    own = SharedMailboxes(names=frozenset({"guichet"}), first_words=frozenset())
    assert ask("guichet@ac-rouen.example", shared_mailboxes=own).state is State.SHARED_MAILBOX
    assert ask("accueil@ac-rouen.example", shared_mailboxes=own).state is State.OPEN


def test_the_default_names_are_written_as_they_are_compared():
    for name in DEFAULT.names | DEFAULT.first_words:
        assert EmailAddress.parse(f"{name}@ac-x.example") in SharedMailboxes(
            DEFAULT.names | DEFAULT.first_words, frozenset()
        )
