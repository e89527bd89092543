"""Compiled code is checked by nobody at run time: a wrong index or a freed array is a crash."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def compiled_functions() -> list[ast.FunctionDef]:
    return [
        node
        for path in sorted((ROOT / "flows").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(getattr(one, "id", "") in ("compiled", "inlined") for one in node.decorator_list)
    ]


def test_no_compiled_function_takes_the_pointer_of_an_array_that_it_made() -> None:
    """Numba frees an array behind its own last use, although its pointer is still in use."""
    functions = compiled_functions()
    assert len(functions) > 20
    for function in functions:
        parameters = {one.arg for one in function.args.args}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "pointer":
                [array] = call.args
                name = array.value if isinstance(array, ast.Attribute) else array
                assert isinstance(name, ast.Name), (function.name, ast.unparse(call))
                assert name.id in parameters, (function.name, ast.unparse(call))
