"""Looking into a network: its layers, its dead units, how steep it is."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized


def layers(net: nn.Module, x: Tensor) -> list[tuple[str, tuple[int, ...], int]]:
    """Name, output shape without the batch, and number of parameters of each layer that x passes through, in order."""
    rows = []

    def note(layer, _, y):
        rows.append((type(layer).__name__.removeprefix("Parametrized"), tuple(y.shape[1:]), parameter_count(layer)))

    inside = {m for p in net.modules() if isinstance(p, ParametrizationList) for m in p.modules()}
    seen = [m for m in net.modules() if m not in inside and (is_parametrized(m) or not list(m.children()))]
    _pass(net, x, [m.register_forward_hook(note) for m in seen])
    return rows


@torch.no_grad()
def _pass(net: nn.Module, x: Tensor, hooks: list) -> None:
    """One pass of x in evaluation mode, after which the hooks are gone and the mode is the old one."""
    was_training = net.training
    try:
        net.eval()(x)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()


def layer_table(net: nn.Module, x: Tensor) -> str:
    """`layers` as lines of text, the total below."""
    rows = layers(net, x)
    lines = [f"{name:18} {'×'.join(map(str, shape)):>12} {count:>12,}" for name, shape, count in rows]
    return "\n".join([f"{'layer':18} {'output':>12} {'parameters':>12}", *lines, f"{'':18} {'':>12} {parameter_count(net):>12,}"])


def parameter_count(net: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def dead_units(net: nn.Module, x: Tensor) -> list[float]:
    """For each ReLU or LeakyReLU layer of `net`, in order, the share of units that no image of x (N, C, H, W) switches on."""
    shares = []
    count = lambda _, inputs: shares.append((inputs[0] <= 0).all(0).float().mean().item())  # noqa: E731
    _pass(net, x, [m.register_forward_pre_hook(count) for m in net.modules() if isinstance(m, (nn.ReLU, nn.LeakyReLU))])
    return shares


def with_slope(net: nn.Module, slope: float) -> nn.Module:
    """A copy of `net`, the same weights, with LeakyReLU(slope) in place of every ReLU and LeakyReLU."""
    net = copy.deepcopy(net)
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, (nn.ReLU, nn.LeakyReLU)):
                setattr(parent, name, nn.LeakyReLU(slope))
    return net


def gradient_at(D: nn.Module, x: Tensor) -> Tensor:
    """Norm of the gradient of D's logit with respect to each image of x (N, C, H, W): (N,). What G can learn from D."""
    was_training, x = D.training, x.detach().requires_grad_(True)
    D.eval()
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    D.train(was_training)
    return gradient.flatten(1).norm(dim=1)
