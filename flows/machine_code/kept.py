"""Machine code, kept beside its source, where that can be written, or else in the user's cache.

Where neither can be, each process compiles anew. What is kept holds for one function as it is in
memory, for one compiler and for one processor.
"""

import hashlib
import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from platformdirs import user_cache_path

_DIGEST = hashlib.sha256().digest_size
_lock = threading.Lock()
_engines: list[llvm.ExecutionEngine] = []


def kept_code(
    function: Callable[..., Any], made_of: str, make: Callable[[], tuple[str, bytes]]
) -> int:
    """Where a function's machine code lies, in memory.

    Args:
        function: The function.
        made_of: A hash of all that it is made of.
        make: Compiles it: gives its symbol and the object file that defines it.
    """
    folders = _folders(function)
    module = function.__module__.rpartition(".")[2]
    name = f"{module}.{function.__name__}.{_machine()}.{made_of}.o"
    for folder in folders:
        found = _read(folder / name)
        if found is not None:
            return _loaded(*found)
    made = make()
    for folder in folders:
        with suppress(OSError):
            _write(folder / name, *made)
            break
    return _loaded(*made)


def _loaded(symbol: str, code: bytes) -> int:
    with _lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        # One for each: code of another state of a function may have the same symbol.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)  # its code is gone with it
        address: int = engine.get_function_address(symbol)
    assert address, symbol
    return address


def _folders(function: Callable[..., Any]) -> list[Path]:
    source = Path(function.__code__.co_filename).parent
    of_user = hashlib.sha256(os.fsencode(source)).hexdigest()[:16]
    return [source / "__pycache__", user_cache_path("user-page-views") / of_user]


@cache
def _machine() -> str:
    """A hash of the compiler and of the processor."""
    parts = (
        *(version(name) for name in ("numba", "llvmlite", "numpy")),
        platform.python_version(),
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _read(path: Path) -> tuple[str, bytes] | None:
    """What is kept, if it is whole: what a broken disk has left of it would be run."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    symbol, _, code = content[_DIGEST:].partition(b"\n")
    return symbol.decode(), code


def _write(path: Path, symbol: str, code: bytes) -> None:
    """Keep it whole or not at all, instead of what was kept of an earlier source."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = symbol.encode() + b"\n" + code
    new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        new.write_bytes(hashlib.sha256(content).digest() + content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    of_this = path.name.removesuffix(".o").rpartition(".")[0]
    with suppress(OSError):
        for other in path.parent.glob(f"{of_this}.*.o"):
            if other != path:
                other.unlink(missing_ok=True)
