"""Functions compiled by numba. Only what compiles imports this."""

import ctypes
from collections.abc import Callable, Set
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
from numba import from_dtype, njit, types
from numba.extending import intrinsic

from flows.machine_code.calls import Array, Number, Shape, Tuple
from flows.machine_code.primitives import first_bit, pointer, word
from flows.machine_code.source import globals_of

# Nothing is made in it that somebody would have to give back.
_PART: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "forceinline": True}
# And Python does not call it by itself.
_WHOLE: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
_IN_LLVM: dict[Any, str] = {ctypes.c_void_p: "ptr", ctypes.c_int64: "i64", ctypes.c_int8: "i8"}


class CannotCompile(Exception):
    """What numba has made of a function cannot be called without it."""


def _pointer(_context: Any, array: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), lowered


def _word(_context: Any, _items: Any, _at: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        whole = context.get_value_type(types.uint64).as_pointer()
        return builder.load(builder.bitcast(place, whole), align=1)

    return types.uint64(types.CPointer(types.uint8), types.int64), lowered


def _first_bit(_context: Any, _bits: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), lowered


_PRIMITIVES: dict[Callable[..., Any], Any] = {
    pointer: intrinsic(_pointer),
    word: intrinsic(_word),
    first_bit: intrinsic(_first_bit),
}


def object_code(
    function: Callable[..., Any], shape: Shape, parts: Set[Callable[..., Any]]
) -> tuple[str, bytes]:
    """A function's symbol, and an object file for this machine that defines it.

    Args:
        function: The function.
        shape: What it takes and gives.
        parts: The functions that may be put into it.

    Raises:
        CannotCompile: This numba hands arguments over in another way than `calls` does, or
            the function cannot do without numba.
    """
    known = dict(_PRIMITIVES)

    def for_numba(source: Callable[..., Any]) -> Any:
        """The function, with numba's instead of ours for all that it calls."""
        names = globals_of(source)
        for name, value in names.items():
            if isinstance(value, FunctionType) and value in parts and value not in known:
                known[value] = njit(**_PART)(for_numba(value))
            if isinstance(value, FunctionType):
                names[name] = known.get(value, value)
        names["__name__"] = source.__module__
        code: Any = source.__code__
        return FunctionType(code, names, source.__name__, source.__defaults__)

    made: Any = njit(**_WHOLE)(for_numba(function))
    made.compile(tuple(_type(parameter) for parameter in shape.parameters))
    [result] = made.overloads.values()
    symbol: str = result.fndesc.llvm_func_name
    module = llvm.parse_assembly(made.inspect_llvm(result.signature.args))
    _check(module.get_function(symbol), result.signature.return_type, shape)
    needed = [one.name for one in module.functions if one.is_declaration]
    # What a process without numba would not find ends it.
    if others := [name for name in needed if not name.startswith("llvm.")]:
        raise CannotCompile(f"{symbol} needs more than itself: {', '.join(others)}")
    # Its own: what LLVM makes of the module's text anew takes half as long again.
    _, _, (code, _) = result.library.serialize_using_object_code()
    return symbol, code


def _type(kind: Number | Array | Tuple) -> Any:
    match kind:
        case Number():
            return types.boolean if kind.type is bool else types.int64
        case Array():
            return types.Array(from_dtype(kind.dtype), kind.dimensions, "C")
        case Tuple():
            return types.BaseTuple.from_types([_type(one) for one in kind.members], kind.type)


def _check(made: llvm.ValueRef, returned: Any, shape: Shape) -> None:
    """See that the function takes and gives what it will be called with: else it is a crash."""
    gives: dict[int | None, Any] = {None: types.int64, 0: types.none}
    wanted = gives.get(shape.results) or types.UniTuple(types.int64, shape.results or 0)
    takes = ["ptr" if one.type.is_pointer else str(one.type) for one in made.arguments]
    if returned != wanted or takes != ["ptr", "ptr", *(_IN_LLVM[one] for one in shape.flat)]:
        raise CannotCompile(
            f"{made.name} gives {returned} instead of {wanted}, or does not take its arguments as "
            "numba 0.68 hands them over: install that version."
        )
