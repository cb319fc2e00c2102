from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.monitoring.causes import (
    small_disk,
    write_certificate,
)
from tests.integration.monitoring.scene import REGISTRY, Scene, scene
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("scene")
    certificate = place / "ca.pem"
    write_certificate(certificate, 365)
    given = REGISTRY | {"EXCHANGE_BROKER_CA_FILE": str(certificate)}
    with pytest.MonkeyPatch.context() as patch, small_disk(place / "var/registry"):
        for name, value in given.items():
            patch.setenv(name, value)
        environment = {name: value for name, value in os.environ.items() if name not in given}
        with scene(place, environment, certificate) as made:
            wait_until(lambda: made.landed == 20, 60, "the rows have landed")
            wait_until(lambda: len(made.prometheus.query("up == 1")) == 5, 60, "all five are scraped")
            yield made


@pytest.fixture
def calm(here: Scene) -> None:
    """Nothing fires before a test, so that what fires in it has its cause there; but the key ages by itself."""
    wait_until(lambda: not here.prometheus.firing() - {"ExchangeSigningKeyOld"}, 120, "nothing fires")
