"""Jobs about mails: writing a mail and handing it to the relay, alone or several together."""
