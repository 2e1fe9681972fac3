"""Points MLflow's own tests at a server that runs already: a plugin for the pytest of the peer, `-p upstream`.

The tests start a server of their own for each test, on an empty store. Here the server is what `UPSTREAM_URL`
names, and its PostgreSQL database (`UPSTREAM_DATABASE`) is brought back to what it was at the start before each test.
How each test ended is written to `UPSTREAM_OUTCOMES`, as JSON: its name, and nothing or what it failed of.
"""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path

import psycopg2
import pytest
from psycopg2.sql import SQL, Identifier

import mlflow

URL = os.environ["UPSTREAM_URL"]
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
SEQUENCES = """
    SELECT quote_ident(sequencename), coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences
    WHERE schemaname = 'public'
"""

outcomes: dict[str, str] = {}


class Database:
    """The server's database, which remembers the rows and the sequences it had when this was made."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._rows: list[tuple[Identifier, str]] = []
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
            for table in [Identifier(name) for (name,) in cursor.fetchall()]:
                copied = StringIO()
                cursor.copy_expert(SQL("COPY {} TO STDOUT").format(table), copied)
                self._rows.append((table, copied.getvalue()))
            cursor.execute(SEQUENCES)
            self._sequences = cursor.fetchall()

    def restore(self) -> None:
        """Have those again and no others; rows are deleted, for to truncate would wait for whoever reads."""
        with closing(psycopg2.connect(self._dsn)) as connection, connection, connection.cursor() as cursor:
            # Without triggers, rows that refer to others go and come in any order.
            cursor.execute("SET session_replication_role = replica")
            for table, rows in self._rows:
                cursor.execute(SQL("DELETE FROM {}").format(table))
                if rows:
                    cursor.copy_expert(SQL("COPY {} FROM STDIN").format(table), StringIO(rows))
            for sequence in self._sequences:
                cursor.execute("SELECT setval(%s, %s, %s)", sequence)


class RunningServer:
    """Stands where the tests start a server, whatever they say it should be."""

    def __init__(self, *_: object, **__: object) -> None:
        self._database = Database.remembered

    def __enter__(self) -> str:
        self._database.restore()
        return URL

    def __exit__(self, *_: object) -> None:
        """It goes on running."""


def pytest_sessionstart() -> None:
    """Stand in before a test module takes the names of what starts servers."""
    from tests.tracking import integration_test_utils as servers  # noqa: PLC0415 - of the source that is tested with

    Database.remembered = Database(os.environ["UPSTREAM_DATABASE"])
    servers.ServerThread = servers._init_server = RunningServer


@pytest.fixture(autouse=True)
def _no_run_is_left_open() -> Iterator[None]:
    yield
    while mlflow.active_run():
        mlflow.end_run()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what failed first, or that nothing did."""
    name = report.nodeid.removeprefix("tests/tracking/")
    if report.failed or (report.skipped and not hasattr(report, "wasxfail")):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr.reprcrash.message
        outcomes[name] = outcomes.get(name) or reason or report.outcome
    elif report.when == "call":
        outcomes[name] = "xfail" if report.skipped else ""


def pytest_sessionfinish() -> None:
    """Write down how they ended."""
    Path(os.environ["UPSTREAM_OUTCOMES"]).write_text(json.dumps(outcomes))
