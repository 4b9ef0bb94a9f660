"""Conditional training (Mirza and Osindero 2014): G is asked for something, D is told it too and judges both together.

y is a class, or a picture: edges, a half, a photograph without colour (Isola et al. 2017).
"""

import torch.nn.functional as F
from torch import Tensor

from gan_course import UserError
from gan_course.data import condition, conditions, triptychs
from gan_course.sampling import in_turn
from gan_course.training.checkpoint import check_data
from gan_course.training.recipes import Recipe
from gan_course.training.trainer import Trainer


def for_classes(recipe: Recipe, data) -> Recipe:
    """The recipe with both networks made for the classes of a data set. UserError where there is only one."""
    if len(data.classes) < 2:
        raise UserError(f"{data.name} has no classes to ask for, and {recipe.name} is conditional: take an unconditional recipe")
    n = {"n_classes": len(data.classes)}
    return recipe.vary(generator=n, discriminator=n)


class ConditionalTrainer(Trainer):
    """A `Trainer` of networks G(z, y) and D(x, y), where y (N,) are class indices of the data set.

    Any recipe will do: both networks get the data set's `n_classes`. Fixed noise and samples go through the classes in turn.
    """

    def __init__(self, recipe: Recipe, data, **given):
        if recipe.packing > 1:
            raise UserError(f"packing={recipe.packing} joins samples of several conditions; use packing=1 with them")
        super().__init__(self.fitted(recipe, data), data, **given)

    @classmethod
    def resume(cls, folder, data, recipe: Recipe | None = None, **given) -> "ConditionalTrainer":
        """See `Trainer.resume`."""
        check_data(data)
        return super().resume(folder, data, recipe and cls.fitted(recipe, data), **given)

    fitted = staticmethod(for_classes)  # the recipe for a data set

    def d_step(self) -> None:
        """One discriminator step: real images and fakes of the same classes."""
        x_real, y = self.real_pairs()
        with self.autocast():
            x_fake = self.G(self.noise(), y).detach()
            logits_real, logits_fake = self.judge(x_real, x_fake, y)
        loss_d = self.loss.d(logits_real, logits_fake) + self.class_loss(x_real, y) + self.penalty(x_real, x_fake, y)
        self.opt_d.zero_grad()
        loss_d.backward()
        self.opt_d.step()
        self.note(loss_d=loss_d, d_real=logits_real.sigmoid().mean(), d_fake=logits_fake.sigmoid().mean())

    def g_step(self) -> None:
        """One generator step: D must take G's images for real ones of the classes asked for."""
        self.D.requires_grad_(False)
        x_real, y = self.real_pairs()
        with self.autocast():
            x_fake = self.G(self.noise(), y)
            logits_fake = self.D(x_fake, y).float()
        loss_g = self.g_loss(logits_fake, x_real, y) + self.class_loss(x_fake, y)
        self.opt_g.zero_grad()
        (loss_g + self.distance(x_fake, x_real)).backward()
        self.opt_g.step()
        self.D.requires_grad_(True)
        self.average_weights()
        self.note(loss_g=loss_g)

    def class_loss(self, x: Tensor, y: Tensor) -> Tensor | float:
        """Cross-entropy of the classes that D's auxiliary head takes x for (Odena et al. 2017, section 4); 0 where D has none.

        D's side learns it from real images alone: of fakes it would learn to name what does not look like the class yet.
        """
        if not hasattr(self.D, "auxiliary"):
            return 0.0
        with self.autocast():
            logits = self.D.classify(x).float()
        return F.cross_entropy(logits, y)

    def distance(self, x_fake: Tensor, x_real: Tensor) -> Tensor | float:
        """The recipe's `l1` times the mean absolute difference of (N, C, H, W) in [-1, 1]; 0 without. No loss that is noted."""
        return self.recipe.l1 * (x_fake.float() - x_real).abs().mean() if self.recipe.l1 else 0.0

    def real_pairs(self) -> tuple[Tensor, Tensor]:
        """batch_size random training images and their y (N, …)."""
        index = self.indices()
        x = self.images_at(index)
        return x, *self.told(x, index)

    def told(self, x: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        """Their classes (N,)."""
        return (self.data.labels[index],)

    def conditions(self, n: int) -> Tensor:
        """All classes in turn, (n,): with eight columns and more classes each column mixes them, with as many it is one."""
        return in_turn(range(len(self.data.classes)), n).to(self.device)


class PictureTrainer(ConditionalTrainer):
    """A `ConditionalTrainer` whose y are pictures (N, C, H, W) in [-1, 1], made of the training images by the recipe's `condition`.

    G's loss has the recipe's `l1` in it. Fixed noise and samples are asked for what the first training images give.
    """

    @staticmethod
    def fitted(recipe: Recipe, data) -> Recipe:
        """The recipe as it is. UserError where the data has no such conditions."""
        conditions(recipe.condition, data, 1)
        return recipe

    def told(self, x: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        """The conditions made of them, (N, C, H, W)."""
        return (condition(self.recipe.condition)(x),)

    def conditions(self, n: int) -> Tensor:
        """Those of the first n training images, (n, C, H, W), always the same."""
        return conditions(self.recipe.condition, self.data, n, self.seed)

    def shown(self, samples: Tensor) -> Tensor:
        """Condition, output and truth side by side, uint8 (N, C, H, 3·W)."""
        return triptychs(self.recipe.condition, self.data, samples, self.seed)


def trainer_of(recipe: Recipe) -> type[Trainer]:
    """The kind of trainer that a recipe is for."""
    return PictureTrainer if recipe.condition else ConditionalTrainer if recipe.conditional else Trainer
