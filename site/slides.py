"""Each lesson's figures and claims as a deck: one HTML file a lesson, in which everything stands that it needs.

python site/slides.py [--out FOLDER] [LESSON …]

A code cell tagged `slide` in lessons/*.py becomes one: its heading, the claim that follows it, its stored output.
Before them stands what one can do after the lesson, behind them what to remember.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from docutils.utils.math.latex2mathml import tex2mathml
from nbconvert import SlidesExporter
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "lessons"))

import build as course  # noqa: E402

TAG = "slide"
ROOM = 320  # letters of a claim
LINK = re.compile(r'\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)\s]+(?:\s+"[^"]*")?\)')  # the glossary is not at hand in a deck


def plain(text: str) -> str:
    """A lesson's words for a slide: no links, formulas as MathML, no markers of exercises."""
    text = LINK.sub(r"\1", text)
    text = re.sub(r"^✎ Exercise \d+ of \d+: ", "", text)
    return re.sub(r"(?<!\$)\$([^$\n]+)\$(?!\$)", lambda found: tex2mathml(found[1]), text)


def claim(text: str) -> str:
    """The first sentences of a text that begins with no heading, as many as a slide has room for."""
    first = re.split(r"\n\s*\n|\n#", text.strip())[0] if not text.lstrip().startswith("#") else ""
    told, *more = re.split(r"(?<=[.?!])\s+(?=[^\W\d_a-z]|[*`−])", LINK.sub(r"\1", first))
    for sentence in more:
        if len(told) + len(sentence) > ROOM or sentence.endswith((":", "?")):  # the last one leads on to the next cell
            break
        told += f" {sentence}"
    return told


def slides(notebook) -> list[tuple[str, list, str]]:
    """(heading, stored outputs, claim) of each cell that is tagged. Words that only lead on to another cell are no claim."""
    found, heading = [], ""
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heading = [heading, *(plain(line) for line in re.findall(r"(?m)^#+ (.+)$", cell.source))][-1]
        elif TAG in cell.metadata.get("tags", []):
            told = (claim(after.source) for after in notebook.cells[i + 1 :] if after.cell_type == "markdown")
            found.append((heading, cell.outputs, next(words for words in told if not words.endswith(":"))))
    return found


def deck(name: str) -> nbformat.NotebookNode:
    """The slides of a lesson as a notebook that nbconvert makes a deck of."""
    lesson = nbformat.read(ROOT / "notebooks" / "solutions" / f"{name}.ipynb", as_version=4)
    top = lesson.cells[0].source
    able = re.search(r"(?s)\*\*You will be able to\*\*\n\n(.*?)\n\n", top + "\n\n")
    title = course.heading(name)
    start = {"slideshow": {"slide_type": "slide"}}
    cells = [nbformat.v4.new_markdown_cell(f"# {title}\n\n{plain(able[1]) if able else ''}", metadata=start)]
    words = "\n\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    end = re.search(r"(?ms)^## (What to remember)\n(.*?)(?=\n#|\Z)", words)
    for heading, outputs, told in slides(lesson) + ([(end[1], [], end[2].strip())] if end else []):
        cells.append(nbformat.v4.new_markdown_cell(f"## {heading[:1].upper()}{heading[1:]}\n\n{plain(told)}", metadata=start))
        if outputs:
            cells.append(nbformat.v4.new_code_cell("", outputs=outputs))
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": f"{title} · slides"})


def write(name: str, folder: Path) -> Path:
    """A lesson's deck in that folder."""
    config = Config(
        {"SlidesExporter": {"template_name": "deck", "extra_template_basedirs": [str(HERE / "slides")], "exclude_input": True}}
    )
    page, _ = SlidesExporter(config=config).from_notebook_node(deck(name))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.html"
    path.write_text(page, encoding="utf-8")
    return path


def decks() -> list[str]:
    """The lessons that have slides."""
    return [name for name in course.lessons() if f'"{TAG}"' in (course.LESSONS / f"{name}.py").read_text(encoding="utf-8")]


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "_slides")
    parser.add_argument("names", nargs="*", metavar="LESSON", help="default: all that have slides")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(decks()):
        parser.error(f"no deck of {', '.join(sorted(unknown))}; there are: {', '.join(decks())}")
    for name in args.names or decks():
        path = write(name, args.out)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
