"""The guided project: the protocol stated first, the score of every run in one table, and every figure out of that table.

The table is text that is shown in the notebook and stored with it, so a submission is one file and its figures can be made again.
"""

import csv
import html
import io
import math
import re
import statistics
from itertools import permutations

import numpy as np

from gan_course import UserError

PROTOCOL = {  # what has to be said before the first run
    "question": "one sentence that a measurement answers",
    "change": "what differs between the variants, all else equal",
    "data": "what is learned from",
    "budget": "what every run may spend",
    "score": "which number, on which features, of how many samples",
    "decision": "which result is a yes and which a no, said before the runs",
}
REFERENCES = {"real": "of real test images", "noise": "of noise"}
EXAMPLE = "On digits, does a batch of 32 draw better than a batch of 128 after as many steps?"  # the question of the template
SEEDS = 5
MARK = "# GAN course project"
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")


class Results:
    """The scores of a project's runs, with its protocol; the last line of a cell shows them.

        results = project.Results(question="…", change="…", data="…", budget="…", score="…", decision="…")
        results.reference("real", 1.3)
        results.add("as it is", seed=0, score=41.2)

    scores: variant → seed → score. references: name → score. UserError for what does not belong into such a table.
    """

    def __init__(self, **protocol: str):
        if unknown := set(protocol) ^ set(PROTOCOL):
            told = ", ".join(f"{name} ({PROTOCOL.get(name, 'no part of a protocol')})" for name in sorted(unknown))
            raise UserError(f"a protocol says {', '.join(PROTOCOL)}, each once; look at {told}")
        self.protocol = {name: " ".join(str(protocol[name]).split()) for name in PROTOCOL}
        self.scores: dict[str, dict[int, float]] = {}
        self.references: dict[str, float] = {}

    def add(self, variant: str, seed: int, score: float) -> None:
        """The score of one run. A second one of the same variant and seed is refused: it would be picked from."""
        variant = " ".join(variant.split())
        if seed in self.scores.get(variant, {}):
            raise UserError(f"{variant!r} has a score of seed {seed} already; begin with a new Results to measure again")
        self.scores.setdefault(variant, {})[int(seed)] = float(score)

    def reference(self, name: str, score: float) -> None:
        """The score of what every reader knows: "real" (test images) and "noise"."""
        if name not in REFERENCES:
            raise UserError(f"no reference called {name!r}; there are: {', '.join(REFERENCES)}")
        self.references[name] = float(score)

    def figures(self) -> dict[str, float]:
        """All that may be said of the table in numbers: name → value."""
        found = {f"reference {name}": value for name, value in self.references.items()}
        for variant, by_seed in self.scores.items():
            values = list(by_seed.values())
            found |= {f"{variant}, seed {seed}": value for seed, value in by_seed.items()}
            found |= {f"{variant}, {what}": measure(values) for what, measure in MEASURES.items()}
            if len(values) > 1:
                found[f"{variant}, standard deviation"] = float(np.std(values, ddof=1))
        for a, b in permutations(self.scores, 2):
            for what in ("median", "mean"):
                x, y = found[f"{a}, {what}"], found[f"{b}, {what}"]
                found |= {f"{what}, {a} − {b}": x - y}
                if y:
                    found |= {f"{what}, {a} / {b}": x / y, f"{what}, {a}, percent off {b}": 100 * (1 - x / y)}
            shared = [self.scores[a][seed] - self.scores[b][seed] for seed in self.scores[a] if seed in self.scores[b]]
            found |= {f"seeds at which {a} lies below {b}": sum(gap < 0 for gap in shared)}
            found |= {f"{a} − {b}, smallest": min(shared), f"{a} − {b}, largest": max(shared)} if shared else {}
        return found

    def text(self) -> str:
        """The table as lines: the protocol, then variant, seed and score as CSV."""
        out = io.StringIO()
        out.write(f"{MARK}\n" + "".join(f"# {name}: {words}\n" for name, words in self.protocol.items()))
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(["variant", "seed", "score"])
        lines.writerows([f"reference: {name}", "", f"{value:.6g}"] for name, value in self.references.items())
        lines.writerows([name, seed, f"{value:.6g}"] for name, by_seed in self.scores.items() for seed, value in by_seed.items())
        return out.getvalue().rstrip("\n")

    @classmethod
    def read(cls, text: str) -> "Results":
        """What `text` wrote. UserError for anything else."""
        head, _, body = text.partition("\nvariant,seed,score\n")
        try:
            made = cls(**dict(line[2:].split(": ", 1) for line in head.replace(":\n", ": \n").splitlines()[1:]))
            for variant, seed, score in csv.reader(io.StringIO(body)):
                if variant.startswith("reference: "):
                    made.reference(variant.removeprefix("reference: "), float(score))
                else:
                    made.add(variant, int(seed), float(score))
        except (ValueError, TypeError, csv.Error) as error:
            raise UserError("the table of results is damaged; run the cells again and save") from error
        return made

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        seeds = sorted({seed for by_seed in self.scores.values() for seed in by_seed})
        columns = [*(f"seed {seed}" for seed in seeds), "median", "spread"]
        head = "".join(f'<th scope="col">{name}</th>' for name in ("variant", *columns))
        rows = ""
        for variant, by_seed in self.scores.items():
            values = list(by_seed.values())
            spread = f"{min(values):.4g} to {max(values):.4g}"
            cells = [*(f"{by_seed[s]:.4g}" if s in by_seed else "" for s in seeds), f"{statistics.median(values):.4g}", spread]
            rows += f'<tr><th scope="row">{html.escape(variant)}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        told = "; ".join(f"{REFERENCES[name]} {value:.4g}" for name, value in self.references.items())
        words = "".join(f"<li><b>{name}</b>: {html.escape(text)}</li>" for name, text in self.protocol.items())
        shown = f"<ul>{words}</ul><table><tr>{head}</tr>{rows}</table><p>References: {told or 'none'}</p>"
        return {"text/plain": self.text(), "text/html": shown}


MEASURES = {"median": statistics.median, "mean": statistics.fmean, "least": min, "most": max}


def figures_in(prose: str, results: Results) -> tuple[int, list[str]]:
    """(how many numbers of a text are figures of the table, those that nothing gives).

    A number is a figure if the table gives it to the digits written. Nothing need give what the protocol or a variant's name
    says, nor whole numbers up to the number of runs, which are words ("three of 5 seeds").
    """
    said = NUMBER.findall(" ".join([*results.protocol.values(), *results.scores]))
    known, runs = [abs(x) for x in results.figures().values() if math.isfinite(x)], sum(map(len, results.scores.values()))
    right, wrong = 0, []
    for word in NUMBER.findall(prose):
        value, half = float(word.replace(",", "")), 0.501 * 10 ** -len(word.partition(".")[2])
        free = word in said or ("." not in word and value <= runs)
        if not free and any(abs(value - x) <= half for x in known):
            right += 1
        elif not free:
            wrong.append(word)
    return right, wrong
