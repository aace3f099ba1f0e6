"""The product's source files, as the tests about the product itself read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("zipmo_ros", "policy", "sim", "launch")


@cache
def trees() -> dict[Path, ast.Module]:
    """Every source file, relative to the root, and what is in it."""
    files = sorted(file for folder in PRODUCT for file in (ROOT / folder).rglob("*.py"))
    assert len(files) > 100, "the product is somewhere else"
    return {file.relative_to(ROOT): ast.parse(file.read_text()) for file in files}


def module_name(file: Path) -> str:
    """What a source file is imported as."""
    parts = file.with_suffix("").parts
    parts = parts[1:] if parts[0] in ("policy", "sim") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(file: Path, node: ast.AST) -> str:
    """Where a node stands, and its text."""
    return f"{file}:{node.lineno}: {ast.unparse(node)}"
