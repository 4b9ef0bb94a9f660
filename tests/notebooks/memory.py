"""Peak resident memory of each lesson's kernel, as the table of docs/launch.md.

    GAN_COURSE_DATA=/your/data OMP_NUM_THREADS=1 python tests/notebooks/memory.py [--scale smoke cpu gpu] [--only LESSON …]

Runs the solutions in scratch folders; Linux and macOS.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

LESSONS = Path(__file__).resolve().parents[2] / "notebooks" / "solutions"
CELL_SECONDS = 1800


def run_here(path: str) -> None:
    """Run one notebook with the working folder as its own, and print the largest peak of its processes in MB."""
    import nbformat
    from nbclient import NotebookClient

    NotebookClient(nbformat.read(path, as_version=4), timeout=CELL_SECONDS, kernel_name="python3").execute()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # bytes on macOS, kB elsewhere
    print(round(peak / (1e6 if sys.platform == "darwin" else 1e3)))


def peak_megabytes(path: Path, scale: str) -> int:
    """Peak resident memory in MB of a notebook at a scale, in a process of its own. CalledProcessError if a cell fails."""
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"GAN_COURSE_SCALE": scale}
        command = [sys.executable, str(Path(__file__).resolve()), "--here", str(path)]
        return int(subprocess.run(command, cwd=scratch, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("smoke", "cpu", "gpu"), nargs="+", default=["smoke"])
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", default=[], metavar="LESSON", help="default: all")
    args = parser.parse_args()
    if args.here:
        return run_here(args.here)
    print("| lesson | " + " | ".join(f"`{scale}`" for scale in args.scale) + " |\n|---" + "|---" * len(args.scale) + "|")
    for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")):
        if path.stem in args.only or not args.only:
            cells = (f"{peak_megabytes(path, scale)} MB" for scale in args.scale)
            print(f"| {path.stem} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
