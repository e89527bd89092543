"""Environments by name, within a flow and outside of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from flows.errors import SettingsError
from flows.tasks.environments import environment_of, keeping_environments
from tests.support.world import World


def test_within_a_flow_the_blocks_stay_as_they_were_when_it_began(world: World) -> None:
    with keeping_environments():
        assert environment_of(world.name).log_environment == "production"
        world.register(LOG_ENVIRONMENT="staging")
        assert environment_of(world.name).log_environment == "production"
        with ThreadPoolExecutor(1) as pool:
            task = pool.submit(copy_context().run, environment_of, world.name)
            assert task.result().log_environment == "production"
    # The next run finds what was registered meanwhile.
    with keeping_environments():
        assert environment_of(world.name).log_environment == "staging"


def test_outside_of_a_flow_each_call_finds_the_blocks_as_they_are(world: World) -> None:
    assert environment_of(world.name).log_environment == "production"
    world.register(LOG_ENVIRONMENT="staging")
    assert environment_of(world.name).log_environment == "staging"


def test_an_environment_that_was_not_found_is_looked_for_again(world: World) -> None:
    with keeping_environments():
        with pytest.raises(SettingsError):
            environment_of("not-yet-there")
        assert environment_of(world.name).log_environment == "production"
        with pytest.raises(SettingsError):
            environment_of("not-yet-there")
