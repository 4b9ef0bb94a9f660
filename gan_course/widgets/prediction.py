"""A prediction: commit to one of several outcomes, measure, then compare."""

import base64
import html
import json

import ipywidgets as W

from gan_course import UserError
from gan_course.widgets.controls import Controls, button, line, row


class Prediction(Controls):
    """Ask before a surprising cell: the learner chooses, runs the cell, and only then opens the answer.

    options: what may come out, at least two. answer: index of the one that does. why: one sentence. sealed: both as base64 of
    JSON, which is how a notebook holds them, so that the source beside the question does not answer it.
    Raises UserError where `answer` is no index into `options`. Where no kernel runs the answer stands in a closed <details>.
    """

    def __init__(self, question: str, options: tuple[str, ...], answer: int = -1, why: str = "", sealed: str = ""):
        if sealed:
            answer, why = json.loads(base64.b64decode(sealed))
        if len(options) < 2 or answer not in range(len(options)):
            raise UserError(f"answer={answer} is no index into the {len(options)} options; give two or more options and one index")
        self.question, self.options, self.answer, self.why = question, tuple(options), answer, why
        self.text = f"Prediction: {question} ({' / '.join(options)})"

    @property
    def told(self) -> str:
        """The answer in words."""
        return f"{self.options[self.answer]}. {self.why}"

    def build(self) -> W.Widget:
        self._choice = W.RadioButtons(
            description="I expect",
            options=[(text, i) for i, text in enumerate(self.options)],
            value=None,
            layout={"width": "max-content"},
        )
        self._choice.observe(lambda _: self._chosen(), "value")
        self._show = button("Show the answer", "Compare your choice with what comes out", self.reveal)
        self._show.disabled = True
        self._words = W.HTML(self._status("Choose one before you run the next cell."))
        return W.VBox([W.HTML(line(self.question)), self._choice, row(self._show), self._words])

    def _status(self, text: str, kind: str = "") -> str:
        return f'<div role="status">{line(text, kind)}</div>'

    def _chosen(self) -> None:
        self._show.disabled = False
        self._words.value = self._status("Now measure: run the next cell, then show the answer.")

    def reveal(self) -> None:
        """Tell the answer beside what was chosen."""
        right = self._choice.value == self.answer
        said = "As you expected:" if right else f"You expected: {self.options[self._choice.value]}. It is:"
        self._words.value = self._status(f"{said} {self.told}", "done" if right else "warning")

    def picture(self) -> str:
        options = "".join(f"<li>{html.escape(text)}</li>" for text in self.options)
        answer = f"<details><summary>Show the answer</summary>{html.escape(self.told)}</details>"
        return f"<p>{html.escape(self.question)}</p><ul>{options}</ul>{answer}"

    def _picture_bundle(self) -> dict[str, str]:
        return super()._picture_bundle() | {"text/plain": f"Answer: {self.told}"}
