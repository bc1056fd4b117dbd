"""A controller whose store or machine is slow shows its pages later, and not an error."""

import threading
from collections.abc import Iterator

import pytest
from tests.acceptance.freezing import frozen_server
from tests.browser.controller import Controller

from upperbound.clock import SystemClock
from upperbound.scenario.connection_url import split_password
from upperbound.store.engine import open_store
from upperbound.targets.embedded.server import EmbeddedServer

FROZEN_S = 5.0


@pytest.fixture
def slow_controller(fresh_database: str) -> Iterator[Controller]:
    """A controller whose store is a database of the server that is going to stand still."""
    with open_store(fresh_database, migrate=True):
        given = split_password(fresh_database)
    made = Controller({"UPPERBOUND_STORE": given.url, "UPPERBOUND_STORE_PASSWORD": given.password or ""})
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/", "/history"])
def test_a_page_comes_when_the_store_answers_again(
    embedded_server: EmbeddedServer, slow_controller: Controller, path: str
) -> None:
    assert slow_controller.client.get(path).status_code == 200
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(slow_controller.client.get(path).status_code))
    with frozen_server(embedded_server.pid):
        asking.start()
        SystemClock().sleep(FROZEN_S)  # what is waited for is the time itself
        assert answers == []
    asking.join(60)
    assert answers == [200]
