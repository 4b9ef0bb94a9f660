"""Conditional training (Mirza and Osindero 2014): G is asked for a class, D is told the class and judges both together."""

import torch
from torch import Tensor

from gan_course import UserError
from gan_course.training.recipes import Recipe
from gan_course.training.trainer import Trainer


class ConditionalTrainer(Trainer):
    """A `Trainer` of networks G(z, y) and D(x, y), where y (N,) are class indices of the data set.

    The recipe's networks take `n_classes`, as in `recipe("mlp-tuned").vary(generator={"n_classes": 10},
    discriminator={"n_classes": 10})`. Fixed noise and samples go through the classes in turn.
    """

    def begin(self) -> None:
        """See `Game.begin`. UserError for a recipe that packs: one pack would mix classes, of which D is told one."""
        if self.recipe.packing > 1:
            raise UserError(f"packing={self.recipe.packing} joins samples of several classes; use packing=1 with classes")
        super().begin()

    def d_step(self) -> None:
        """One discriminator step: real images and fakes of the same classes."""
        x_real, y = self.real_pairs()
        with self.autocast():
            x_fake = self.G(self.noise(), y).detach()
            logits_real, logits_fake = self.judge(x_real, x_fake, y)
        loss_d = self.loss.d(logits_real, logits_fake) + self.penalty(x_real, x_fake, y)
        self.opt_d.zero_grad()
        loss_d.backward()
        self.opt_d.step()
        self.clip_weights()
        self.note(loss_d=loss_d, d_real=logits_real.sigmoid().mean(), d_fake=logits_fake.sigmoid().mean())

    def g_step(self) -> None:
        """One generator step: D must take G's images for real ones of the classes asked for."""
        self.D.requires_grad_(False)
        x_real, y = self.real_pairs()
        with self.autocast():
            logits_fake = self.D(self.G(self.noise(), y), y).float()
        loss_g = self.g_loss(logits_fake, x_real, y)
        self.opt_g.zero_grad()
        loss_g.backward()
        self.opt_g.step()
        self.D.requires_grad_(True)
        self.average_weights()
        self.note(loss_g=loss_g)

    def real_pairs(self) -> tuple[Tensor, Tensor]:
        """batch_size random training images and their classes (N,)."""
        index = self.indices()
        return self.images_at(index), self.data.labels[index]

    def classes(self, n: int) -> Tensor:
        """All classes in turn, (n,): with eight columns and more classes each column mixes them, with as many it is one."""
        return torch.arange(n, device=self.device) % len(self.data.classes)


def trainer_of(recipe: Recipe) -> type[Trainer]:
    """The kind of trainer that a recipe is for."""
    return ConditionalTrainer if recipe.conditional else Trainer
