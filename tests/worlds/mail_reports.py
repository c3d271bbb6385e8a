"""Delivery reports in the manner of four mail servers, as bytes: made up, line by line, for these tests."""

POSTFIX = """\
Return-Path: <>
Date: Sat, 20 Nov 2027 09:12:01 +0100 (CET)
From: MAILER-DAEMON@relay.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {bounce}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4F2C1.1826/relay.example"
Message-Id: <20271120081201.77AA@relay.example>

This is a MIME-encapsulated message.

--4F2C1.1826/relay.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

Your message for {to} came back.

--4F2C1.1826/relay.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
X-Postfix-Queue-ID: 4F2C1
X-Postfix-Sender: rfc822; {bounce}
Arrival-Date: Sat, 20 Nov 2027 09:12:00 +0100 (CET)

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.asso.example
Diagnostic-Code: {diagnostic}

--4F2C1.1826/relay.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

From: Guichet <bonjour@mail.example>
To: {to}
Subject: Zoé vous invite

--4F2C1.1826/relay.example--
"""

EXCHANGE = """\
From: <postmaster@ministere.example>
To: <{bounce}>
Date: Sat, 20 Nov 2027 08:12:04 +0000
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="_1f00_"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: fr-FR
Subject: =?utf-8?B?Tm9uIHJlbWlz?=
Auto-Submitted: auto-replied
MIME-Version: 1.0

--_1f00_
Content-Type: multipart/alternative; boundary="_2f00_"

--_2f00_
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: base64

Vm90cmUgbWVzc2FnZQ==

--_2f00_--

--_1f00_
Content-Type: message/delivery-status

Reporting-MTA: dns;PR01MB1234.ministere.example
Received-From-MTA: dns;relay.example
Arrival-Date: Sat, 20 Nov 2027 08:12:03 +0000

Original-Recipient: rfc822;{to}
Final-Recipient: rfc822;{to}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}
Remote-MTA: dns;PR01MB1234.ministere.example
X-Display-Name: {to}

--_1f00_
Content-Type: message/rfc822

To: {to}
Subject: Zoe

--_1f00_--
"""

GMAIL = """\
To: {bounce}
Auto-Submitted: auto-replied
Content-Type: multipart/report; boundary="00000000aa11"; report-type=delivery-status
References: <1@mail.example>
From: Mail Delivery Subsystem <mailer-daemon@webmail.example>
Subject: Delivery Status Notification (Failure)
Date: Sat, 20 Nov 2027 00:12:05 -0800 (PST)

--00000000aa11
Content-Type: multipart/related; boundary="00000000bb22"

--00000000bb22
Content-Type: text/html; charset="UTF-8"

<p>Address not found</p>
--00000000bb22--
--00000000aa11
Content-Type: message/delivery-status

Reporting-MTA: dns; webmail.example
Received-From-MTA: dns; {bounce}
Arrival-Date: Sat, 20 Nov 2027 00:12:04 -0800 (PST)
X-Original-Message-ID: <1@mail.example>

Final-Recipient: rfc822; {to}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.webmail.example. (192.0.2.26, the server for the domain.)
Diagnostic-Code: {diagnostic}
Last-Attempt-Date: Sat, 20 Nov 2027 00:12:05 -0800 (PST)

--00000000aa11
Content-Type: message/rfc822

To: {to}

--00000000aa11--
"""

EXIM = """\
Return-path: <>
Envelope-to: {bounce}
X-Failed-Recipients: {to}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example>
To: {bounce}
References: <1@mail.example>
Content-Type: multipart/report; report-type=delivery-status; boundary=1700000-eximdsn-1
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender

--1700000-eximdsn-1
Content-type: text/plain; charset=us-ascii

A message that you sent has not reached {to}.

--1700000-eximdsn-1
Content-type: message/delivery-status

Reporting-MTA: dns; exim.example

Action: {action}
Final-Recipient: rfc822;{to}
Status: {status}
Remote-MTA: dns; mx.asso.example
Diagnostic-Code: {diagnostic}

--1700000-eximdsn-1
Content-type: message/rfc822

To: {to}

--1700000-eximdsn-1--
"""

# What RFC 6533 makes of it for addresses with accents; the groups stand as plain text.
ACCENTED = POSTFIX.replace("message/delivery-status", "message/global-delivery-status").replace(
    "rfc822;", "utf-8;"
)

OUT_OF_OFFICE = """\
From: Lea Petit <{to}>
To: {bounce}
Subject: Absence du bureau : Votre invitation
Auto-Submitted: auto-replied
Content-Type: text/plain; charset="utf-8"

Je serai de retour lundi. Status: 5.1.1, Action: failed.
"""

IN_WORDS = """\
From: MAILER-DAEMON@old.example
To: {bounce}
Subject: failure notice

Hi. This is the mail program at old.example.
<{to}>: no mailbox here by that name. (#5.1.1)
"""

COMPLAINT = """\
From: <feedback@webmail.example>
To: {bounce}
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part"

--part
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1

--part--
"""


def report(
    form: str = POSTFIX,
    *,
    bounce: str = "",
    to: str = "lea.petit@asso.example",
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 User unknown in virtual mailbox table",
) -> bytes:
    """One of the above, filled in."""
    text = form.format(bounce=bounce, to=to, action=action, status=status, diagnostic=diagnostic)
    return text.encode()


FEEDBACK = """\
From: <feedback@webmail.example>
To: <complaints@guichet.example>
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part"

--part
Content-Type: text/plain

This is a report of a mail that somebody did not want.
--part
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: webmail/1
Version: 1
{field}
--part
Content-Type: {returned}

{mail}
--part--
"""
UNWANTED = (
    "Return-Path: <{sender}>\nFrom: Guichet <bonjour@guichet.example>\nSubject: hello\n\nText\n"
)


def feedback(
    sender: str,
    *,
    kind: str = "abuse",
    field: str = "",
    returned: str = "message/rfc822",
    mail: str = UNWANTED,
) -> bytes:
    """A complaint of a provider about a mail with this envelope sender."""
    fields = {"kind": kind, "returned": returned}
    text = FEEDBACK.format(field=field, mail=mail.format(sender=sender), **fields)
    return text.encode()
