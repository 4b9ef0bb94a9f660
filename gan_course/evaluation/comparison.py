"""Runs of several recipes and seeds beside each other, in words."""

import statistics

from gan_course.evaluation.modes import Modes


def told(run: dict) -> str:
    """The scores of a run in words."""
    if "frechet" in run:
        return f"Fréchet distance {run['frechet']:.2f}"
    return str(Modes(*(run[key] for key in Modes._fields)))


def comparison(report: dict) -> str:
    """All runs of a comparison as lines of text: what `compare` prints."""
    lines, runs = [], report["runs"]
    if "frechet" not in runs[0]:
        return "\n".join(f"{run['recipe']:16} seed {run['seed']}: {told(run)}" for run in sorted(runs, key=lambda r: r["recipe"]))
    for name in dict.fromkeys(run["recipe"] for run in runs):
        scores = [run["frechet"] for run in runs if run["recipe"] == name]
        lines.append(f"{name:16} {'  '.join(f'{s:8.2f}' for s in scores)}   median {statistics.median(scores):.2f}")
    lines.append(
        f"Fréchet distance on {report['extractor']}, {report['n_fake']} samples; "
        f"{report['n_real']} real test images {report['reference_real']:.2f}"
    )
    return "\n".join(lines)
