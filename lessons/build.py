"""Build notebooks/ and notebooks/solutions/ from lessons/*.py, the glossary's notebook from docs/glossary.md, README's table of lessons.

python lessons/build.py            build; outputs of unchanged cells stay
python lessons/build.py --check    say which notebooks are not in step with their lesson; exit status 1 if any
python lessons/build.py --execute  build, run at `cpu` scale on the real data, store the outputs. The solutions run at that
                                   scale; the learner's version runs at `smoke` and takes over what both have in common
Names of lessons (01_mlp_gan …) limit either to those.
"""

import argparse
import ast
import base64
import copy
import hashlib
import json
import os
import re
import sys
import tomllib
import unicodedata
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import TagRemovePreprocessor

from gan_course.scale import LESSONS as TABLE
from gan_course.scale import SCALES

LESSONS = Path(__file__).resolve().parent
ROOT = LESSONS.parent
VERSIONS = {"notebooks": "solution", "notebooks/solutions": "stub"}  # folder → the tag that is left out there
START = "start"  # the page that `make lab` opens: no lesson, and it has no solutions
PROJECTS = "notebooks/projects"  # of lessons/project_*.py, which have no solutions either
COMPARED = "nbval-check-output"
LIVE = (
    "application/vnd.jupyter.widget-view+json"  # belongs to the kernel that showed it; stored, it is an error message on every page
)
SPOILER = "spoiler"  # tag of an output that would answer a question above it: the learner's notebook holds it only once it has run
PLACEHOLDER = "# {{bootstrap}}"  # the first code cell of every lesson is this line
# What takes its place. Colab brings torch and most of what the package needs, so nothing of
# that is resolved again: --no-deps. Running the cell again, or running it elsewhere, does nothing.
BOOTSTRAP = """\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules:  # only on Colab
    if find_spec("gan_course") is None:
        %pip install -q --no-deps git+https://github.com/{{repository}}@{{ref}}
        %pip install -q pooch safetensors filelock
    import torch
    if not torch.cuda.is_available():
        print("No GPU here. To switch one on: Runtime > Change runtime type > T4 GPU > Save, then run from the top.")"""
CELL_SECONDS = 1800
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def lessons() -> list[str]:
    """Names of the lessons, in order."""
    return sorted(p.stem for p in LESSONS.glob("[0-9][0-9]_*.py"))


def projects() -> list[str]:
    """The project's template and its worked examples."""
    return sorted(p.stem for p in LESSONS.glob("project_*.py"))


def pages() -> list[str]:
    """The lessons, the start page where there is one, the project's notebooks."""
    return lessons() + [p.stem for p in LESSONS.glob(f"{START}.py")] + projects()


def folders(name: str) -> list[str]:
    """Where the versions of a page stand, the one with answers first."""
    return ["notebooks"] if name == START else [PROJECTS] if name in projects() else list(reversed(VERSIONS))


def heading(name: str) -> str:
    """A lesson's own first heading, such as "01 An MLP GAN on MNIST"."""
    return re.search(r"(?m)^# # (.+)$", (LESSONS / f"{name}.py").read_text(encoding="utf-8"))[1]


def ways(name: str, folder: str) -> str:
    """The line to the lesson before, the start page and the lesson after."""
    at = lessons().index(name)
    before, after = ([n] if n in lessons() else [] for n in ((lessons()[at - 1] if at else ""), (lessons() + [""])[at + 1]))
    line = [f"[← {heading(n)}]({n}.ipynb)" for n in before]
    line += [f"[all lessons]({relative(f'notebooks/{START}.ipynb', folder)})"]
    return " · ".join(line + [f"[{heading(n)} →]({n}.ipynb)" for n in after])


def relative(path: str, folder: str) -> str:
    """The way to a path of the repository from a folder of it, as a link has it."""
    return os.path.relpath(path, folder).replace(os.sep, "/")


def launch(name: str, folder: str = "notebooks") -> dict[str, str]:
    """Where a notebook opens on a machine of somebody else's: {"Colab": address, "Binder": address}."""
    repo, at, path = repository(), ref(), f"{folder}/{name}.ipynb"
    return {
        "Colab": f"https://colab.research.google.com/github/{repo}/blob/{at}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{repo}/{at}?urlpath=lab/tree/{path}",
    }


def minutes(name: str, scale: str) -> str:
    """How long a lesson takes at a scale, by the table of lessons."""
    value = TABLE[name[:2]].minutes[scale] if name[:2] in TABLE else 0
    return "30 s" if scale == "smoke" and value < 0.5 else f"{value:g} min" + (", an estimate" if scale == "gpu" else "")


def figures(name: str) -> dict[str, str]:
    """What the table of lessons knows of one, by placeholder: {{cpu_minutes}}, {{cpu_rung_seconds}}, {{gpu_n_eval}}, {{rungs}} …"""
    found = {f"{scale}_minutes": minutes(name, scale) for scale in SCALES}
    if row := TABLE.get(name[:2]):
        found |= {what: COUNTS[getattr(row, what)] for what in ("rungs", "live_runs")}
        numbers = {"further_seconds": row.further_seconds}
        numbers |= {f"{scale}_{what}": n for scale, budget in row.budgets.items() for what, n in vars(budget).items()}
        found |= {what: f"{n:,.0f}" + " s" * what.endswith("seconds") for what, n in numbers.items() if n}
    return {f"{{{{{what}}}}}": told for what, told in found.items()}


def glossary() -> dict[str, tuple[str, str]]:
    """GitHub's anchor of each term → (term, definition in Markdown), from docs/glossary.md."""
    path = ROOT / "docs" / "glossary.md"
    parts = re.split(r"(?m)^### (.+)\n", path.read_text(encoding="utf-8"))[1:] if path.exists() else []
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-"): (term, text.strip()) for term, text in pairs}


def cell_id(name: str) -> str:
    """A name as the id of a cell, in which only plain letters, digits, - and _ may stand."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]", "-", plain)


def term_link(found: re.Match, terms: dict, folder: str) -> str:
    """A link to a term, its definition as the text that shows up where the pointer rests. It leads to the term's cell in the
    glossary's notebook: JupyterLab's Markdown preview has no anchors, and a heading is missed when its notebook opens anew."""
    _, text = terms[found[1]]
    plain = re.sub(r"\s+", " ", re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", text.partition(" Lesson")[0])).replace('"', "'")
    return f']({relative("notebooks/glossary.ipynb", folder)}#cell-id={cell_id(found[1])} "{plain}")'


def lesson_table(link: str) -> str:
    """The lessons as a Markdown table; `link` is the folder of the notebooks as seen from the page."""
    rows = ["| | lesson | what you do | on two cores | open |", "|---|---|---|---|---|"]
    for name in lessons():
        row, at = TABLE[name[:2]], launch(name)
        ways_in = " · ".join(f"[{where}]({address})" for where, address in at.items())
        rows.append(f"| {row.number} | [{row.title}]({link}{name}.ipynb) | {row.what} | {minutes(name, 'cpu')} | {ways_in} |")
    return "\n".join(rows)


def readme() -> str:
    """README.md with the table of lessons as it stands in `gan_course.scale`."""
    before, mark, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- lessons -->\n")
    return before + mark + lesson_table("notebooks/") + rest[rest.index("\n<!-- /lessons -->") :]


def glossary_notebook() -> nbformat.NotebookNode:
    """docs/glossary.md as a notebook, a cell a term: there a link to a heading works."""
    top = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").partition("\n### ")[0].strip()
    texts = {"top": f"{top}\n\n[all lessons]({START}.ipynb)"}
    texts |= {key: f"### {term}\n{text}" for key, (term, text) in glossary().items()}
    terms, cells = glossary(), []
    for key, text in texts.items():
        text = re.sub(r"\]\(#([^)\s]+)\)", lambda m: f"](#{terms[m[1]][0].replace(' ', '-')})", text)
        text = text.replace("](../notebooks/", "](").replace("](cheat-sheet.md", "](../docs/cheat-sheet.md")
        cells.append(nbformat.v4.new_markdown_cell(text, id=cell_id(key)))
    return finished(cells)


def finished(cells: list) -> nbformat.NotebookNode:
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def exercises(cells: list) -> None:
    """Number the exercises of a lesson and set their words off as a quotation, which every front end frames at the left."""
    asked = [cell for cell in cells if cell.cell_type == "markdown" and re.search(r"(?m)^### Exercise: ", cell.source)]
    for i, cell in enumerate(asked, 1):
        before, title, words = re.split(r"(?m)^### Exercise: (.+)$", cell.source, maxsplit=1)
        quoted = "\n".join(f"> {line}".rstrip() for line in words.strip().splitlines()) or "> Your turn."
        cell.source = f"{before}### ✎ Exercise {i} of {len(asked)}: {title}\n{quoted}"


def closing(name: str, folder: str) -> list:
    """The last cells of a lesson: what is done of its exercises, and the ways on."""
    start = relative(f"notebooks/{START}.ipynb", folder)
    told = f"The exercises of this lesson, as far as their checks have noted them on this machine ([all lessons]({start}) has the sum):"
    source = f'from gan_course import progress\n\nprogress.show("{name[:2]}")'
    return [
        nbformat.v4.new_markdown_cell(told, id="closing"),
        nbformat.v4.new_code_cell(source, id="exercises-done"),
        nbformat.v4.new_markdown_cell(ways(name, folder), id="ways"),
    ]


def repository() -> str:
    """OWNER/NAME of the repository that badges and Colab's install line point to (pyproject.toml)."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return urls["Repository"].removeprefix("https://github.com/")


def ref() -> str:
    """What badges and Colab's install line point to: the tag of this version; main between releases (a `.dev` version)."""
    source = (ROOT / "gan_course" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)[1]
    return "main" if ".dev" in version else f"v{version}"


def build(name: str, folder: str) -> nbformat.NotebookNode:
    """One version of one lesson as a notebook without outputs; the same source gives the same bytes."""
    notebook = jupytext.read(LESSONS / f"{name}.py")
    path, terms, lesson = f"{folder}/{name}.ipynb", glossary(), name in lessons()
    badges = " · ".join(f"[Open on {where}]({address})" for where, address in launch(name, folder).items())
    fill = {
        "{{badges}}": f"{ways(name, folder)} · {badges}" if lesson else badges,
        "{{lessons}}": "" if lesson else lesson_table(""),
        PLACEHOLDER: BOOTSTRAP,
        "{{repository}}": repository(),
        "{{ref}}": ref(),
        "{{docs}}": relative("docs", folder),
        **figures(name),
    }
    notebook, _ = TagRemovePreprocessor(remove_cell_tags={VERSIONS.get(folder, "")}).preprocess(notebook, {})
    learners, seen = folder == "notebooks", set()  # a learner's verdict changes with the answer: it is not compared
    for cell in notebook.cells:
        bootstrap = cell.source == PLACEHOLDER
        key = (
            cell.metadata.pop("name", "bootstrap" if bootstrap else None)
            or hashlib.sha1(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:12]
        )
        link = r"\]\(\{\{docs\}\}/glossary\.md#([^)\s]+)\)"
        cell.source = re.sub(link, lambda found: term_link(found, terms, folder), cell.source)
        for placeholder, text in fill.items():
            cell.source = cell.source.replace(placeholder, text)
        if cell.cell_type == "markdown" and (left := re.search(r"\{\{\w+_\w+\}\}", cell.source)):
            raise SystemExit(f"{path}: nothing fills {left[0]}")
        if cell.cell_type == "code" and "widgets.Prediction(" in cell.source:
            cell.source = seal(cell.source)
        cell.id = key = cell_id(key)
        if key in seen:
            raise SystemExit(f'{path}: two cells named {key!r}; name one of them: # %% name="…"')
        seen.add(key)
        tags = [
            t
            for t in cell.metadata.get("tags", [])
            if not (t == COMPARED and learners and {"check", SPOILER} & set(cell.metadata.tags))
        ]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], 1 if bootstrap else None  # silent, so a new version needs no new run
    exercises(notebook.cells)
    return finished(notebook.cells + (closing(name, folder) if lesson else []))


def seal(source: str) -> str:
    """A prediction's cell with its answer out of sight: who reads the question has not read what comes out."""
    sealed, n = re.subn(r'    answer=(\d+),\n    why=(".*"),\n', _sealed, source)
    if n != source.count("widgets.Prediction("):
        raise SystemExit(f"write `answer=…,` and `why=…,` as two lines of their own:\n{source}")
    return sealed


def _sealed(found: re.Match) -> str:
    told = json.dumps([int(found[1]), ast.literal_eval(found[2])])
    return f'    sealed="{base64.b64encode(told.encode()).decode()}",\n'


def keep_outputs(notebook, old, but: str = "") -> None:
    """Take over the outputs of cells whose id and source are as before, except of those tagged `but`."""
    before = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        was = before.get(cell.get("id"))
        tagged = but in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and was is not None and was.source == cell.source and not tagged:
            cell.outputs, cell.execution_count = was.outputs, was.execution_count


def hide_spoilers(notebook, folder: str) -> None:
    for cell in notebook.cells if folder == "notebooks" else ():
        if SPOILER in cell.metadata.get("tags", []):
            cell.outputs = []


def drop_live_views(notebook) -> None:
    """Leave the pictures that stand in for controls, and not the controls: JupyterLab says "model not found" in their place."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if LIVE not in output.get("data", {})]


def execute(notebook, folder: Path, scale: str) -> None:
    """Run a notebook in its folder and store what it shows."""
    os.environ |= {"GAN_COURSE_SCALE": scale, "GAN_COURSE_PROGRESS": "off"}
    metadata = copy.deepcopy(notebook.metadata)
    NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": folder}}, store_widget_state=False).execute()
    notebook.metadata = metadata  # the client writes this machine's Python into it
    private = {os.environ.get("GAN_COURSE_DATA"): "/your/data", str(ROOT): "gan-course", str(Path.home()): "~"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            for shown in (output, output.get("data", {})):
                for key, value in shown.items():
                    for path in filter(None, private if isinstance(value, str) and not key.startswith("image/") else ()):
                        shown[key] = shown[key].replace(path, private[path])
            if output.get("name") == "stderr":
                print(f"  {cell.id} wrote to stderr: {output.text.strip()[:200]}", file=sys.stderr)


def text(notebook) -> str:
    return nbformat.writes(notebook) + "\n"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--execute", action="store_true")
    parser.add_argument("--scale", choices=("smoke", "cpu", "gpu"), default="cpu", help="of --execute; what is committed is cpu")
    parser.add_argument("names", nargs="*", metavar="LESSON", help="default: all")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(pages()):
        parser.error(f"no lesson called {', '.join(sorted(unknown))}; there are: {', '.join(pages())}")
    behind = []

    def keep(name: str, now: str) -> None:
        """Write what is built where it differs, or note that it does."""
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == now:
            return
        behind.append(name)
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(now, encoding="utf-8")
            print(f"{name}: {len(now.encode()) / 1000:.0f} kB")

    for name in args.names or pages():
        solutions = None
        for folder in folders(name):
            path = ROOT / folder / f"{name}.ipynb"
            notebook = build(name, folder)
            if path.exists():
                keep_outputs(notebook, nbformat.read(path, as_version=4))
            hide_spoilers(notebook, folder)
            if args.execute and not args.check:
                print(f"running {folder}/{name}.ipynb", flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                execute(notebook, path.parent, args.scale if solutions is None else "smoke")
                if solutions is None:
                    solutions = notebook
                else:
                    keep_outputs(notebook, solutions, but="check")
                    hide_spoilers(notebook, folder)
            drop_live_views(notebook)
            keep(f"{folder}/{name}.ipynb", text(notebook))
    if not args.names and glossary():
        keep("notebooks/glossary.ipynb", text(glossary_notebook()))
    if not args.names and (ROOT / "README.md").exists():
        keep("README.md", readme())
    if behind and args.check:
        print(f"not in step with lessons/: {', '.join(behind)}; run `make notebooks`", file=sys.stderr)
    return 1 if behind and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
