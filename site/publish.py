"""What becomes of a built site.

python site/publish.py keep BUILT PUBLISHED TAG   put it into PUBLISHED, and into the folder TAG there; other tags' folders stay
python site/publish.py changed OLD NEW            the pages that differ between two built sites, as Markdown
"""

import re
import shutil
import sys
from pathlib import Path

VERSION = re.compile(r"v\d[\w.]*")
LIST = re.compile(r'(?s)(<ul id="versions">).*?(</ul>)')


def keep(built: Path, published: Path, tag: str) -> None:
    """Older versions stay where they are, the newest is also the front; each page of versions names them all."""
    if not VERSION.fullmatch(tag):
        raise SystemExit(f"{tag!r} is no version's tag: it starts with v and a digit")
    published.mkdir(exist_ok=True)
    tags = sorted({tag, *(p.name for p in published.iterdir() if VERSION.fullmatch(p.name))}, key=_order, reverse=True)
    newest = tag == tags[0]
    for old in published.iterdir():
        front = newest and not VERSION.fullmatch(old.name) and old.name not in (".git", "CNAME")
        if front or old.name == tag:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(built, published / tag)
    if newest:
        shutil.copytree(built, published, dirs_exist_ok=True)
    for folder, up in [(published, ""), *((published / name, "../") for name in tags)]:
        page = folder / "versions.html"
        items = "".join(f'<li><a href="{up}{name}/index.html">{name}</a></li>' for name in tags)
        page.write_text(LIST.sub(rf"\g<1>{items}\2", page.read_text(encoding="utf-8")), encoding="utf-8")


def _order(tag: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", tag)]


def changed(old: Path, new: Path) -> str:
    """A line for each page that is new, gone or different."""
    before, after = ({p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.html")} for root in (old, new))
    lines = [f"- new: {name}" for name in sorted(after.keys() - before.keys())]
    lines += [f"- gone: {name}" for name in sorted(before.keys() - after.keys())]
    lines += [f"- changed: {name}" for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    return "## Pages of the site that this changes\n" + ("\n".join(lines) or "None.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["keep"] and len(sys.argv) == 5:
        keep(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    elif sys.argv[1:2] == ["changed"] and len(sys.argv) == 4:
        print(changed(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        sys.exit(__doc__)
