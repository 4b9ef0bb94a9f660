"""Exercises on sizes of convolutions, the blocks of a DCGAN, its initialisation, and how steep its D is."""

import copy
import math

import torch
from torch import nn

from gan_course import convolutions, models
from gan_course.checks.verdict import Verdict, Wrong, asked, check, named, near, number, numbers, untouched

LESSON_03 = {"dcgan16": 16, "dcgan28": 28, "dcgan32": 32}  # its architectures, and their images' sides


def conv_size(answer) -> Verdict:
    """answer(n, kernel, stride, padding) → side of a convolution's output."""
    cases = [(32, 4, 2, 1), (28, 5, 2, 2), (7, 3, 1, 1), (8, 3, 2, 0)]
    mistakes = {
        "padding is missing: it adds to both sides, n + 2·padding": lambda n, k, s, p: (n - k) // s + 1,
        "padding counts on both sides: n + 2·padding": lambda n, k, s, p: (n + p - k) // s + 1,
        "padding makes the image larger: + 2·padding": lambda n, k, s, p: (n - 2 * p - k) // s + 1,
        "the last position counts too: add 1 after dividing": lambda n, k, s, p: (n + 2 * p - k) // s,
        "the kernel takes up room: subtract it before dividing by the stride": lambda n, k, s, p: (n + 2 * p) // s,
        "the kernel takes up room, so it is subtracted": lambda n, k, s, p: (n + 2 * p + k) // s + 1,
        "add 1 after dividing by the stride, not before": lambda n, k, s, p: (n + 2 * p - k + 1) // s,
        "the stride is missing: only every stride-th place counts": lambda n, k, s, p: n + 2 * p - k + 1,
        "brackets are missing: the whole sum is divided by the stride": lambda n, k, s, p: n + 2 * p - k // s + 1,
        "the whole sum is divided by the stride, not padding alone: brackets": lambda n, k, s, p: n - k + 2 * p // s + 1,
        "half a position is none: divide with `//`": lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        "half a position is none: round down, `//`": lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1,
        "half a position is none: `round` goes up now and then, `//` goes down": lambda n, k, s, p: round((n + 2 * p - k) / s + 1),
        "the kernel takes up room too: dividing by the stride alone is not enough": lambda n, k, s, p: n // s,
        "this is the transposed convolution's size": lambda n, k, s, p: (n - 1) * s - 2 * p + k,
    }
    hints = (
        "The first position of the kernel is one; how many further steps of the stride fit into what is left?",
        "What is left is n + 2·padding - kernel.",
        "`(n + 2 * padding - kernel) // stride + 1`",
    )
    judge = _sizes(convolutions.conv_size, cases, mistakes, ("n", "kernel", "stride", "padding"))
    return check("conv_size", answer, judge, "the same as torch, for four settings: you can now draw any D on paper", hints)


def transposed_size(answer) -> Verdict:
    """answer(n, kernel, stride, padding, output_padding) → side of a transposed convolution's output."""
    cases = [(4, 4, 2, 1, 0), (7, 5, 2, 2, 1), (1, 4, 1, 0, 0), (7, 5, 1, 2, 0)]
    mistakes = {
        "padding is missing: it is cut off on both sides, - 2·padding": lambda n, k, s, p, o: (n - 1) * s + k + o,
        "padding is cut off here, on both sides: - 2·padding": lambda n, k, s, p, o: (n - 1) * s + 2 * p + k + o,
        "padding is cut off on both sides: twice": lambda n, k, s, p, o: (n - 1) * s - p + k + o,
        "between n stamps lie n - 1 steps of the stride": lambda n, k, s, p, o: n * s - 2 * p + k + o,
        "the stride is missing: neighbouring stamps start `stride` apart": lambda n, k, s, p, o: n - 1 - 2 * p + k + o,
        "the output padding is missing: it is added on one side": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k,
        "the last stamp is a whole kernel wide: add it": lambda n, k, s, p, o: (n - 1) * s - 2 * p + o,
        "the last stamp is a whole kernel wide: kernel, not kernel - 1": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k - 1 + o,
        "output padding is added, not cut off": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k - o,
        "output padding is added on one side only": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k + 2 * o,
        "stride alone does not decide: kernel and padding count too": lambda n, k, s, p, o: n * s,
        "this is the ordinary convolution's size": lambda n, k, s, p, o: (n + 2 * p - k) // s + 1,
    }
    hints = (
        "Every input stamps a kernel; the stamps start `stride` apart. How far do the first and the last one reach?",
        "(n - 1) · stride + kernel without padding; then padding cuts off both sides and output padding adds to one.",
        "`(n - 1) * stride - 2 * padding + kernel + output_padding`",
    )
    judge = _sizes(convolutions.transposed_size, cases, mistakes, ("n", "kernel", "stride", "padding", "output padding"))
    return check("transposed_size", answer, judge, "the same as torch, for four settings: you can now draw any G on paper", hints)


def _sizes(formula, cases, mistakes, names):
    def judge(answer):
        given, wanted = [answer(*case) for case in cases], [formula(*case) for case in cases]
        if all(size is None for size in given):
            return ...
        for size in given:
            if isinstance(size, torch.Tensor | tuple | list):
                return f"a plain whole number is wanted, yours is a {type(size).__name__}: {size!r}"
        known = [([mistake(*case) for case in cases], said) for said, mistake in mistakes.items()]
        i = next((i for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b), 0)
        setting = ", ".join(f"{name} {value}" for name, value in zip(names, cases[i], strict=True))
        right = wanted if all(isinstance(size, int) for size in given) else None
        return named(near(given), right, known, f"with {setting} torch gives {wanted[i]}, yours {given[i]!r}")

    return judge


def receptive_fields(answer) -> Verdict:
    """answer: sides of what one unit sees after one, two and three convolutions of kernel 5, stride 2."""

    def judge(answer):
        answer = numbers(answer, 3, "a side for each layer")
        if ... in answer:
            return ... if answer == [...] * 3 else f"{answer.count(...)} to go: one side for each of the three layers"
        answer = [number(side) for side in answer]
        wanted = convolutions.receptive_field([(5, 2)] * 3)
        known = (
            ([5, 10, 20], "it does not double: neighbours of the layer before overlap. They are 2 pixels apart, and each sees 5"),
            ([5, 9, 13], "the steps grow: after one stride of 2 neighbours are 2 pixels apart, after two strides 4"),
            ([5, 25, 125], "5 units of the layer before do not lie side by side, they overlap: 5 + 4·2 pixels"),
            ([5, 5, 5], "a unit of the second layer sees 5×5 units of the first, and each of those sees 5×5 pixels"),
            ([5, 13, 21], "in the third layer neighbours are 4 pixels apart, not 2: 13 + 4·4"),
            ([5, 11, 23], "the kernel has 5 weights, so a unit of the second layer sees 5 units of the first: 5 + 4·2 pixels"),
            ([4, 10, 22], "these are the sides for kernel 4, as in the picture above; the question is about kernel 5"),
            ([side**2 for side in wanted], "these are areas; the side of each square is wanted"),
            (wanted[::-1], "the order is turned round: the first layer sees least"),
        )
        told = f"yours are {answer}; draw one row: 5 neighbours, 2 pixels apart, each 5 pixels wide"
        if answer[:2] == wanted[:2]:
            told = f"the first two are right, {answer[2]} is not: 5 neighbours, now 4 pixels apart, each 13 pixels wide"
        return named(near(answer), wanted, known, told)

    hints = (
        "Five neighbours of the first layer start at pixels 0, 2, 4, 6 and 8, and the last one reaches 5 pixels further.",
        "Each layer adds (kernel - 1) · (how far apart its inputs are): 4·1, 4·2, 4·4.",
    )
    passed = "5, 13 and 29 pixels: local at first, and wide after three layers"
    return check("receptive_fields", answer, judge, passed, hints)


def upsampling_block(answer) -> Verdict:
    """answer(n_in, n_out) → nn.Sequential that doubles the side: transposed convolution, BatchNorm, ReLU."""

    def judge(answer):
        layers = _layers(asked(answer, 6, 3))
        kinds = [type(m) for m in layers]
        if nn.ConvTranspose2d not in kinds:
            return f"no transposed convolution in it: {_names(kinds)}"
        if nn.BatchNorm1d in kinds:
            return "`BatchNorm1d` is for rows of numbers; maps (N, C, H, W) take `BatchNorm2d`"
        if nn.BatchNorm2d not in kinds:
            return "BatchNorm is missing: in a DCGAN every layer of G but the last has it"
        if nn.ReLU not in kinds:
            return "ReLU is missing: G's hidden layers use it" + (", LeakyReLU is D's" if nn.LeakyReLU in kinds else "")
        if kinds.index(nn.ReLU) < kinds.index(nn.BatchNorm2d):
            return "ReLU comes before BatchNorm: normalise first, then cut off"
        if kinds.index(nn.BatchNorm2d) < kinds.index(nn.ConvTranspose2d):
            return "BatchNorm comes before the transposed convolution: it normalises what the convolution makes"
        conv, norm = layers[kinds.index(nn.ConvTranspose2d)], layers[kinds.index(nn.BatchNorm2d)]
        if conv.out_channels == 3 and norm.num_features == 6:
            return "BatchNorm is made for `n_in` channels, but what reaches it comes out of the convolution: `n_out`"
        if said := _doubles(layers, conv):
            return said
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        if kernel % stride:
            return f"kernel {kernel} is no multiple of stride {stride}: outputs are touched unequally often, a checkerboard. Take kernel 4"

    hints = (
        "Which kernel and padding double the side at stride 2? (n - 1)·2 - 2·padding + kernel = 2n.",
        "Kernel 4, stride 2, padding 1. Then BatchNorm over `n_out` channels, then ReLU.",
        "`nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 4, 2, 1), nn.BatchNorm2d(n_out), nn.ReLU())`",
    )
    return check("upsampling_block", answer, judge, "doubles the side, in DCGAN's order: a G is a stack of these", hints)


def resize_block(answer) -> Verdict:
    """answer(n_in, n_out) → nn.Sequential that doubles the side without a transposed convolution."""

    def judge(answer):
        layers = _layers(asked(answer, 6, 3))
        kinds = [nn.Upsample if isinstance(m, nn.Upsample) else type(m) for m in layers]
        if nn.ConvTranspose2d in kinds:
            return "this still is a transposed convolution: enlarge with `nn.Upsample`, then convolve"
        if nn.Conv2d not in kinds:
            return f"no convolution in it: {_names(kinds)}; copying pixels alone learns nothing"
        if nn.Upsample not in kinds:
            return f"nothing enlarges the map: {_names(kinds)}; `nn.Upsample` does, by its `scale_factor`"
        up, conv = layers[kinds.index(nn.Upsample)], layers[kinds.index(nn.Conv2d)]
        if up.scale_factor is None:
            return f"`nn.Upsample({up.size})` makes every map {up.size}×{up.size}: its first argument is the size. To double it name `scale_factor=2`"
        if said := _doubles(layers, conv):
            return said
        made = nn.Sequential(*layers)(torch.randn(2, 6, 4, 4))
        if torch.allclose(made, made[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2), atol=1e-6):
            if kinds.index(nn.Conv2d) < kinds.index(nn.Upsample):
                return "the convolution comes before the enlargement, so 2×2 blocks of pixels stay equal: enlarge first"
            return f"a {conv.kernel_size[0]}×{conv.kernel_size[1]} kernel sees one pixel at a time, so 2×2 blocks of pixels stay equal: take 3×3"

    hints = (
        "One layer writes every pixel four times. Which kernel and padding keep the side in the other?",
        "`nn.Upsample(scale_factor=2)` doubles the side; a 3×3 convolution with padding 1 keeps it.",
        "`nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_out, 3, padding=1))`",
    )
    passed = "every output is touched equally often, and sees its neighbours: no checkerboard is built in"
    return check("resize_block", answer, judge, passed, hints)


def _layers(block) -> list[nn.Module]:
    """The layers of a block, those inside others one by one."""
    if not type(block).__module__.startswith("torch.nn."):
        raise Wrong(f"an `nn.Sequential` is wanted, whose layers this check can read; yours is {type(block).__name__}")
    return [m for m in block.modules() if not list(m.children())]


def _doubles(layers, conv) -> str | None:
    """What is wrong with the channels or the size of what comes out, 3×8×8 from 6×4×4; `conv` is its one convolution."""
    if (conv.in_channels, conv.out_channels) == (3, 6):
        return "the channels are swapped: `n_in` go into the convolution, `n_out` come out, in this order"
    made = nn.Sequential(*layers)(torch.randn(2, 6, 4, 4)).shape
    if made[1] != 3:
        return f"with n_in = 6 and n_out = 3 three channels must come out, yours gives {made[1]}"
    if made[2:] != (8, 8):
        k, s, p = (x[0] if isinstance(x, tuple) else x for x in (conv.kernel_size, conv.stride, conv.padding))
        return f"4×4 must become 8×8, yours gives {made[2]}×{made[3]}: look at kernel {k}, stride {s}, padding {p} with the formula for the size"
    return None


def _names(kinds) -> str:
    return ", ".join(kind.__name__ for kind in kinds)


def initialise(answer) -> Verdict:
    """answer(net) initialises in place as DCGAN does: weights N(0, 0.02), BatchNorm scale N(1, 0.02), all shifts 0."""

    def judge(answer):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Linear(50, 800), nn.BatchNorm1d(800), nn.ReLU(), nn.Unflatten(1, (50, 4, 4)), nn.ConvTranspose2d(50, 400, 4, 2, 1),
            nn.BatchNorm2d(400), nn.ReLU(), nn.Sequential(nn.Conv2d(400, 40, 3), nn.LeakyReLU(0.2)),
            nn.ConvTranspose2d(40, 40, 4, 2, 1, bias=False),
        )  # fmt: skip
        kinds = nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm1d | nn.BatchNorm2d
        layers = {name: m for name, m in net.named_modules() if isinstance(m, kinds)}
        for norm in (layers["1"], layers["5"]):
            nn.init.ones_(norm.bias)  # as after some training: what is not set shows
        before = {name: m.weight.clone() for name, m in layers.items()}
        lesson = [net for name, side in LESSON_03.items() for net in models.build(name, (1, side, side))]
        for each in (net, *lesson):
            answer(each)
        if all(torch.equal(before[name], m.weight) for name, m in layers.items()):
            return ... if untouched(answer) else "no weight of the net has changed: is your function applied to its modules?"
        for name, module in layers.items():
            norm = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
            kind, what = f"{type(module).__name__} (layer {name})", "scales" if norm else "weights"
            mean, std = module.weight.mean().item(), module.weight.std().item()
            told = f"{kind} has {what} of mean {mean:.3f}, spread {std:.3g}; wanted are {int(norm)} and 0.02"
            if torch.equal(before[name], module.weight):
                return f"{told}: this layer is not reached" + (
                    ". `net.modules()` also goes into blocks inside blocks" if "." in name else ""
                )
            if norm and abs(mean) < 0.1:
                return f"{kind} has scales around {mean:.2f}: that switches off what comes in. They start around 1"
            for wrong, said in (
                (0.02**0.5, "0.02 is the standard deviation, not the variance: no root"),
                (0.02**2, "0.02 is the standard deviation: no square"),
            ):
                if math.isclose(std, wrong, rel_tol=0.12):
                    return f"{told}: {said}"
            if abs(mean - norm) > 0.005 or not 0.017 < std < 0.023:
                return told
            if module.bias is not None and module.bias.any():
                return f"{kind} has shifts that are not 0"

    hints = (
        "`net.apply` calls a function on every module, also on those inside others. A function that is only defined does nothing.",
        "Three kinds have weights here: linear, convolution, transposed convolution. BatchNorm has scales, called `weight`.",
        "BatchNorm: `nn.init.normal_(m.weight, 1.0, 0.02)`. The others: `nn.init.normal_(m.weight, 0.0, 0.02)`. Both: `zeros_(m.bias)`, where it is not None.",
    )
    raised = (
        (r"NoneType", "a layer made with `bias=False`, as in dcgan28, has bias None: set a shift to 0 only where there is one"),
        (r"Fan in and fan out|fewer than 2 dimensions", "that initialisation needs a matrix; DCGAN's is `nn.init.normal_` for all"),
    )  # fmt: skip
    passed = "every layer is reached, with the right spread: this is where DCGAN's training begins"
    return check("initialise", answer, judge, passed, hints, raised=raised)


def steepest_logits(steepest, never_above_8, discriminators, x_real) -> Verdict:
    """steepest: name → the largest norm of the logit's gradient at x_real; never_above_8: the name whose spectral norms bound it.

    discriminators: name → D, "sndcgan32" the one with spectral norm in every layer. x_real (N, C, H, W) in [-1, 1].
    """

    def judge(steepest):
        if not isinstance(steepest, dict):
            return "a dict is wanted, with the keys as they are"
        if steepest and all(v is ... for v in steepest.values()):
            return ...
        if missing := [name for name in discriminators if steepest.get(name, ...) is ...]:
            return f"one to go: {missing[0]!r}"
        norms = {name: models.gradient_at(D, x_real) for name, D in discriminators.items()}
        given = {name: number(steepest[name], f"one number is wanted for {name}", ": take the largest") for name in norms}
        right = {name: norm.max() for name, norm in norms.items()}
        close = lambda wanted: all(near(given[k], rel_tol=1e-3)(wanted[k]) for k in norms)  # noqa: E731
        if not close(right):
            wrong = next(k for k in norms if not near(given[k], rel_tol=1e-3)(right[k]))
            told = f"for {wrong} the steepest of these images has {right[wrong]:.4g}, yours is {given[wrong]:.4g}: `models.gradient_at(D, x_real).max()`"
            return named(close, right, _steepness_mistakes(discriminators, x_real, norms, right), told)
        if never_above_8 is ...:
            return "the numbers are right; which of the two can never exceed 8?"
        if never_above_8 not in list(discriminators):
            return f"never_above_8 is one of the names {', '.join(map(repr, discriminators))}, not {never_above_8!r}"
        if never_above_8 != "sndcgan32":
            return (
                f"nothing limits {never_above_8}: its weights may grow with every step, and so may its steepest logit, "
                "however small it is today. Which D divides every layer by its largest singular value?"
            )

    hints = (
        "`models.gradient_at` gives 64 norms, one for each image. Which one is asked for?",
        "The largest of them: `.max().item()`. The discriminators are `live[name].D`.",
        "`{name: models.gradient_at(run.D, x_real).max().item() for name, run in live.items()}`; spectral norm is what limits every layer.",
    )
    passed = "measured for both, and one of them has a limit that no training can pass"
    return check("steepest_logits", steepest, judge, passed, hints)


def _steepness_mistakes(discriminators, x_real, norms, right):
    """Pairs: what a mistake would have measured, and what to say."""
    of = lambda how: {k: how(v) for k, v in norms.items()}  # noqa: E731
    most = "wanted is the steepest one: `max()`"
    yield dict(zip(right, reversed(right.values()), strict=True)), "the two runs are swapped: each name with its own D"
    yield of(torch.mean), f"this is the mean over the images; {most}"
    yield of(torch.median), f"this is the median over the images; {most}"
    yield of(torch.min), f"this is the flattest of the images; {most}"
    yield of(torch.sum), f"this is the sum over the images; {most}"
    yield of(torch.norm), "this is one norm over the whole batch; wanted is the largest of the norms of single images"
    yield of(lambda v: v.max().square()), "the gradients were squared: the norm is the root of the sum of squares"
    for name in right:
        yield dict.fromkeys(right, right[name]), f"both numbers belong to {name}: take each run's own D"
    nets = {k: copy.deepcopy(D) for k, D in discriminators.items()}
    with torch.no_grad():
        logits = {k: D.eval()(x_real) for k, D in nets.items()}
    yield {k: v.max() for k, v in logits.items()}, "this is the largest logit itself; wanted is how fast it changes: its gradient"
    slopes = {k: (norms[k] * (p := logits[k].sigmoid().flatten()) * (1 - p)).max() for k in norms}
    yield slopes, "this is the gradient of D(x), the probability; wanted is the logit's, without the sigmoid"
    entries = {k: _gradient(D, x_real).abs().max() for k, D in nets.items()}
    yield entries, "this is the largest single entry of the gradient; wanted is its norm over all pixels of an image"
    train = {k: _gradient(D.train(), x_real).flatten(1).norm(dim=1).max() for k, D in nets.items()}
    yield train, "measured in training mode, where BatchNorm makes each logit depend on the whole batch: `D.eval()` first"


def _gradient(D, x_real):
    x = x_real.detach().clone().requires_grad_(True)
    return torch.autograd.grad(D(x).sum(), x)[0]
