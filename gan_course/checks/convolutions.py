"""Exercises on sizes of convolutions, the blocks of a DCGAN, its initialisation, and how steep its D is."""

import copy
import math

import torch
from torch import nn

from gan_course import convolutions, models
from gan_course.checks.verdict import Verdict, check, untouched

LESSON_03 = {"dcgan16": 16, "dcgan28": 28, "dcgan32": 32}  # its architectures, and their images' sides
CASES = [(32, 4, 2, 1), (28, 5, 2, 2), (7, 3, 1, 1), (8, 3, 2, 0)]


def conv_size(answer) -> Verdict:
    """answer(n, kernel, stride, padding) → side of a convolution's output."""

    def judge(answer):
        given = [answer(*case) for case in CASES]
        if all(size is None for size in given):
            return ...
        wanted = [convolutions.conv_size(*case) for case in CASES]
        mistakes = {
            "padding counts on both sides: n + 2·padding": lambda n, k, s, p: (n + p - k) // s + 1,
            "the last position counts too: add 1 after dividing": lambda n, k, s, p: (n + 2 * p - k) // s,
            "the kernel takes up room: subtract it before dividing by the stride": lambda n, k, s, p: (n + 2 * p) // s,
            "add 1 after dividing by the stride, not before": lambda n, k, s, p: (n + 2 * p - k + 1) // s,
            "half a position is none: divide with //": lambda n, k, s, p: (n + 2 * p - k) / s + 1,
            "this is the transposed convolution's size": lambda n, k, s, p: (n - 1) * s - 2 * p + k,
        }
        return _size_verdict(given, wanted, CASES, mistakes, ("n", "kernel", "stride", "padding"))

    hints = (
        "The first position of the kernel is one; how many further steps of the stride fit into what is left?",
        "What is left is n + 2·padding - kernel.",
        "(n + 2 * padding - kernel) // stride + 1",
    )
    return check("conv_size", answer, judge, "the same as torch, for four settings", hints)


def transposed_size(answer) -> Verdict:
    """answer(n, kernel, stride, padding, output_padding) → side of a transposed convolution's output."""
    cases = [(4, 4, 2, 1, 0), (7, 5, 2, 2, 1), (1, 4, 1, 0, 0), (7, 5, 1, 2, 0)]

    def judge(answer):
        given = [answer(*case) for case in cases]
        if all(size is None for size in given):
            return ...
        wanted = [convolutions.transposed_size(*case) for case in cases]
        mistakes = {
            "padding is cut off here, on both sides: - 2·padding": lambda n, k, s, p, o: (n - 1) * s + 2 * p + k + o,
            "padding is cut off on both sides: twice": lambda n, k, s, p, o: (n - 1) * s - p + k + o,
            "between n stamps lie n - 1 steps of the stride": lambda n, k, s, p, o: n * s - 2 * p + k + o,
            "the output padding is missing: it is added on one side": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k,
            "the last stamp is a whole kernel wide: add it": lambda n, k, s, p, o: (n - 1) * s - 2 * p + o,
            "output padding is added on one side only": lambda n, k, s, p, o: (n - 1) * s - 2 * p + k + 2 * o,
            "this is the ordinary convolution's size": lambda n, k, s, p, o: (n + 2 * p - k) // s + 1,
        }
        return _size_verdict(given, wanted, cases, mistakes, ("n", "kernel", "stride", "padding", "output padding"))

    hints = (
        "Every input stamps a kernel; the stamps start `stride` apart. How far do the first and the last one reach?",
        "(n - 1) * stride + kernel without padding; then padding cuts off both sides and output padding adds to one.",
        "(n - 1) * stride - 2 * padding + kernel + output_padding",
    )
    return check("transposed_size", answer, judge, "the same as torch, for four settings", hints)


def _size_verdict(given, wanted, cases, mistakes, names) -> str | None:
    if given == wanted and all(isinstance(size, int) for size in given):
        return None
    for said, formula in mistakes.items():
        if given == [formula(*case) for case in cases]:
            return said
    i = next((i for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b), 0)
    setting = ", ".join(f"{name} {value}" for name, value in zip(names, cases[i], strict=True))
    return f"with {setting} torch gives {wanted[i]}, yours {given[i]!r}"


def receptive_fields(answer) -> Verdict:
    """answer: sides of what one unit sees after one, two and three convolutions of kernel 5, stride 2."""

    def judge(answer):
        answer = list(answer)
        if all(side is ... for side in answer):
            return ...
        wanted = convolutions.receptive_field([(5, 2)] * 3)
        said = {
            (5, 10, 20): "it does not double: neighbours of the layer before overlap. They are 2 pixels apart, and each sees 5",
            (5, 9, 13): "the steps grow: after one stride of 2 neighbours are 2 pixels apart, after two strides 4",
            (5, 25, 125): "5 units of the layer before do not lie side by side, they overlap: 5 + 4·2 pixels",
            (5, 5, 5): "a unit of the second layer sees 5×5 units of the first, and each of those sees 5×5 pixels",
            (5, 13, 21): "in the third layer neighbours are 4 pixels apart, not 2: 13 + 4·4",
            (5, 11, 23): "the kernel has 5 weights, so a unit of the second layer sees 5 units of the first: 5 + 4·2 pixels",
            (4, 10, 22): "these are the sides for kernel 4, as in the picture above; the question is about kernel 5",
        }
        if ... in answer:
            return f"{answer.count(...)} to go: one side for each of the three layers"
        if answer == wanted:
            return None
        return said.get(tuple(answer), f"yours are {answer}; draw one row: 5 neighbours, 2 pixels apart, each 5 pixels wide")

    hints = (
        "Five neighbours of the first layer start at pixels 0, 2, 4, 6 and 8, and the last one reaches 5 pixels further.",
        "Each layer adds (kernel - 1) · (how far apart its inputs are): 4·1, 4·2, 4·4.",
    )
    return check("receptive_fields", answer, judge, "5, 13 and 29 pixels", hints)


def upsampling_block(answer) -> Verdict:
    """answer(n_in, n_out) → nn.Sequential that doubles the side: transposed convolution, BatchNorm, ReLU."""

    def judge(answer):
        block = answer(6, 3)
        if block is None:
            return ...
        if said := _doubles(block):
            return said
        kinds = [type(m) for m in block.modules() if not list(m.children())]
        if nn.ConvTranspose2d not in kinds:
            return f"no transposed convolution in it: {_names(kinds)}"
        conv = next(m for m in block.modules() if isinstance(m, nn.ConvTranspose2d))
        if conv.kernel_size[0] % conv.stride[0]:
            return (
                f"kernel {conv.kernel_size[0]} is no multiple of stride {conv.stride[0]}: outputs are touched unequally often, "
                "a checkerboard. Take kernel 4"
            )
        if nn.BatchNorm2d not in kinds:
            return "BatchNorm is missing: in a DCGAN every layer of G but the last has it"
        if nn.ReLU not in kinds:
            return "ReLU is missing: G's hidden layers use it" + (", LeakyReLU is D's" if nn.LeakyReLU in kinds else "")
        if kinds.index(nn.ReLU) < kinds.index(nn.BatchNorm2d):
            return "ReLU comes before BatchNorm: normalise first, then cut off"
        if kinds.index(nn.BatchNorm2d) < kinds.index(nn.ConvTranspose2d):
            return "BatchNorm comes before the transposed convolution: it normalises what the convolution makes"

    hints = (
        "Which kernel and padding double the side at stride 2? (n - 1)·2 - 2·padding + kernel = 2n.",
        "Kernel 4, stride 2, padding 1. Then BatchNorm over n_out channels, then ReLU.",
        "nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 4, 2, 1), nn.BatchNorm2d(n_out), nn.ReLU())",
    )
    return check("upsampling_block", answer, judge, "doubles the side, in DCGAN's order", hints)


def resize_block(answer) -> Verdict:
    """answer(n_in, n_out) → nn.Sequential that doubles the side without a transposed convolution."""

    def judge(answer):
        block = answer(6, 3)
        if block is None:
            return ...
        if said := _unreadable(block):
            return said
        kinds = [type(m) for m in block.modules() if not list(m.children())]
        kinds = [nn.Upsample if issubclass(kind, nn.Upsample) else kind for kind in kinds]
        if nn.ConvTranspose2d in kinds:
            return "this still is a transposed convolution: enlarge with nn.Upsample, then convolve"
        if nn.Conv2d not in kinds:
            return f"no convolution in it: {_names(kinds)}; copying pixels alone learns nothing"
        if nn.Upsample not in kinds:
            return f"nothing enlarges the map: {_names(kinds)}; nn.Upsample(scale_factor=2) does"
        if said := _doubles(block):
            return said
        if kinds.index(nn.Conv2d) < kinds.index(nn.Upsample):
            return "the convolution comes before the enlargement, so 2×2 blocks of pixels stay equal: enlarge first"

    hints = (
        "nn.Upsample(scale_factor=2) writes every pixel four times.",
        "A 3×3 convolution with padding 1 keeps the side.",
        "nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_out, 3, padding=1))",
    )
    return check("resize_block", answer, judge, "every output is touched equally often", hints)


def _unreadable(block) -> str | None:
    if not type(block).__module__.startswith("torch.nn."):
        return f"an nn.Sequential is wanted, whose layers this check can read; yours is {type(block).__name__}"
    return None


def _doubles(block) -> str | None:
    if said := _unreadable(block):
        return said
    made = tuple(block(torch.randn(2, 6, 4, 4)).shape)
    if made[1:2] != (3,):
        return f"with n_in = 6 and n_out = 3 three channels must come out, yours gives {made[1]}"
    if made[2:] != (8, 8):
        return f"4×4 must become 8×8, yours gives {'×'.join(map(str, made[2:]))}: use the formula for the size"
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
        before = [p.clone() for p in net.parameters()]
        lesson = [net for name, side in LESSON_03.items() for net in models.build(name, (1, side, side))]
        try:
            for each in (net, *lesson):
                answer(each)
        except AttributeError as error:
            if "NoneType" not in str(error):
                raise
            return "a layer made with bias=False, as in dcgan28, has bias None: set a shift to 0 only where there is one"
        if all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)):
            return ... if untouched(answer) else "no weight of the net has changed: is your function applied to its modules?"
        for name, module in net.named_modules():
            kind = f"{type(module).__name__} (layer {name})"
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                mean, std = module.weight.mean().item(), module.weight.std().item()
                if abs(mean) < 0.1:
                    return f"{kind} has scales around {mean:.2f}: that switches off what comes in. They start around 1"
                if abs(mean - 1) > 0.05 or not 0.015 < std < 0.025:
                    return f"{kind} has scales of mean {mean:.2f}, spread {std:.3f}; wanted are 1 and 0.02"
                if module.bias.abs().max() > 0:
                    return f"{kind} has shifts that are not 0"
            elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                mean, std = module.weight.mean().item(), module.weight.std().item()
                if abs(mean) > 0.005 or not 0.017 < std < 0.023:
                    return f"{kind} has weights of mean {mean:.3f}, spread {std:.3f}; wanted are 0 and 0.02: is this layer reached?"
                if module.bias is not None and module.bias.abs().max() > 0:
                    return f"{kind} has shifts that are not 0"

    hints = (
        "net.apply(f) calls f on every module, also on those inside others. A function that is only defined does nothing.",
        "Three kinds have weights here: linear, convolution, transposed convolution. BatchNorm has scales, called weight.",
        "BatchNorm: nn.init.normal_(m.weight, 1.0, 0.02). The others: nn.init.normal_(m.weight, 0.0, 0.02). Both: zeros_(m.bias), where it is not None.",
    )
    return check("initialise", answer, judge, "every layer is reached, with the right spread", hints)


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
        if many := [name for name in norms if torch.as_tensor(steepest[name]).numel() != 1]:
            return f"one number is wanted for {many[0]}, yours has shape {tuple(torch.as_tensor(steepest[many[0]]).shape)}: take the largest"
        given = {name: float(steepest[name]) for name in norms}
        near = lambda wanted: all(math.isclose(given[k], float(wanted[k]), rel_tol=1e-3) for k in norms)  # noqa: E731
        right = {name: norm.max() for name, norm in norms.items()}
        if not near(right):
            for said, wanted in _steepness_mistakes(discriminators, x_real, norms, right):
                if near(wanted):
                    return said
            wrong = next(k for k in norms if not math.isclose(given[k], float(right[k]), rel_tol=1e-3))
            return f"for {wrong} the steepest of these images has {right[wrong]:.4g}, yours is {given[wrong]:.4g}: models.gradient_at(D, x_real).max()"
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
        "models.gradient_at(D, x_real) gives 64 norms, one for each image.",
        "The largest of them: .max().item(). The discriminators are live[name].D.",
        "{name: models.gradient_at(run.D, x_real).max().item() for name, run in live.items()}; spectral norm is what limits every layer.",
    )
    return check("steepest_logits", steepest, judge, "measured for both, and one of them has a limit", hints)


def _steepness_mistakes(discriminators, x_real, norms, right):
    """Pairs: what to say, and what that mistake would have measured."""
    yield "the two runs are swapped: each name with its own D", dict(zip(right, reversed(right.values()), strict=True))
    yield "this is the mean over the images; wanted is the steepest one: max()", {k: v.mean() for k, v in norms.items()}
    yield "this is the median over the images; wanted is the steepest one: max()", {k: v.median() for k, v in norms.items()}
    yield "this is the flattest of the images; wanted is the steepest one: max()", {k: v.min() for k, v in norms.items()}
    yield (
        "this is one norm over the whole batch; wanted is the largest of the norms of single images",
        {k: v.norm() for k, v in norms.items()},
    )
    yield "this is the sum over the images; wanted is the steepest one: max()", {k: v.sum() for k, v in norms.items()}
    name, last = next(iter(right)), list(right)[-1]
    yield f"both numbers belong to {name}: take each run's own D", dict.fromkeys(right, right[name])
    yield f"both numbers belong to {last}: take each run's own D", dict.fromkeys(right, right[last])
    nets = {k: copy.deepcopy(D) for k, D in discriminators.items()}
    with torch.no_grad():
        logits = {k: D.eval()(x_real) for k, D in nets.items()}
    yield "this is the largest logit itself; wanted is how fast it changes: its gradient", {k: v.max() for k, v in logits.items()}
    yield "the gradients were squared: the norm is the root of the sum of squares", {k: v.max().square() for k, v in norms.items()}
    slopes = {k: (norms[k] * (p := logits[k].sigmoid().flatten()) * (1 - p)).max() for k in norms}
    yield "this is the gradient of D(x), the probability; wanted is the logit's, without the sigmoid", slopes
    entries = {k: _gradient(D, x_real).abs().max() for k, D in nets.items()}
    yield "this is the largest single entry of the gradient; wanted is its norm over all pixels of an image", entries
    train = {k: _gradient(D.train(), x_real).flatten(1).norm(dim=1).max() for k, D in nets.items()}
    yield "measured in training mode, where BatchNorm makes each logit depend on the whole batch: D.eval() first", train


def _gradient(D, x_real):
    x = x_real.detach().clone().requires_grad_(True)
    return torch.autograd.grad(D(x).sum(), x)[0]
