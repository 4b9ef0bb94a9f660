"""A pristine lesson, and the answers that a submission gives to its exercises, found by what tools leave of a cell."""

import ast
import re
import symtable
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from pathlib import Path

import gan_course
from gan_course import UserError
from gan_course.grading import submission
from gan_course.grading.submission import Cell

PACKAGE = Path(gan_course.__file__).parent
CHECK = "check_"  # the id of a check's cell: this, and the name of the exercise
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # what Python's own parser says of a source


@dataclass(frozen=True)
class Answer:
    """To one exercise: the sources to run, in order ([]: the submission has none), and what an instructor should know."""

    sources: list[str]
    note: str = ""


class Lesson:
    """A learner's notebook as handed out. UserError where a check has no stub."""

    def __init__(self, path: Path):
        try:
            self.name, self.cells = path.stem, submission.read(path)
            place = {cell.id: i for i, cell in enumerate(self.cells)}
            self.exercises = [c.id.removeprefix(CHECK) for c in self.cells if c.kind == "code" and "check" in c.names]
            self.stubs = {name: place[name] for name in self.exercises}
            self.checks = {name: place[CHECK + name] for name in self.exercises}
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except KeyError as error:
            raise UserError(f"{path}: no cell {error.args[0]!r} to a check; give the notebooks as you handed them out") from error
        self.by_id = {cell.id: i for i, cell in reversed(list(enumerate(self.cells)))}
        self.by_text = {_words(cell): i for i, cell in reversed(list(enumerate(self.cells))) if cell.source.strip()}

    def names(self, exercise: str) -> set[str]:
        """What an exercise's answer has to define or assign."""
        return self._bound[exercise]

    @cached_property
    def _bound(self) -> dict[str, set[str]]:
        return {name: bound(self.cells[i].source)[1] for name, i in self.stubs.items()}

    def counterpart(self, cell: Cell) -> int | None:
        """Which of the lesson's cells a submitted one is: the same text, or the same id, or one that ends in a check (merged)."""
        if (same := self.by_text.get(_words(cell))) is not None:
            return same
        if (same := next((self.by_id[name] for name in cell.names if name in self.by_id), None)) is not None:
            return same if self.cells[same].kind == cell.kind else None
        if cell.kind == "code":
            last = cell.source.rstrip()
            return next((i for i in self.checks.values() if last.endswith("\n" + self.cells[i].source.strip())), None)
        return None

    def answers(self, cells: list[Cell]) -> dict[str, Answer]:
        """Each exercise's answer.

        To it belong all code cells between the lesson's cells above the stub and its check, and wherever they stand those with
        its id, name or tag and those that define its function. If none of these binds what is asked for: any that binds it.
        """
        like = [self.counterpart(cell) for cell in cells]
        keys = [-1 - i if k is None else k for i, k in enumerate(like)]
        matcher = SequenceMatcher(None, range(len(self.cells)), keys, autojunk=False)
        place = {a + i: b + i for a, b, n in matcher.get_matching_blocks() for i in range(n)}
        stubs = set(self.stubs.values())
        mine = {  # code that is not the lesson's own
            i: bound(cell.source)
            for i, cell in enumerate(cells)
            if cell.kind == "code" and cell.source.strip() and (self.by_text.get(_words(cell)) in stubs | {None})
        }
        return {name: self._answer(name, cells, like, place, mine) for name in self.exercises}

    def _answer(self, name, cells, like, place, mine) -> Answer:
        stub, check, wanted = self.cells[self.stubs[name]], self.checks[name], self.names(name)
        untouched = {i for i in mine if _same(cells[i].source, stub.source)}
        own = {i for i in mine if like[i] == self.stubs[name]}
        free = {i for i in mine if like[i] not in self.stubs.values()} | own  # no other exercise's
        elsewhere = set().union(*(self.names(other) for other in self.exercises if other != name))
        binding = {i for i in free if mine[i][1] & wanted}

        above = max((i for i in place if i < self.stubs[name]), default=None)
        below = min((i for i in place if i > self.stubs[name]), default=None)
        region = range(0 if above is None else place[above] + 1, len(cells) if below is None else place[below])
        region = (
            {i for i in region if i in free and (i in binding or not mine[i][1] & elsewhere)}
            if (above, below) != (None, None)
            else set()
        )
        merged = {i for i in free if like[i] == check and i in binding}
        defining = {i for i in binding if mine[i][0] & bound(stub.source)[0]}
        chosen = region | merged | own | defining | {i for i in free if name in cells[i].names}
        if not (chosen & (binding | own)) - untouched:
            chosen |= binding
        if not chosen & (binding | own):
            return Answer([])
        sources = [cells[i].source for i in sorted(chosen)]
        if (whole := "\n".join(sources)) and _tree(whole) and not all(map(_tree, sources)):
            return Answer([whole])  # split in the middle of a function
        if (chosen & (binding | own)) - untouched:  # an answer beats a copy of the stub
            sources = [cells[i].source for i in sorted(chosen - untouched)]
        sources = list(dict.fromkeys(reversed(sources)))[::-1]  # of equal ones the last
        giving = [bound(source)[1] & wanted for source in sources]
        twice = any(sum(word in given for given in giving) > 1 for word in wanted)
        return Answer(sources, "two different answers, the last one counts" if twice else "")


def load_lessons(folder: Path | None = None) -> list[Lesson]:
    """The lessons as handed out (default: notebooks/ of the repository that the package runs from). UserError if none is there."""
    place = folder or PACKAGE.parent / "notebooks"
    paths = sorted(place.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        told = f"no lesson (NN_name.ipynb) in {place}" if folder else "the package is installed without its lessons"
        raise UserError(f"{told}; give --lessons FOLDER with the notebooks as you handed them out")
    return [Lesson(path) for path in paths]


def recognise(lessons: list[Lesson], cells: list[Cell], name: str) -> Lesson | None:
    """The lesson that a submission is of: the one that most of its cells come from or answer, else the one in its file name."""
    ids = Counter(key for lesson in lessons for key in {cell.id for cell in lesson.cells})
    shared, found = {key for key, n in ids.items() if n > 1}, {}
    defined = set().union(*(bound(cell.source)[0] for cell in cells if cell.kind == "code"))
    for lesson in lessons:
        hit = {lesson.cells[i].id for cell in cells if (i := lesson.counterpart(cell)) is not None} - shared
        hit |= {exercise for exercise in lesson.exercises if bound(lesson.cells[lesson.stubs[exercise]].source)[0] & defined}
        found[lesson] = (len(hit), lesson.name.lower() in name.lower())
    best = max(found, key=found.get)
    return best if any(found[best]) else None


@lru_cache(1000)
def bound(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell defines (def, class), and all that it binds, at its top level; by its lines where Python cannot read it."""
    try:
        symbols = symtable.symtable(source, "cell", "exec").get_symbols()
        defined = {s.get_name() for s in symbols if s.is_namespace()}
        return defined, defined | {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    except UNREADABLE:
        defined = set(re.findall(r"(?m)^(?:async\s+)?(?:def|class)\s+(\w+)", source))
        targets = re.findall(r"(?m)^(\w[\w ,]*)(?::[^=\n]+)?=(?!=)", source)
        return defined, defined | {word for target in targets for word in re.findall(r"\w+", target)}


def _words(cell: Cell) -> tuple[str, str]:
    """What is compared: the kind and the text without regard to spaces and line breaks."""
    return cell.kind, " ".join(cell.source.split())


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except UNREADABLE:
        return None


def _same(source: str, stub: str) -> bool:
    """Whether a cell is the untouched stub: comments, docstrings, `...` and `pass` do not count."""
    bare = []
    for tree in (_tree(source), _tree(stub)):
        if tree is None:
            return source.split() == stub.split()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                node.body = [
                    s
                    for s in node.body
                    if not isinstance(s, ast.Pass) and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
                ]
        try:
            bare.append(ast.dump(tree))
        except RecursionError:
            return False
    return bare[0] == bare[1]
