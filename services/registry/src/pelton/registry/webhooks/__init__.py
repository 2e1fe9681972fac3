"""Facts over HTTP: signed, in order for each receiver, tried again, and sent to no address inside.

`domain` says who is told what and when to try again, `messages` what is sent, `signature` how it is signed, `targets`
where it may go; `sender` sends one, `delivery` all of them.
"""
