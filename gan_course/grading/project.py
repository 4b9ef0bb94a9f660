"""The automatic part of a guided project's grade: read off the stored table and the prose. Nothing of the submission is run."""

import math
import re

from gan_course import UserError, project
from gan_course.grading.submission import Cell
from gan_course.grading.table import Result

PARTS = ("protocol", "seeds", "references", "figures")
HEADING = re.compile(r"(?m)^(#+)\s+(.*)$")


def recognised(cells: list[Cell]) -> bool:
    """Whether a submission is a project: it makes a table of results, or shows one."""
    return any(cell.kind == "code" and ("project.Results(" in cell.source or _tables(cell)) for cell in cells)


def grade(cells: list[Cell]) -> dict[str, Result]:
    """Each of `PARTS`; not done while the project still asks what the template asks."""
    tables = [table for cell in cells for table in _tables(cell)]
    try:
        if not tables:
            raise UserError("no table of results is stored in it: run every cell and save")
        results = project.Results.read(tables[-1])
    except UserError as error:
        return dict.fromkeys(PARTS, Result("not run", str(error)))
    if results.protocol["question"] == project.EXAMPLE:
        return dict.fromkeys(PARTS, Result("not done", "it asks the template's own question"))
    told = {
        "protocol": _protocol(results),
        "seeds": _seeds(results),
        "references": _references(results),
        "figures": _figures(answer(cells), results),
    }
    return {part: Result("failed" if why else "passed", why) for part, why in told.items()}


def answer(cells: list[Cell]) -> str:
    """The words under the heading "Answer", up to the next heading of its rank."""
    text = "\n\n".join(cell.source for cell in cells if cell.kind == "markdown")
    found = next((h for h in HEADING.finditer(text) if h[2].strip().lower().startswith("answer")), None)
    if found is None:
        return ""
    end = next((h.start() for h in HEADING.finditer(text, found.end()) if len(h[1]) <= len(found[1])), len(text))
    return text[found.end() : end].strip()


def _tables(cell: Cell) -> list[str]:
    return [text for text in cell.shown if text.startswith(project.MARK)]


def _protocol(results: project.Results) -> str:
    empty = [name for name, words in results.protocol.items() if len(words.strip(" .…")) < 3]
    return f"nothing is said of: {', '.join(empty)}" if empty else ""


def _seeds(results: project.Results) -> str:
    if len(results.scores) < 2:
        return "there is nothing to compare with: at least two variants"
    seeds = [set(by_seed) for by_seed in results.scores.values()]
    if any(other != seeds[0] for other in seeds):
        return "the variants were not run with the same seeds"
    if len(seeds[0]) < project.SEEDS:
        return f"{len(seeds[0])} of at least {project.SEEDS} seeds"
    if not all(math.isfinite(x) for by_seed in results.scores.values() for x in by_seed.values()):
        return "a score is no finite number; say in the answer what diverged, and measure what did not"
    same = [variant for variant, by_seed in results.scores.items() if len(set(by_seed.values())) == 1]
    return f"every seed of {same[0]!r} has the same score: is the seed handed on to the run?" if same else ""


def _references(results: project.Results) -> str:
    lacking = [name for name in project.REFERENCES if not math.isfinite(results.references.get(name, math.nan))]
    return f"no score {' and none '.join(project.REFERENCES[name] for name in lacking)}" if lacking else ""


def _figures(prose: str, results: project.Results) -> str:
    if not prose:
        return 'nothing stands under a heading "Answer"'
    right, wrong = project.figures_in(prose, results)
    if wrong:
        return f"the table does not give: {', '.join(wrong)}"
    return "" if right else "the answer names no figure of the table"
