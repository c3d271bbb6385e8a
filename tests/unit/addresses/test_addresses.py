import pytest
from email_validator import validate_email
from hypothesis import given, strategies as st

from domain_rules.address_faults import ADDRESS_FAULT_SENTENCES, AddressFault, InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.display import display_domain
from tests.worlds.hostile_addresses import AGENTS, HOSTILE

ADDRESS_LETTERS = st.sampled_from(
    "aZ09.@-_+'%<>()[]\"\\,;: \n\0éßſıİаαא文\u0301\u0345\u00ad\u200d\u3002＠\u212a\u202e\u037e\ud800"
)
ADDRESSES = st.one_of(
    st.text(),
    st.text(ADDRESS_LETTERS, max_size=40),
    st.builds("{}@{}.example".format, st.text(max_size=10), st.text(max_size=10)),
    st.builds("{}@xn--{}.example".format, st.text("ab", min_size=1), st.text("a1b-")),
)


def outcome(text: str, *, smtputf8: bool = False) -> str:
    try:
        return EmailAddress.parse(text, smtputf8=smtputf8).canonical
    except InvalidAddress as error:
        return error.reason


# An id that cannot be typed cannot be named to pytest either; what it is about stands in the failure.
NUMBERED = [f"{number} {hostile.why}" for number, hostile in enumerate(HOSTILE, start=1)]


@pytest.mark.parametrize(("text", "expected", "why"), HOSTILE, ids=NUMBERED)
def test_a_hostile_address_becomes_its_canonical_form_or_is_refused(text, expected, why):
    try:
        found = AGENTS.read(text).canonical
    except InvalidAddress as error:
        found = error.reason
    assert found == expected, why


def test_the_corpus_is_large_and_says_nothing_twice():
    assert len(HOSTILE) >= 300
    assert len({text for text, _, _ in HOSTILE}) == len(HOSTILE)


def test_every_reason_has_a_sentence():
    assert set(ADDRESS_FAULT_SENTENCES) == set(AddressFault)


@pytest.mark.slow
@given(ADDRESSES, st.booleans())
def test_any_text_is_an_address_or_an_invalid_address(text, smtputf8):
    result = outcome(text, smtputf8=smtputf8)
    assert result == outcome(text, smtputf8=smtputf8)


@pytest.mark.slow
@given(ADDRESSES, st.booleans())
def test_the_canonical_and_the_shown_form_are_read_back_as_the_same(text, smtputf8):
    try:
        address = EmailAddress.parse(text, smtputf8=smtputf8)
    except InvalidAddress:
        return
    assert EmailAddress.parse(address.canonical, smtputf8=smtputf8) == address
    assert EmailAddress.parse(address.display, smtputf8=smtputf8) == address
    assert address.canonical == f"{address.local}@{address.ascii_domain}"
    assert address.canonical.count("@") == 1
    assert address.ascii_domain.isascii()
    assert smtputf8 or address.canonical.isascii()
    assert len(address.canonical.encode()) <= 254


@pytest.mark.slow
@given(st.text("ab.-_+'%!#$&*/=?^`{|}~\"@", max_size=64))
def test_what_is_taken_before_the_at_the_library_takes_too(local):
    if not isinstance(outcome(f"{local}@ac-rouen.example"), AddressFault):
        taken = validate_email(f"{local}@ac-rouen.example", check_deliverability=False)
        assert taken.local_part == local


@pytest.mark.slow
@given(st.from_regex(r"[a-z0-9+._-]{1,20}@[a-z]{1,8}(-[a-z]{1,8})?\.example", fullmatch=True))
def test_letter_case_does_not_count(text):
    assert outcome(text.upper()) == outcome(text) == outcome(text.title())


def test_a_megabyte_is_refused():
    megabytes = [text for text, _, _ in HOSTILE if len(text) >= 1_000_000]
    for text in megabytes:
        assert outcome(text) is AddressFault.TOO_LONG


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hélène@ac-rouen.example", "hélène@ac-rouen.example"),
        ("He\u0301le\u0300ne@ac-rouen.example", "hélène@ac-rouen.example"),
        ("Straße@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("\u212aelly@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("ﬁona@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("ſarah@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("İ@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("ª@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("ｆiona@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("ŉ@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        # The same when folded by way of its parts, but not by a mail server that folds it as it stands.
        ("\u0390α@asso.example", AddressFault.UNSTABLE_LETTER),
        ("é" * 33 + "@ac-rouen.example", AddressFault.LOCAL_TOO_LONG),
        ("a\u037eb@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("\u0301a@ac-rouen.example", AddressFault.FOREIGN_SIGN),
        ("a＠b@ac-rouen.example", AddressFault.UNSTABLE_LETTER),
        ("i\u0307@ac-rouen.example", AddressFault.FOREIGN_SIGN),
        ("cаmille@ac-rouen.example", AddressFault.MIXED_SCRIPTS),
        ("элиз@asso.example", "элиз@asso.example"),
        ("ЭЛИЗ@asso.example", "элиз@asso.example"),
        ("элиз.2+1@asso.example", "элиз.2+1@asso.example"),
        ("элизabc@asso.example", AddressFault.MIXED_SCRIPTS),
        ("ΜΆΙΟΣ@asso.example", "μάιοσ@asso.example"),
        ("मोहन@asso.example", "मोहन@asso.example"),
        ("文子@asso.example", "文子@asso.example"),
        ("あ文@asso.example", AddressFault.MIXED_SCRIPTS),
        ("a\u3164@asso.example", AddressFault.FOREIGN_SIGN),
        ("\u3164@asso.example", AddressFault.FOREIGN_SIGN),
        ("😀@asso.example", AddressFault.FOREIGN_SIGN),
        ("é%evil.com@asso.example", AddressFault.FOREIGN_SIGN),
        ("é=evil.com@asso.example", AddressFault.ROUTED_ONWARD),
        ("=?utf-8?q?é?=@asso.example", AddressFault.FOREIGN_SIGN),
    ],
)
def test_where_the_relay_carries_smtputf8_accents_are_kept_and_folded(text, expected):
    assert outcome(text, smtputf8=True) == expected


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("a@lucé.example", "lucé.example"),
        ("a@xn--luc-dma.example", "lucé.example"),
        ("a@пример.example", "пример.example"),
        ("a@аc-rouen.example", "xn--c-rouen-1fg.example"),  # the first letter is Cyrillic
        ("a@rouɑn.example", "xn--roun-s5b.example"),  # a Latin letter that looks like an a
        ("a@ⲁⲃⲅ.example", "xn--4gjeg.example"),  # Coptic, which few can tell from Greek
        ("a@rouın.example", "xn--roun-nza.example"),  # a dotless i
        ("a@ac-rouen.example", "ac-rouen.example"),
    ],
)
def test_a_domain_is_shown_in_unicode_only_when_of_one_script(typed, shown):
    address = EmailAddress.parse(typed)
    assert address.display_domain == shown
    assert address.display == f"a@{shown}"


def test_a_label_that_is_no_idn_is_shown_as_it_is():
    assert display_domain("xn--a.example") == "xn--a.example"


def test_a_masked_address_shows_its_first_letter_and_its_domain():
    assert EmailAddress.parse("lea.petit@asso.example").masked == "l•••@asso.example"


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("lea+tchap@asso.example", "lea@asso.example"),
        ("Lea+a+b@asso.example", "lea@asso.example"),
        ("lea@asso.example", "lea@asso.example"),
        ("+tchap@asso.example", "+tchap@asso.example"),
        ("lea.petit@asso.example", "lea.petit@asso.example"),
        ("lea+a@yahoo.example", "lea@yahoo.example"),
    ],
)
def test_a_tag_leads_to_the_same_mailbox(typed, key):
    assert EmailAddress.parse(typed).mailbox_key() == key


@pytest.mark.parametrize(
    ("spellings", "mailbox"),
    [
        (
            [
                *("leapetit@gmail.com", "lea.petit@gmail.com", "L.e.a.p.e.t.i.t@GMail.com"),
                *("lea.petit+tchap@gmail.com", "lea.petit@googlemail.com"),
            ],
            "leapetit@gmail.com",
        ),
        (
            ["lea.petit@icloud.com", "lea.petit@me.com", "lea.petit+a@mac.com"],
            "lea.petit@icloud.com",
        ),
        (["lea-shop@yahoo.com", "lea-bank@yahoo.com", "lea@yahoo.com"], "lea@yahoo.com"),
    ],
)
def test_a_service_that_reads_spellings_as_one_has_one_mailbox_for_them(spellings, mailbox):
    read = [EmailAddress.parse(each) for each in spellings]
    assert {each.mailbox_key() for each in read} == {mailbox}
    assert len({each.canonical for each in read}) == len(read), "identity is the address as it is"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lea.petit@outlook.com", "leapetit@outlook.com"),
        ("lea.petit@icloud.com", "leapetit@icloud.com"),
        ("lea.petit@yahoo.com", "leapetit@yahoo.com"),
        ("lea@yahoo.com", "lea@yahoo.fr"),
        ("lea.petit@gmail.com.example", "leapetit@gmail.com.example"),
        ("lea.petit@mail.gmail.com", "leapetit@mail.gmail.com"),
        ("lea-petit@gmail.com", "leapetit@gmail.com"),
        ("lea_petit@gmail.com", "leapetit@gmail.com"),
    ],
)
def test_elsewhere_another_spelling_is_another_mailbox(one, other):
    assert EmailAddress.parse(one).mailbox_key() != EmailAddress.parse(other).mailbox_key()


@pytest.mark.parametrize(
    "text", ["ac-rouen.example", "@AC-Rouen.example", " ac-rouen。example\u200b"]
)
def test_a_domain_is_read_with_or_without_its_at(text):
    assert parse_domain(text) == "ac-rouen.example"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", AddressFault.EMPTY),
        ("@", AddressFault.EMPTY),
        ("@@ac-rouen.example", AddressFault.NOT_A_DOMAIN),
        ("a@ac-rouen.example", AddressFault.NOT_A_DOMAIN),
        ("*.ac-rouen.example", AddressFault.NOT_A_DOMAIN),
        ("ac rouen.example", AddressFault.SPACE_INSIDE),
        ("ac-rouen.example\n", AddressFault.CONTROL_CHARACTER),
        ("ac-rouen.example.", AddressFault.TRAILING_DOT),
        ("fr", AddressFault.ONE_LABEL),
        ("x" * 1_000_000, AddressFault.TOO_LONG),
    ],
)
def test_what_is_no_domain_is_refused(text, reason):
    with pytest.raises(InvalidAddress) as refused:
        parse_domain(text)
    assert refused.value.reason is reason


@pytest.mark.slow
@given(st.text())
def test_any_text_is_a_domain_or_an_invalid_address(text):
    try:
        domain = parse_domain(text)
    except InvalidAddress:
        return
    assert parse_domain(domain) == domain == parse_domain(display_domain(domain))
