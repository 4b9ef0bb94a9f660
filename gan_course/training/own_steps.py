"""The two training steps of lesson 01, as a learner wrote them, in the place of the Trainer's own."""

from collections.abc import Callable

import torch
from torch import Tensor

from gan_course import UserError


def own_steps(trainer, discriminator_step: Callable, generator_step: Callable) -> tuple[Callable, Callable]:
    """`d_step` and `g_step` for a trainer out of two functions, each of which updates one network and returns its loss.

    They are called as discriminator_step(G, D, opt_g, opt_d, x_real, z) and generator_step(G, D, opt_g, opt_d, z). What
    D makes of real images and of fakes is measured after each D step, in evaluation mode.
    """

    def d_step() -> None:
        x_real, z = trainer.real_batch(), trainer.noise()
        G, D = trainer.G, trainer.D
        with trainer.autocast():
            loss_d = discriminator_step(G, D, trainer.opt_g, trainer.opt_d, x_real, z)
        G.eval()
        D.eval()
        with torch.no_grad():
            d_real, d_fake = (D(x).float().sigmoid().mean() for x in (x_real, G(z)))
        G.train()
        D.train()
        trainer.note(loss_d=_number(loss_d, discriminator_step), d_real=d_real, d_fake=d_fake)

    def g_step() -> None:
        with trainer.autocast():
            loss_g = generator_step(trainer.G, trainer.D, trainer.opt_g, trainer.opt_d, trainer.noise())
        trainer.average_weights()
        trainer.note(loss_g=_number(loss_g, generator_step))

    return d_step, g_step


def _number(loss, step: Callable) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise UserError(f"{getattr(step, '__name__', 'your step')} returned {what}; return the loss, one number")
    return loss.squeeze()
