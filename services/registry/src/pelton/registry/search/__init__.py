"""MLflow's filter language: what may be asked of each kind of thing, how it is read, and how it becomes SQL.

`terms` are the comparisons, `grammar` says what each search knows, `parser` reads text, `sql` compiles for a database.
`parts` and `narrowing` are for tables of millions: an order and filters as indexes can serve them.
"""
