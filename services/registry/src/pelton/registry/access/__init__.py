"""Who may do what: roles by team, and restrictions by name, tag and alias.

`domain` decides, `control` keeps the rules at hand and refuses, `api` lets people change and ask them.
"""
