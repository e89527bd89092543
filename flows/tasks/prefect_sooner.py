"""Prefect, loaded without work whose outcome is known or that no run uses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from inspect import currentframe
from typing import Any

from blocks.later import loaded_later

_DUMP = "model_dump"
_V1_SCHEMA = "prefect._internal.pydantic.v1_schema"


@contextmanager
def prefect_sooner() -> Iterator[None]:
    """Within: Prefect loads without work whose outcome is known or that no run uses.

    Where it is loaded already, or lacks what is changed here, it stays as it is.
    """
    if "prefect.main" in sys.modules:
        yield
        return
    # Its command line brings two libraries that nothing else here loads.
    with loaded_later("httpx", "_main", "main"), suppress(ImportError):
        import_module("httpx")
    with _each_setting_rendered_once():
        yield
    _no_search_for_models_of_pydantic_1()


@contextmanager
def _each_setting_rendered_once() -> Iterator[None]:
    """Within: settings become environment variables, for what configures Prefect's logging, once.

    Prefect has each group of settings render all that is in it, and then each group within it do
    the same again, whose answer is the one that counts.
    """
    try:
        from prefect.settings.base import PrefectBaseSettings as Settings
    except ImportError:
        yield
        return
    as_variables = getattr(Settings, "to_environment_variables", None)
    if as_variables is None or _DUMP in vars(Settings):
        yield
        return
    dump = Settings.model_dump

    @wraps(dump)
    def dump_own(self: Settings, **options: Any) -> dict[str, Any]:
        frame = currentframe()
        if frame and frame.f_back and frame.f_back.f_code is as_variables.__code__:
            groups = {name for name, value in self if isinstance(value, Settings)}
            options.setdefault("exclude", groups)
        return dump(self, **options)

    setattr(Settings, _DUMP, dump_own)
    try:
        yield
    finally:
        # Of threads that came at once, one has set it last; without it there is pydantic's.
        if vars(Settings).get(_DUMP) is dump_own:
            delattr(Settings, _DUMP)


def _no_search_for_models_of_pydantic_1() -> None:
    """Prefect loads pydantic 1 to see whether a flow's parameter is a model of it.

    Where nobody else has loaded it there is none.
    """
    names = vars(sys.modules[_V1_SCHEMA]) if _V1_SCHEMA in sys.modules else {}
    if "is_v1_model" not in names:
        return
    is_v1_model = names["is_v1_model"]

    @wraps(is_v1_model)
    def is_model_of_what_is_loaded(value: Any) -> bool:
        return "pydantic.v1" in sys.modules and bool(is_v1_model(value))

    names["is_v1_model"] = is_model_of_what_is_loaded
