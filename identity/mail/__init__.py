"""Every mail, one function each; how it is written, and what a mail server's answer means."""
