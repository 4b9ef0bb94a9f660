"""The convolution calculator, and how much of an image one unit of a network sees."""

import ipywidgets as W
import numpy as np
import torch

from gan_course import UserError, convolutions, plotting
from gan_course.widgets.controls import Controls, line, row

KINDS = ("convolution", "transposed convolution")
WIDE = {"width": "300px"}


class ConvolutionCalculator(Controls):
    """Size, kernel, stride, padding → output size with the numbers in the formula, and the picture of who touches whom.

    The sliders "row" and "column" choose an output cell. A convolution: blue frames are the inputs that it sees, numbered by
    the weight of the kernel that meets them; padding is hatched. A transposed one: the number in an output cell says how many
    inputs reach it, and the darker the more. formula=False shows the output size without its formula, where finding it is the
    exercise.
    """

    text = "Convolution calculator: run this cell in a notebook to move the sliders."

    def __init__(self, kind: str = KINDS[0], size=6, kernel=4, stride=2, padding=1, output_padding=0, formula=True):
        if kind not in KINDS:
            raise UserError(f"no kind called {kind!r}; there are: {', '.join(KINDS)}")
        self.kind, self.row, self.column, self.shows_formula = kind, 1, 1, formula
        self.size, self.kernel, self.stride, self.padding, self.output_padding = size, kernel, stride, padding, output_padding

    def build(self) -> W.Widget:
        self._kind = W.Dropdown(options=KINDS, value=self.kind, description="Kind", layout=WIDE)
        self._kind.observe(lambda change: self._set(kind=change["new"]), "value")
        limits = {"size": (2, 8), "kernel": (1, 6), "stride": (1, 3), "padding": (0, 3), "output_padding": (0, 2)}
        limits |= dict.fromkeys(("row", "column"), (0, 20))
        self._sliders = {name: self._slider(name, *ends) for name, ends in limits.items()}
        self._words, self._picture = W.HTML(), W.HTML()
        self.draw()
        *shape, place_row, place_column = self._sliders.values()
        place = row(W.HTML(line("look at one output cell:")), place_row, place_column)
        return W.VBox([self._kind, row(*shape), place, self._words, self._picture])

    def _slider(self, name: str, low: int, high: int) -> W.IntSlider:
        label = name.replace("_", " ")
        slider = W.IntSlider(description=label, min=low, max=high, value=getattr(self, name), layout=WIDE)
        slider.style.description_width = "105px"  # "output padding", whole
        slider.observe(lambda change: self._set(**{name: change["new"]}), "value")
        return slider

    def _set(self, **values) -> None:
        vars(self).update(values)
        self.draw()

    def draw(self) -> None:
        """Bring the words and the picture up to date; a setting that cannot be gets its reason and no picture."""
        self._sliders["output_padding"].layout.display = "none" if self.kind == KINDS[0] else ""
        try:
            for name in ("row", "column"):
                self._sliders[name].max = max(1, self.output_size - 1)  # a slider without a range breaks the page
            self._picture.value, self._words.value = self.figure().html(), line(self.words())
        except UserError as error:
            self._picture.value, self._words.value = "", line(str(error), "warning")

    def picture(self) -> str:
        try:
            return line(self.words()) + self.figure().html()
        except UserError as error:
            return line(str(error), "warning")

    @property
    def output_size(self) -> int:
        """Side of the output. UserError where the settings make none."""
        if self.kind == KINDS[0]:
            return convolutions.conv_size(self.size, self.kernel, self.stride, self.padding)
        return convolutions.transposed_size(self.size, self.kernel, self.stride, self.padding, self.output_padding)

    @property
    def framed(self) -> tuple[int, int]:
        """Row and column of the framed output cell, the last one where the output ends before it."""
        return min(self.row, self.output_size - 1), min(self.column, self.output_size - 1)

    def words(self) -> str:
        """The line above the picture: the output size, with its formula if that is to be seen."""
        told = self.formula() if self.shows_formula else f"output size = {self.output_size}"
        return f"{told}; framed: row {self.framed[0]}, column {self.framed[1]}"

    def formula(self) -> str:
        """The output size, the formula with its numbers filled in."""
        n, k, s, p, o = self.size, self.kernel, self.stride, self.padding, self.output_padding
        if self.kind == KINDS[0]:
            return f"output size = ⌊({n} + 2·{p} − {k}) / {s}⌋ + 1 = {self.output_size} (output padding plays no part)"
        return f"output size = ({n} − 1)·{s} − 2·{p} + {k} + {o} = {self.output_size}"

    def figure(self) -> plotting.Figure:
        """Input and output as squares, the chosen output cell and the inputs that touch it framed."""
        return (self._convolution if self.kind == KINDS[0] else self._transposed)(self.output_size, self.framed)

    def _convolution(self, size: int, chosen: tuple[int, int]) -> plotting.Figure:
        p, k = self.padding, self.kernel
        rows, columns = (convolutions.conv_touches(i, k, self.stride, p) for i in chosen)
        whole = self.size + 2 * p
        marks = np.full((whole, whole), 3)
        marks[p : p + self.size, p : p + self.size] = 0
        words = np.full((whole, whole), "", dtype="U3")
        seen = np.s_[rows[0] + p : rows[-1] + p + 1, columns[0] + p : columns[-1] + p + 1]
        outside = int((marks[seen] == 3).sum())
        marks[seen], words[seen] = 1, np.arange(1, k * k + 1).reshape(k, k)
        source, target = f"input {self.size}×{self.size}, padding {p}", f"output {size}×{size}"
        marks = {source: marks, target: self._one(size, chosen)}
        words = {source: words, target: np.full((size, size), "")}
        sees = f"Output row {chosen[0]}, column {chosen[1]} sees {k * k} inputs, {outside} of them padding"
        alt = f"Convolution: {source}, {target}. {sees}."
        return plotting.cells({title: np.zeros(m.shape) for title, m in marks.items()}, marks, words, alt)

    def _transposed(self, size: int, chosen: tuple[int, int]) -> plotting.Figure:
        k, s, p = self.kernel, self.stride, self.padding
        rows, columns = (convolutions.transposed_touches(i, self.size, k, s, p) for i in chosen)
        inputs = np.zeros((self.size, self.size), int)
        inputs[np.ix_(rows, columns)] = 1
        one_side = convolutions.overlap(self.size, k, s, p, self.output_padding)
        counts = np.outer(one_side, one_side)
        source, target = f"input {self.size}×{self.size}", f"output {size}×{size}: how many inputs reach each cell"
        alt = (
            f"Transposed convolution: {source}, output {size}×{size}. {counts[chosen]} inputs reach row {chosen[0]}, column "
            f"{chosen[1]}; along one side the outputs are reached {', '.join(map(str, one_side))} times."
        )
        panels = {source: np.zeros_like(inputs), target: counts}
        words = {source: np.where(inputs, "•", ""), target: counts}
        return plotting.cells(panels, {source: inputs, target: self._one(size, chosen)}, words, alt)

    @staticmethod
    def _one(size: int, chosen: tuple[int, int]) -> np.ndarray:
        marks = np.zeros((size, size), int)
        marks[chosen] = 2
        return marks


class ReceptiveField(Controls):
    """How much of an image one unit sees after each convolution of D: a frame per layer around the same place.

    D: a discriminator of square convolutions. image: uint8 (C, H, W). The sliders choose the unit of the last layer.
    """

    text = "Receptive field: run this cell in a notebook to move the sliders."

    def __init__(self, D, image: torch.Tensor):
        self.layers, self.image = convolutions.of(D), image.cpu()
        self.sides, side = [], image.shape[-1]
        for layer in self.layers:
            side = convolutions.conv_size(side, *layer)
            self.sides.append(side)
        self.row = self.column = side // 2

    def build(self) -> W.Widget:
        sliders = [
            W.IntSlider(description=name, min=0, max=self.sides[-1] - 1, value=getattr(self, name), layout=WIDE)
            for name in ("row", "column")
        ]
        for name, slider in zip(("row", "column"), sliders, strict=True):
            slider.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self._picture = W.HTML()
        self.draw()
        return W.VBox([row(*sliders), self._picture])

    def _set(self, name: str, value: int) -> None:
        setattr(self, name, value)
        self.draw()

    def draw(self) -> None:
        """Bring the picture up to date."""
        self._picture.value = self.picture()

    def picture(self) -> str:
        return plotting.grids(self.images(), columns=1, width=880).html()

    def images(self, enlarge: int = 6) -> dict[str, torch.Tensor]:
        """The image once per layer, enlarged, with an orange frame around what that layer's unit at the chosen place sees."""
        big = self.image.repeat_interleave(enlarge, 1).repeat_interleave(enlarge, 2).expand(3, -1, -1)
        fields = convolutions.receptive_field((kernel, stride) for kernel, stride, _ in self.layers)
        panels = {}
        for i, side in enumerate(fields, 1):
            unit = [place * self.sides[i - 1] // self.sides[-1] for place in (self.row, self.column)]
            rows, columns = (convolutions.field(place, self.layers[:i]) for place in unit)
            picture = big.clone()
            _frame(picture, *(range(r.start * enlarge, r.stop * enlarge) for r in (rows, columns)))
            panels[f"layer {i}: one unit sees {side}×{side}"] = picture[None]
        return panels


def _frame(picture: torch.Tensor, rows: range, columns: range, thick: int = 3) -> None:
    """Draw an orange frame into uint8 (3, H, W), cut off where it leaves the picture."""
    h, w = picture.shape[1:]
    inside = torch.zeros(h, w, dtype=torch.bool)
    inside[max(0, rows.start) : rows.stop, max(0, columns.start) : columns.stop] = True
    inside[max(0, rows.start + thick) : max(0, rows.stop - thick), max(0, columns.start + thick) : max(0, columns.stop - thick)] = (
        False
    )
    colour = [int(plotting.FAKE[i : i + 2], 16) for i in (1, 3, 5)]
    picture[:, inside] = torch.tensor(colour, dtype=torch.uint8)[:, None]
