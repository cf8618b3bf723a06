"""Answers which names from outside itself a piece of Python syntax reads: globals, closure variables, its own imports.

Called by code_parts.py for functions, classes and module-level statements, and by code_syntax.py. It must not know
modules, objects or digests.
"""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A read of `path`: from the surrounding names where `module` is empty, else out of that imported module."""

    module: str  # as written in the import statement, with its leading dots
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.module, *self.path) if self.module else self.path)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a piece of syntax reads."""

    references: tuple[Reference, ...]
    attributes: frozenset[str]
    modules: frozenset[str]


@dataclass(slots=True)
class Bindings:
    """The names that one scope binds; for imported ones also what they stand for."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, list[Reference]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    declared_global: set[str] = field(default_factory=set)
    is_class: bool = False


def imported(statement: ast.Import | ast.ImportFrom) -> list[tuple[str, Reference]]:
    """Return each local name that an import binds (`*` for a star) with what it stands for."""
    if isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
        return [(alias.asname or alias.name, Reference(module, (alias.name,))) for alias in statement.names]
    return [
        (alias.asname, Reference(alias.name, ()))
        if alias.asname
        else (alias.name.partition(".")[0], Reference(alias.name.partition(".")[0], ()))
        for alias in statement.names
    ]


def bindings(statements: Iterable[ast.AST], *, is_class: bool = False) -> Bindings:
    """Collect what the statements bind in their own scope, not entering the scopes within."""
    found = Bindings(is_class=is_class)
    not_here: set[str] = set()
    pending: list[tuple[ast.AST, bool]] = [(statement, False) for statement in statements]
    while pending:
        node, in_comprehension = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.names.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # A comprehension binds its own targets; only `:=` inside it binds here.
                in_comprehension = True
            case ast.NamedExpr(target=ast.Name(id=name)):
                found.names.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if not in_comprehension:
                found.names.add(name)
            case ast.Global(names=names):
                not_here.update(names)
                found.declared_global.update(names)
            case ast.Nonlocal(names=names):
                not_here.update(names)
            case ast.Import() | ast.ImportFrom():
                for name, reference in imported(node):
                    if name == "*":
                        found.stars.append(reference.module)
                    else:
                        found.names.add(name)
                        found.imports.setdefault(name, []).append(reference)
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                found.names.add(name)
        pending.extend((child, in_comprehension) for child in ast.iter_child_nodes(node))
    found.names -= not_here
    return found


def reads(nodes: Iterable[ast.AST]) -> Reads:
    """Return what the nodes, taken as module-level code, read from outside themselves."""
    reader = _Reader()
    for node in nodes:
        reader.visit(node)
    return Reads(
        references=tuple(sorted(reader.references)),
        attributes=frozenset(reader.attributes),
        modules=frozenset(reader.modules),
    )


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.references: set[Reference] = set()
        self.attributes: set[str] = set()
        self.modules: set[str] = set()
        self.scopes: list[Bindings] = []

    def _read(self, name: str, rest: tuple[str, ...]) -> None:
        for depth, scope in enumerate(reversed(self.scopes)):
            # The names of a class body are seen by that body alone, not by its methods.
            if scope.is_class and depth:
                continue
            if name in scope.declared_global:
                break
            if name in scope.names:
                for reference in scope.imports.get(name, ()):
                    self.references.add(Reference(reference.module, reference.path + rest))
                return
        self.references.add(Reference("", (name, *rest)))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id, ())

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            chain.append(root.attr)
            root = root.value
        self.attributes.update(chain)
        if isinstance(root, ast.Name):
            self._read(root.id, tuple(reversed(chain)))
        else:
            self.visit(root)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id, ())
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.modules.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.modules.add("." * node.level + (node.module or ""))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._function(
            node.args, node.body, [*getattr(node, "type_params", ()), *([node.returns] if node.returns else ())]
        )

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node.args, [node.body], [])

    def _function(
        self, arguments: ast.arguments, body: list[ast.stmt] | list[ast.expr], signature: list[ast.AST]
    ) -> None:
        self.visit(arguments)  # annotations and defaults belong to the scope around the function
        for part in signature:
            self.visit(part)
        scope = bindings(body)
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        scope.names.update(argument.arg for argument in named if argument)
        scope.names.update(getattr(part, "name", "") for part in signature)  # type parameters
        self.scopes.append(scope)
        for statement in body:
            self.visit(statement)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *node.keywords, *getattr(node, "type_params", ())):
            self.visit(part)
        scope = Bindings(is_class=True)
        self.scopes.append(scope)
        for statement in node.body:
            self.visit(statement)
            # A name of a class body hides the outer one only from here on, and only when it is bound for certain.
            if not isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.TryStar, ast.With, ast.Match)):
                bound = bindings([statement])
                if not (isinstance(statement, ast.AnnAssign) and statement.value is None):
                    scope.names |= bound.names
                scope.imports.update(bound.imports)
        self.scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)  # evaluated in the scope around the comprehension
        scope = bindings(generator.target for generator in node.generators)
        self.scopes.append(scope)
        for position, generator in enumerate(node.generators):
            self.visit(generator.target)
            if position:
                self.visit(generator.iter)
            for condition in generator.ifs:
                self.visit(condition)
        for value in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(value)
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code object and every one within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_codes(constant)


def reads_of_code(code: CodeType) -> Reads:
    """Return what a code object without source reads; modules count as wholes."""
    names: set[str] = set()
    attributes: set[str] = set()
    modules: set[str] = set()
    for each in nested_codes(code):
        for instruction in dis.get_instructions(each):
            match instruction.opname:
                case "LOAD_GLOBAL" | "LOAD_NAME":
                    names.add(instruction.argval)
                case "LOAD_ATTR" | "LOAD_METHOD":
                    attributes.add(instruction.argval)
                case "IMPORT_NAME":
                    modules.add(instruction.argval)
    references = {Reference("", (name,)) for name in names} | {Reference(module, ()) for module in modules}
    return Reads(tuple(sorted(references)), frozenset(attributes), frozenset(modules))
