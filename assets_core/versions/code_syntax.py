"""Answers what stands in one source file: its normalised syntax, and where a loaded thing is in it.

Called by code_parts.py, once a file. It must not know digests, nor what the names in the file stand for.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

from .code_names import Bindings, bindings, nested_codes

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def code_text(code: CodeType) -> str:
    """Return what a code object does, not where it stands; equal in every process of one Python version."""
    return "\n".join(
        (
            f"code {code.co_qualname} {code.co_flags}",
            f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}",
            f"{code.co_varnames} {code.co_names} {code.co_cellvars} {code.co_freevars}",
            f"{code.co_code.hex()} {code.co_exceptiontable.hex()}",
            *map(_constant_text, code.co_consts),
        )
    )


def _constant_text(constant: object) -> str:
    match constant:
        case CodeType():
            return code_text(constant)
        case tuple():
            return f"({', '.join(map(_constant_text, constant))})"
        case frozenset():
            return f"frozenset({', '.join(sorted(map(_constant_text, constant)))})"
        case _:
            return repr(constant)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One parsed and normalised file, with what is needed to find things in it."""

    tree: ast.Module
    bound: Bindings
    functions: dict[int, list[Function]]
    classes: dict[str, list[ast.ClassDef]]
    codes: dict[tuple[str, int], list[CodeType]]
    statements: dict[str, list[ast.stmt]]  # name -> the module-level statements that bind or change what it holds
    calls: list[ast.stmt]  # the module-level statements that call something, which may change whatever there is

    def explaining(self, names: Iterable[str]) -> list[ast.stmt]:
        """Return the statements that say what an object is which has these names, in their order."""
        chosen = {id(each) for name in names for each in self.statements.get(name, ())} | {id(c) for c in self.calls}
        return [statement for statement in self.tree.body if id(statement) in chosen]

    def holds(self, code: CodeType) -> bool:
        """Tell whether the file still says what was loaded: an edit after the import must not be taken for it."""
        text = code_text(code)
        return any(text == code_text(other) for other in self.codes.get((code.co_qualname, code.co_firstlineno), ()))

    def function(self, code: CodeType) -> list[Function]:
        """Return the definition of a loaded function; several lambdas only where one line does not tell them apart."""
        if not self.holds(code):
            return []
        named = [node for node in self.functions.get(code.co_firstlineno, ()) if _name(node) == code.co_name]
        if len(named) < 2:
            return named
        # The body whose span holds every instruction; of nested ones the innermost.
        spans = [
            (line, column)
            for line, _, column, _ in code.co_positions()
            if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0)
        ]
        around = [node for node in named if isinstance(node, ast.Lambda) and all(map(_within(node.body), spans))]
        around.sort(key=lambda node: (node.body.lineno, node.body.col_offset))
        return [around[-1]] if around and spans else named


def read_source(file: str, is_dropped_decorator: Callable[[tuple[str, ...]], bool]) -> SourceFile | None:
    """Parse and normalise a file; None where there is no Python source to read.

    Dropped: comments, docstrings and other constants that stand as statements, places, the quoting of annotations, and
    the decorators whose dotted name is one for `is_dropped_decorator`.
    """
    try:
        with open(file, "rb") as stream:
            source = stream.read()
        tree = ast.parse(source)
        compiled = compile(tree, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None
    functions: dict[int, list[Function]] = {}
    classes: dict[str, list[ast.ClassDef]] = {}
    _index(tree, "", functions, classes)
    codes: dict[tuple[str, int], list[CodeType]] = {}
    for code in nested_codes(compiled):
        codes.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
    statements: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in sorted(bindings([statement]).names.union(_changed_roots(statement))):
            statements.setdefault(name, []).append(statement)
    calls = [statement for statement in tree.body if _calls(statement)]
    _normalise(tree, is_dropped_decorator)
    return SourceFile(tree, bindings(tree.body), functions, classes, codes, statements, calls)


def without_signature_annotations(node: Function) -> Function:
    """Return a function without the annotations of its parameters and result, unless a decorator may read them."""
    if isinstance(node, ast.Lambda) or node.decorator_list:
        return node
    bare = copy.copy(node)
    bare.returns = None
    bare.args = copy.deepcopy(node.args)
    arguments = bare.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument:
            argument.annotation = None
    return bare


def syntax_text(nodes: Iterable[ast.AST]) -> str:
    """Return the nodes as source code in one fixed layout."""
    return "\n".join(map(ast.unparse, nodes))


def _name(node: Function) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _within(body: ast.expr) -> Callable[[tuple[int, int]], bool]:
    start = (body.lineno, body.col_offset)
    end = (body.end_lineno or body.lineno, body.end_col_offset or 0)
    return lambda place: start <= place < end


def _index(
    parent: ast.AST, prefix: str, functions: dict[int, list[Function]], classes: dict[str, list[ast.ClassDef]]
) -> None:
    for node in ast.iter_child_nodes(parent):
        inner = prefix
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                first_line = node.decorator_list[0].lineno if node.decorator_list else node.lineno
                functions.setdefault(first_line, []).append(node)
                inner = f"{prefix}{node.name}.<locals>."
            case ast.Lambda():
                functions.setdefault(node.lineno, []).append(node)
                inner = f"{prefix}<lambda>.<locals>."
            case ast.ClassDef():
                classes.setdefault(prefix + node.name, []).append(node)
                inner = f"{prefix}{node.name}."
        _index(node, inner, functions, classes)


def _changed_roots(statement: ast.stmt) -> Iterator[str]:
    """Yield the names whose objects a statement may change: `x.a = 1`, `x["a"] = 1`, `x.update(...)`, `@x.register`."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        touched: list[ast.AST] = [*statement.decorator_list]
    else:
        touched = []
        for node in ast.walk(statement):
            match node:
                case ast.Expr(value=ast.Call(func=function)):
                    touched.append(function)
                case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                    touched.append(node)
    for node in touched:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name):
            yield node.id


def _calls(statement: ast.stmt) -> bool:
    """Tell whether a statement calls something for its effect when the module is imported."""
    return not isinstance(statement, Definition) and any(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) for node in ast.walk(statement)
    )


def _normalise(tree: ast.Module, is_dropped_decorator: Callable[[tuple[str, ...]], bool]) -> None:
    for node in ast.walk(tree):
        match node:
            case ast.Constant():
                node.kind = None
            case ast.arg() | ast.AnnAssign() if node.annotation:
                node.annotation = _Unquoted().visit(node.annotation)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                _normalise_definition(node, is_dropped_decorator)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                kept = [each for each in statements if not _says_nothing(each)]
                setattr(node, block, kept or ([ast.Pass()] if statements and block != "orelse" else []))


def _normalise_definition(node: Definition, is_dropped_decorator: Callable[[tuple[str, ...]], bool]) -> None:
    node.decorator_list = [
        each for each in node.decorator_list if not ((path := _path(each)) and is_dropped_decorator(path))
    ]
    if not isinstance(node, ast.ClassDef) and node.returns:
        node.returns = _Unquoted().visit(node.returns)


def _path(decorator: ast.expr) -> tuple[str, ...]:
    """Return the dotted name of a decorator, called or not; nothing where it is another expression."""
    path: list[str] = []
    while isinstance(decorator, (ast.Call, ast.Attribute)):
        if isinstance(decorator, ast.Attribute):
            path.insert(0, decorator.attr)
        decorator = decorator.func if isinstance(decorator, ast.Call) else decorator.value
    return (decorator.id, *path) if isinstance(decorator, ast.Name) else ()


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


class _Unquoted(ast.NodeTransformer):
    """Turns `"Frame"` in an annotation into `Frame`; what Literal and Annotated hold are values and stay."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        try:
            return self.visit(ast.parse(node.value.strip(), mode="eval").body)  # type: ignore[no-any-return]
        except SyntaxError:
            return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        return node if name in {"Literal", "Annotated"} else self.generic_visit(node)  # type: ignore[return-value]
