"""The rules of the house that a reader cannot see in one place: who imports whom, what is private, what is declared."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gan_course"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
AUTHORS = [*(ROOT / "lessons").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
LINES = 410  # a room that grows past this becomes a folder


def of(tree: ast.AST, *kinds) -> list:
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def imports(tree: ast.AST) -> set[str]:
    """Full names of what is imported: "torch", "gan_course.data.load", "gan_course.data.load.load"."""
    names = {alias.name for node in of(tree, ast.Import) for alias in node.names}
    for node in of(tree, ast.ImportFrom):
        names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    return module.partition("/")[0].removesuffix(".py")


def order() -> list[str]:
    """The rooms from the ground up, as CONTRIBUTING.md lists them: there they stand, and nowhere else."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text.partition("imports only what stands before it: ")[2].partition(".")[0]
    return re.findall(r"`(\w+)`", listed)


def test_the_order_names_every_room_once():
    assert sorted(order()) == sorted({room(module) for module in MODULES} - {"__init__"})


def test_a_module_imports_only_what_stands_before_its_room():
    rooms = order()
    for module, tree in MODULES.items():
        allowed = rooms[: rooms.index(room(module)) + 1] if module != "__init__.py" else []
        for name in imports(tree):
            package, _, rest = name.partition(".")
            assert package not in ("lessons", "tests", "notebooks"), f"{module} imports {name}"
            if package == "gan_course" and (used := rest.partition(".")[0]) in rooms:
                assert used in allowed, f"{module} imports {used}, which stands after {room(module)} in CONTRIBUTING.md"


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def defined(tree: ast.AST) -> set[str]:
    """Private names that a module gives to something: functions, classes, variables, attributes."""
    names = {node.name for node in of(tree, ast.FunctionDef, ast.ClassDef)}
    names |= {node.id for node in of(tree, ast.Name) if isinstance(node.ctx, ast.Store)}
    return {name for name in names | {n.attr for n in of(tree, ast.Attribute) if isinstance(n.ctx, ast.Store)} if private(name)}


def test_no_private_name_of_another_module_is_used():
    ours = {module: defined(tree) for module, tree in MODULES.items()}
    for module, tree in MODULES.items():
        others = set().union(*(names for name, names in ours.items() if name != module)) - ours[module]
        used = {node.attr for node in of(tree, ast.Attribute) if ast.unparse(node.value) not in ("self", "cls")} & others
        used |= {a.name for n in of(tree, ast.ImportFrom) if n.module.startswith("gan_course") for a in n.names if private(a.name)}
        assert not used, f"{module} uses {used}"


def test_no_module_is_too_long():
    long = {module: len((PACKAGE / module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert not {module: n for module, n in long.items() if n > LINES}, "make it a folder"


def test_home_and_the_network_are_decided_in_one_place():
    text = {module: (PACKAGE / module).read_text(encoding="utf-8") for module in MODULES}
    assert [module for module in text if "expanduser" in text[module]] == ["settings.py"]
    assert [module for module in text if re.search(r"environ\W+(get\()?.GAN_COURSE_OFFLINE", text[module])] == ["settings.py"]
    assert [module for module in text if "cuda.is_available" in text[module]] == ["scale.py"]


def test_text_files_name_their_encoding():
    """Windows would take the code page of the country."""
    sources = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "lessons").glob("*.py")}
    for module, tree in (MODULES | sources).items():
        for call in of(tree, ast.Call):
            name, words = getattr(call.func, "attr", getattr(call.func, "id", "")), ast.unparse(call)
            binary = re.search(r"""['"][rwax]+b\+?['"]""", words)
            if name in ("read_text", "write_text") or (name == "open" and isinstance(call.func, ast.Name) and not binary):
                assert re.search(r"utf-8|encoding=", words), f"{module}, line {call.lineno}: {words}"


# ---------------------------------------------------------------- declared dependencies


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {plain(r.name): r for r in map(Requirement, lines)}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def third_party(trees) -> set[str]:
    """Distributions behind the imports of these modules."""
    top = {name.partition(".")[0] for tree in trees for name in imports(tree)}
    known = importlib.metadata.packages_distributions()
    return {plain(known[name][0]) for name in top - sys.stdlib_module_names - {"gan_course"} if name in known}


def test_what_is_imported_is_declared():
    trees = [*MODULES.values(), *(ast.parse(path.read_text(encoding="utf-8")) for path in AUTHORS)]
    assert third_party(trees) <= set(declared())
    assert {"torch", "pillow", "scikit-learn", "requests", "joblib"} <= third_party(trees)


def test_the_exact_set_fits_what_is_declared():
    pinned = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8")))
    pinned = {plain(name): version for name, version in pinned.items()}
    assert not {name for name, needs in declared().items() if not needs.specifier.contains(pinned.get(name, "0"), prereleases=True)}


def test_conda_gets_what_pip_gets():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = re.findall(r"(?m)^ +- ([\w-]+)", (ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert {plain(Requirement(line).name) for line in project["dependencies"]} - {"torch", "ipython"} <= set(map(plain, conda))
