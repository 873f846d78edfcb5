"""Classes as their source says that they are: the flags of methods without the import of what methods need.

A method's settings are flags, and importing a method imports torch. So that a mistake in a flag is answered at once,
signatures and docstrings are read from the source by Python's own parser.
"""

import ast
import builtins
import inspect
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "recolor_torch"


@cache
def known_methods() -> dict[str, type]:
    """The methods of the package by name, as classes that have the signature and the docstring alone."""
    module = _Source.of(f"{PACKAGE}.methods")
    table = module.bound["METHODS"]
    assert isinstance(table, ast.AnnAssign)
    assert isinstance(table.value, ast.Dict)
    pairs = zip(table.value.keys, table.value.values)
    return {ast.literal_eval(key): outline(module.name, value.id) for key, value in pairs if key is not None}  # type: ignore[attr-defined]


@cache
def classes_below(package: str) -> list[tuple[str, str]]:
    """Module and name of every class that a package's own modules define and do not hide."""
    folder = _file(package).parent
    modules = [package, *(f"{package}.{f.stem}" for f in sorted(folder.glob("*.py")) if f.stem != "__init__")]
    return [
        (module, name)
        for module in modules
        for name, node in _Source.of(module).bound.items()
        if isinstance(node, ast.ClassDef) and not name.startswith("_")
    ]


def read_constant(module: str, name: str) -> Any:
    """The value of a constant of the package, read from its source.

    Raises:
        LookupError: there is no such constant.
    """
    return _Source.of(module).value(name)


@cache
def outline(module: str, name: str) -> type:
    """A class with the docstring, and a constructor with the signature, of the class ``module.name``.

    Raises:
        LookupError: there is no source of such a class.
    """
    source, node = _Source.of(module).find(name)
    if not isinstance(node, ast.ClassDef):
        raise LookupError(f"{module}.{name} is no class.")
    owner, init = _constructor(source, node)
    parameters = [] if init is None else owner.parameters(init.args)
    if init is None and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        parameters = source.fields(node)

    def __init__(self: Any, **settings: Any) -> None:
        pass

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    __init__.__annotations__ = {p.name: p.annotation for p in parameters}
    text = ast.get_docstring(node) or (init and ast.get_docstring(init))
    return type(name, (), {"__init__": __init__, "__doc__": text})


def _constructor(source: "_Source", node: ast.ClassDef) -> tuple["_Source", ast.FunctionDef | None]:
    """The constructor of a class, or the one that it inherits, and where that stands."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return source, item
    for base in node.bases:
        if isinstance(base, ast.Name):
            try:
                where, parent = source.find(base.id)
            except LookupError:
                continue
            if isinstance(parent, ast.ClassDef):
                found = _constructor(where, parent)
                if found[1] is not None:
                    return found
    return source, None


class _Source:
    """A module of the package, parsed and not run."""

    def __init__(self, name: str) -> None:
        self.name = name
        tree = ast.parse(_file(name).read_text(encoding="utf-8"))
        self.bound: dict[str, ast.AST] = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                self.bound |= {alias.asname or alias.name: node for alias in node.names}
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.bound[node.targets[0].id] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.bound[node.target.id] = node
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.bound[node.name] = node

    @staticmethod
    @cache
    def of(name: str) -> "_Source":
        """The module of this name, parsed once."""
        return _Source(name)

    def find(self, name: str) -> tuple["_Source", ast.AST]:
        """What a name is bound to, and in which module of the package."""
        node = self.bound.get(name)
        if node is None:
            raise LookupError(f"{self.name} has no {name}.")
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
            return _Source.of(str(node.module)).find(original)
        return self, node

    def value(self, name: str) -> Any:
        """The value of a name that is bound to a constant, a type, or a name of the standard library."""
        source, node = self.find(name)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in sys.stdlib_module_names:
            return getattr(import_module(str(node.module)), name)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return source.evaluate(node.value)
        raise LookupError(f"{self.name}.{name} is no constant.")

    def evaluate(self, node: ast.expr) -> Any:
        """The value of an expression that is made of constants."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        inner = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        known = {name: self.value(name) for name in names - inner if not hasattr(builtins, name)}
        return eval(compile(ast.Expression(node), self.name, "eval"), known)

    def parameters(self, args: ast.arguments) -> list[inspect.Parameter]:
        """Parameters but for self; a type that needs more than constants is any type."""
        plain = args.args[1:]
        defaults: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
        defaults = defaults[-len(plain) :] if plain else []
        named = [*zip(plain, defaults), *zip(args.kwonlyargs, args.kw_defaults)]
        return [self._parameter(arg.arg, arg.annotation, default) for arg, default in named]

    def fields(self, node: ast.ClassDef) -> list[inspect.Parameter]:
        """The parameters of a dataclass."""
        found = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
        return [self._parameter(item.target.id, item.annotation, item.value) for item in found]  # type: ignore[union-attr]

    def _parameter(self, name: str, annotation: ast.expr | None, default: ast.expr | None) -> inspect.Parameter:
        try:
            kind = Any if annotation is None else self.evaluate(annotation)
        except (LookupError, NameError, AttributeError, ImportError):
            kind = Any
        try:
            value = inspect.Parameter.empty if default is None else self.evaluate(default)
        except (LookupError, NameError, AttributeError, ImportError):
            value = None  # what it is, only running the source says
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=kind)


def _file(module: str) -> Path:
    package, *parts = module.split(".")
    spec = find_spec(package)  # finds and does not import
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"There is no source of {module}.")
    base = Path(spec.submodule_search_locations[0], *parts)
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.is_file():
            return file
    raise LookupError(f"There is no source of {module}.")
