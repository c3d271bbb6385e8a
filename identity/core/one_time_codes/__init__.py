"""One-time codes: the digits a mail carries and a person types to prove the address is theirs.

`models` holds the codes and the wrong tries, `limits` decides how many wrong tries are allowed, and
`service` is what the stories call: issue the code for a mail, then try what was typed.
"""
