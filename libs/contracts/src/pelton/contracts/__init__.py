"""The wire events of Pelton: one Pydantic class each, one module per owning service.

`fact` holds the base class and the catalogue of types; `definitions` what a user declares;
`values` the small types that facts share; `records` the high-volume records that bypass the event store.
`evolution` compares the facts with those last released, and `asyncapi` describes their topics.
"""
