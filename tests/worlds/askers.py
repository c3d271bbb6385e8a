"""What anybody may ask for, by whichever way a mail with a code can be asked for."""

import uuid

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.bulk_invites import sign_in as bulk_invite_sign_in
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.sign_up import service as sign_up
from identity.threepids import validation
from identity.threepids.validation import Wanted

MAILBOX = "camille.durand@ac-rouen.example"


def tagged(number):
    return MAILBOX.replace("@", f"+{number}@")


class People:
    """What anybody may ask for, in one transaction that is thrown away."""

    def __init__(self, session, rules, vault, clock):
        self.session, self.rules, self.vault, self.clock = session, rules, vault, clock
        self.accounts_that_asked = set()

    def sign_up(self, address, browser):
        return sign_up.start(
            self.session,
            self.rules,
            self.clock(),
            address=EmailAddress.parse(address),
            browser=browser,
            language="fr",
            again=True,
        )

    def lists(self, address, asked=None):
        parsed = EmailAddress.parse(address)
        return bulk_invite_sign_in.request_code(
            self.session, self.clock(), address=parsed, language="fr", asked=asked
        )

    def client(self, address, account, attempt=1, secret="secret"):
        wanted = Wanted(
            address=EmailAddress.parse(address),
            client_secret=secret,
            send_attempt=attempt,
            user_id=account,
            device="",
            language="fr",
        )
        return validation.request_validation(self.session, self.vault, self.clock(), wanted)

    def outsider(self, what, number):
        match what:
            case "sign-up, new browser":
                self.sign_up(MAILBOX, str(uuid.uuid4()))
            case "sign-up, same browser":
                self.sign_up(MAILBOX, "greedy")
            case "sign-up, tags":
                self.sign_up(tagged(number), str(uuid.uuid4()))
            case "lists":
                self.lists(MAILBOX)
            case "lists, tags":
                self.lists(tagged(number))
            case "invitation":
                facts = {"address": MAILBOX, "language": "fr", "subject_id": uuid.uuid4()}
                mails.order(self.session, self.clock(), template=Template.INVITE, **facts)
            case "client" | "client, tags":
                account = f"@outsider{number}:education.example"
                address = MAILBOX if what == "client" else tagged(number)
                try:
                    self.client(address, account, secret=str(uuid.uuid4()))
                except problems.TooManyMails:
                    assert account in self.accounts_that_asked, "refused for others' acts"
                self.accounts_that_asked.add(account)

    def mail_of(self, asked):
        (mail,) = [
            each
            for each in mails.find_by_address(self.session, asked.address, limit=1000)
            if each.subject_id == asked.id and each.created_at == self.clock()
        ]
        return mail
