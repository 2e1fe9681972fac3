"""No process begins its work because somebody imported it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENTRIES = sorted(ROOT.glob("*/*/src/pelton/*/__main__.py"))


def is_quiet(statement: ast.stmt) -> bool:
    """Whether a statement only names things, or stands behind the guard."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(value=value) | ast.AnnAssign(value=value):
            return not any(isinstance(node, ast.Call) for node in ast.walk(value or ast.Constant(None)))
        case ast.If(test=test):
            return ast.unparse(test) == "__name__ == '__main__'"
    return False


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.parent.name)
def test_a_main_module_does_nothing_when_it_is_imported(entry: Path) -> None:
    loud = [ast.unparse(one) for one in ast.parse(entry.read_text()).body if not is_quiet(one)]
    assert loud == []


def test_the_rule_finds_what_breaks_it() -> None:
    assert not any(map(is_quiet, ast.parse("service = Service()\nservice.run()\nif fast:\n    run()").body))
