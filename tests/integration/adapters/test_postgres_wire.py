"""A connection to PostgreSQL that breaks without a word from the server."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest
from psycopg import pq
from sqlalchemy import make_url

from adapters.databases import Problem, translated
from adapters.postgres_connection import Wire, failure
from exchange.errors import DatabaseUnavailable, SourceProblem
from tests.support.wait import wait_until


def test_a_server_process_that_dies_is_an_outage_and_no_problem_of_the_source(postgres_url: str) -> None:
    address = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=True)
    wire = Wire(connection)
    pid = connection.info.backend_pid
    wire.send("SELECT pg_sleep(60)")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DatabaseUnavailable), translated(Problem(SourceProblem, "people")):
        wire.answer(30)
    wire.close()
    wait_until(lambda: _answers(address), 30, "the server, which restarts after that")


def test_an_error_that_libpq_made_itself_is_an_outage_too(postgres_url: str) -> None:
    """As when a server that shuts down has closed the connection before its last answer was read."""
    address = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        wordless = connection.pgconn.make_empty_result(pq.ExecStatus.FATAL_ERROR)
    with pytest.raises(DatabaseUnavailable), translated(Problem(SourceProblem, "people")):
        raise failure(wordless)


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
