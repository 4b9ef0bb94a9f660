"""The two training steps: each wrong answer is the right one with a piece replaced."""

import torch
import torch.nn.functional as F

from gan_course import checks

bce = F.binary_cross_entropy_with_logits


def ones(s):
    return torch.ones_like(s)


def zeros(s):
    return torch.zeros_like(s)


def d_step(body):
    """A D step from source: what a learner would write."""
    scope = {"F": F, "torch": torch, "bce": bce, "ones": ones, "zeros": zeros}
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    exec(f"def discriminator_step(G, D, opt_g, opt_d, x_real, z):\n{lines}", scope)
    return scope["discriminator_step"]


def g_step(body):
    scope = {"F": F, "torch": torch, "bce": bce, "ones": ones, "zeros": zeros}
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    exec(f"def generator_step(G, D, opt_g, opt_d, z):\n{lines}", scope)
    return scope["generator_step"]


D_RIGHT = """x_fake = G(z).detach()
r, f = D(x_real), D(x_fake)
loss = bce(r, ones(r)) + bce(f, zeros(f))
opt_d.zero_grad()
loss.backward()
opt_d.step()
return loss"""


D_MISTAKES = [
    ("G(z).detach()", "G(z)", "detach"),
    ("opt_d.zero_grad()\n", "", "zero_grad"),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "bce(r, zeros(r)) + bce(f, ones(f))", "labels are swapped"),
    ("zeros(f)", "ones(f)", "both halves carry label 1"),
    ("ones(r)", "zeros(r)", "both halves carry label 0"),
    (" + bce(f, zeros(f))", "", "only the real half"),
    ("bce(r, ones(r)) + ", "", "only the fake half"),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "bce(f, ones(f))", "G's loss"),
    ("opt_d.step()", "opt_g.step()", "wrong optimiser"),
    ("opt_d.step()", "opt_d.step(); opt_g.step()", "G moved: in D's step only opt_d"),
    ("loss.backward()\n", "", "is backward() called, outside no_grad?"),
    (D_RIGHT[D_RIGHT.index("opt_d.zero") : D_RIGHT.index("return")], "", "is backward() called, outside no_grad?"),
    ("loss = bce(r, ones(r)) + bce(f, zeros(f))", "loss = -(bce(r, ones(r)) + bce(f, zeros(f)))", "leave the minus out"),
    ("opt_d.step()\n", "", "`opt_d.step()` is missing"),
    ("opt_d.zero_grad()\nloss.backward()", "loss.backward()\nopt_d.zero_grad()", "The order is"),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "bce(r, ones(r)) - bce(f, zeros(f))", "subtracted"),
    ("ones(r)", "0.9 * ones(r)", "smoothing"),
    ("bce(f, zeros(f))", "bce(f.detach(), zeros(f))", "detach the images"),
    ("ones(r)", "torch.ones(len(r))", "the labels need the logits' shape"),
    ("ones(r)", "1", "a tensor of the logits' shape, not a number"),
    ("bce(r, ones(r))", "F.binary_cross_entropy(r, ones(r))", "wants probabilities, D gives logits"),
    ("return loss", "return r, f", "one number is wanted back"),
    ("return loss", "return r", "one number is wanted back"),
    ("G(z).detach()", "G(torch.randn(len(z), 100)).detach()", "some random numbers are your own"),
    ("r, f = D(x_real), D(x_fake)", "r, f = D(x_real).sigmoid(), D(x_fake).sigmoid()", "Sigmoid twice"),
    ("bce(f, zeros(f))", "bce(f, zeros(f)); loss = loss / 2", "average of the two halves"),
    (
        "bce(r, ones(r)) + bce(f, zeros(f))",
        "bce(r, ones(r), reduction='sum') + bce(f, zeros(f), reduction='sum')",
        "sums over the batch",
    ),
    ("return loss", "pass", "returns nothing"),
    ("return loss", "return loss * 3", "returned loss is"),
    ("D(x_fake)", "D(0.5 * x_fake)", "not where it should"),
    ("D(x_fake)", "D(torch.randn_like(x_fake))", "some random numbers are your own"),
    ("x_fake = G(z).detach()", "x_fake = generator(z)", "raised NameError in line 2"),
]
D_RIGHTS = [
    ("", ""),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "F.softplus(-r).mean() + F.softplus(f).mean()"),
    ("r, f = D(x_real), D(x_fake)", "r, f = D(torch.cat([x_real, x_fake])).chunk(2)"),
    ("opt_d.zero_grad()", "opt_d.zero_grad(set_to_none=False)"),
    ("opt_d.zero_grad()", "D.zero_grad(); G.zero_grad()"),
    ("return loss", "return loss.item()"),
]
TWO_UPDATES = """x_fake = G(z).detach()
for x, label in ((x_real, ones), (x_fake, zeros)):
    s = D(x)
    loss = bce(s, label(s))
    opt_d.zero_grad()
    loss.backward()
    opt_d.step()
return loss"""
G_RIGHT = """s = D(G(z))
loss = bce(s, ones(s))
opt_g.zero_grad()
loss.backward()
opt_g.step()
return loss"""
G_MISTAKES = [
    ("bce(s, ones(s))", "-bce(s, zeros(s))", "saturating"),
    ("bce(s, ones(s))", "torch.log(1 - s.sigmoid()).mean()", "saturating"),
    ("ones(s)", "zeros(s)", "label 0"),
    ("D(G(z))", "D(G(z).detach())", "no gradient reached G"),
    ("opt_g.zero_grad()\n", "", "zero_grad"),
    ("opt_g.step()", "opt_d.step()", "wrong optimiser"),
    ("opt_g.step()", "opt_g.step(); opt_d.step()", "both optimisers"),
    ("opt_g.step()\n", "", "`opt_g.step()` is missing"),
    ("loss.backward()\n", "", "is `backward()` called"),
    ("bce(s, ones(s))", "-s.mean()", "another GAN"),
    ("s = D(G(z))", "x = G(z)\nwith torch.no_grad():\n    s = D(x)", "made under `no_grad`"),
    ("D(G(z))", "D(G(z) * 0.5)", "not where it should"),
    ("bce(s, ones(s))", "-bce(s, ones(s))", "leave the minus out"),
    ("D(G(z))", "D(G(z)).sigmoid()", "Sigmoid twice"),
    ("bce(s, ones(s))", "bce(s, ones(s), reduction='sum')", "sums over the batch"),
    ("return loss", "pass", "returns nothing"),
    ("D(G(z))", "D(G(torch.randn_like(z)))", "some random numbers are your own"),
]
G_RIGHTS = [
    ("", ""),
    ("bce(s, ones(s))", "F.softplus(-s).mean()"),
    ("opt_g.zero_grad()", "G.zero_grad()"),
    ("return loss", "return loss.item()"),
]


WHOLE = """
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones(len(z), 1), torch.zeros(len(z), 1)
    x_real, x_fake = images.float() / 127.5 - 1, G(z)
    loss_d = bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)
    opt_d.zero_grad(); loss_d.backward(); opt_d.step()
    loss_g = bce(D(x_fake), ones)
    opt_g.zero_grad(); loss_g.backward(); opt_g.step()
"""
LEFT = {  # a line of it → as it stands in the lesson's broken step, and what the check says
    "images.float() / 127.5 - 1": ("images.float() / 255", "real images still run from 0 to 1"),
    "bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)": (
        "bce(D(x_real).sigmoid(), ones) + bce(D(x_fake.detach()).sigmoid(), zeros)",
        "through a Sigmoid",
    ),
    "bce(D(x_fake), ones)": ("bce(D(x_fake), zeros)", "label 0"),
    "opt_g.zero_grad(); ": ("", "still in G"),
}


def whole(*left):
    lines = WHOLE
    for right in left:
        assert right in lines
        lines = lines.replace(right, LEFT[right][0])
    scope = {"torch": torch, "F": F}
    exec(f"def mended_step(G, D, opt_g, opt_d, images, z):{lines}", scope)
    return scope["mended_step"]


def of(step, right, old, new):
    assert old in right
    return step(right.replace(old, new) if old else right)


BOTH = D_RIGHT.replace("G(z).detach()", "G(z)").replace("opt_d.step()", "opt_d.step(); opt_g.step()")
WRONG = [
    *((checks.discriminator_step, of(d_step, D_RIGHT, old, new), words) for old, new, words in D_MISTAKES),
    (checks.discriminator_step, d_step(BOTH), "both optimisers"),
    (checks.discriminator_step, d_step(TWO_UPDATES), "D moves twice"),
    *((checks.generator_step, of(g_step, G_RIGHT, old, new), words) for old, new, words in G_MISTAKES),
    *((checks.mended_step, whole(line), words) for line, (_, words) in LEFT.items()),
    (checks.mended_step, lambda *_: None, "neither network moved"),
]
RIGHT = [
    *((checks.discriminator_step, of(d_step, D_RIGHT, *change)) for change in D_RIGHTS),
    *((checks.generator_step, of(g_step, G_RIGHT, *change)) for change in G_RIGHTS),
    (checks.mended_step, whole()),
]
