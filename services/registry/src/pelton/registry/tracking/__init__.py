"""Experiments and runs as tables: high-volume data that bypasses the event store. All of its SQL is here.

One module for each concept; each function is one statement on a connection or on the driver's pool, and so one
transaction. Answers come from the database as JSON, ready to be sent: their numbers and texts are never taken apart in
this process. Times are milliseconds since 1970.
"""
