"""The game: one D step and one G step that read like the paper, and what they need."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gan_course import MEASURED, UserError
from gan_course.data import mirror_half
from gan_course.losses import PENALTIES, loss, measured
from gan_course.models import build
from gan_course.sampling import noise
from gan_course.team import ALONE, Team
from gan_course.training.random_state import RandomState
from gan_course.training.recipes import Recipe

NOTED = tuple(MEASURED)
OWN_SEED = 100_003  # between the seeds of two processes: far from those that a user tries in turn


class Game:
    """G and D, their optimisers and their random draws; `Trainer` is built on it.

    A subclass sets `recipe`, `data`, `seed`, `precision`, `device`, `given_networks` and `step`, and calls `begin`.
    """

    recipe: Recipe
    seed: int
    precision: str
    device: torch.device
    given_networks: tuple[nn.Module, nn.Module] | None
    step: int
    team: Team = ALONE

    def begin(self) -> None:
        """Fresh networks, optimisers and random state."""
        recipe = self.recipe
        self.rng = torch.Generator(self.device).manual_seed(self.seed)  # indices and noise
        self.random = RandomState(self.device, self.seed)  # initial weights, dropout
        with self.random:
            self.G, self.D = self._networks()
        self.team.join(self.G, self.D)
        if self.team.rank:  # the same weights, and dropout of its own
            self.random = RandomState(self.device, self.seed + OWN_SEED * self.team.rank)
        self.opt_g, self.opt_d = self._adam(self.G, recipe.lr_g), self._adam(self.D, recipe.lr_d)
        for optimizer in (self.opt_d, self.opt_g):
            self.team.average(optimizer, recipe.batch_size)
        if recipe.clip:
            self.opt_d.register_step_post_hook(self.clip_weights)
        self.loss = loss(recipe.loss, recipe.smoothing)
        self._ema_decay = torch.tensor(0.0, device=self.device)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False) if recipe.ema else None
        self.newest = torch.full((4,), math.nan, device=self.device)  # loss_d, loss_g, d_real, d_fake

    def d_step(self) -> None:
        """One discriminator step: raise D on real images, lower it on fakes. G stays as it is."""
        x_real = self.real_batch()
        with self.autocast():
            x_fake = self.G(self.noise()).detach()
            logits_real, logits_fake = self.judge(x_real, x_fake)
        loss_d = self.loss.d(logits_real, logits_fake) + self.penalty(x_real, x_fake)
        self.opt_d.zero_grad()
        loss_d.backward()
        self.opt_d.step()
        self.note(loss_d=loss_d, d_real=logits_real.sigmoid().mean(), d_fake=logits_fake.sigmoid().mean())

    def g_step(self) -> None:
        """One generator step: change G so that D takes its images for real. D stays as it is."""
        self.D.requires_grad_(False)  # no gradients for weights that will not move
        with self.autocast():
            logits_fake = self.D(self.G(self.noise())).float()
        loss_g = self.g_loss(logits_fake)
        self.opt_g.zero_grad()
        loss_g.backward()
        self.opt_g.step()
        self.D.requires_grad_(True)
        self.average_weights()
        self.note(loss_g=loss_g)

    def judge(self, x_real: Tensor, x_fake: Tensor, *y: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits for both. Our networks have `pair` for it, one pass, which is faster; BatchNorm must see the two apart."""
        if hasattr(self.D, "pair"):
            logits_real, logits_fake = self.D.pair(x_real, x_fake, *y)
        else:
            logits_real, logits_fake = self.D(x_real, *y), self.D(x_fake, *y)
        return logits_real.float(), logits_fake.float()

    def g_loss(self, logits_fake: Tensor, x_real: Tensor | None = None, *y: Tensor) -> Tensor:
        """G's side of the loss. A loss of pairs sees D's logits of real images too, by default of a fresh batch."""
        if not self.loss.pairs:
            return self.loss.g(logits_fake)
        with self.autocast():
            logits_real = self.D(self.real_batch() if x_real is None else x_real, *y).float()
        return self.loss.g(logits_real, logits_fake)

    def penalty(self, x_real: Tensor, x_fake: Tensor, *y: Tensor) -> Tensor | float:
        """The recipe's penalty on D: every `penalty_every` steps, as many times as strong. 0 where there is none."""
        recipe = self.recipe
        if not recipe.penalty or self.step % recipe.penalty_every:
            return 0.0
        weight = recipe.penalty_weight * recipe.penalty_every
        return weight * PENALTIES[recipe.penalty](lambda x: self.D(x, *y), x_real, x_fake)

    @torch.no_grad()
    def clip_weights(self, *_) -> None:
        """Cut D's weights off at ± the recipe's `clip` (Arjovsky et al. 2017, algorithm 1)."""
        for p in self.D.parameters():
            p.clamp_(-self.recipe.clip, self.recipe.clip)

    def real_batch(self) -> Tensor:
        """batch_size random training images, or this process's part of them, (N, C, H, W) in [-1, 1]."""
        return self.images_at(self.indices())

    def indices(self) -> Tensor:
        """batch_size random places in the data set, or this process's part of them, (N,)."""
        return self.team.part(torch.randint(len(self.data), (self.recipe.batch_size,), generator=self.rng, device=self.device))

    def images_at(self, index: Tensor) -> Tensor:
        """The training images at such `indices` (N,), half of them mirrored if the recipe says so."""
        x = self.data.batch(index)
        if not self.recipe.flip:
            return x
        return mirror_half(x, self.team.part(torch.rand(self.recipe.batch_size, generator=self.rng, device=self.device)))

    def noise(self) -> Tensor:
        """batch_size draws of z ~ N(0, 1), or this process's part of them, (N, noise_dim)."""
        return self.team.part(torch.randn(self.recipe.batch_size, self.G.noise_dim, generator=self.rng, device=self.device))

    def told(self, x: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        """What both networks are told of the images x at `index`: nothing here, y in a `ConditionalTrainer`."""
        return ()

    def conditions(self, n: int) -> Tensor | None:
        """The y (n, …) that fixed noise and samples are asked for: none here, classes in a `ConditionalTrainer`."""
        return None

    def autocast(self):
        """bfloat16 for the matrix products when the precision is bf16; weights, losses and Adam stay float32."""
        cuda = self.device.type == "cuda"  # a captured step must not keep casts from one replay to the next
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=not cuda)

    @torch.no_grad()
    def average_weights(self) -> None:
        """Move the averaged weights, where the recipe keeps some, a little towards those of G."""
        if self.G_ema is not None:
            for mean, now in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
                mean.lerp_(now, 1 - self._ema_decay)  # in place: temporaries of this size cost more than the arithmetic

    @torch.no_grad()
    def note(self, **values: Tensor) -> None:
        """Keep some of the four numbers of this step: loss_d, loss_g, d_real, d_fake."""
        for name, value in values.items():
            self.newest[NOTED.index(name)] = value.detach()

    @torch.no_grad()
    def measure(self, n: int = 256) -> dict[str, float]:
        """loss_d, loss_g, d_real and d_fake as the networks stand, on one batch that is always the same; nothing learns or moves.

        As in training: BatchNorm uses the batch, dropout is on (the same units each time).
        """
        G, D = (copy.deepcopy(net).train() for net in (self.G, self.D))  # their running averages would move
        n -= n % self.recipe.packing
        index = torch.randint(len(self.data), (n,), generator=torch.Generator().manual_seed(self.seed)).to(self.device)
        z = noise(n, G.noise_dim, self.seed, self.device)
        with RandomState(self.device, self.seed):
            x_real = self.data.batch(index)
            y = self.told(x_real, index)
            real, fake = (D(x, *y).float() for x in (x_real, G(z, *y)))
        return measured(self.loss, real, fake)

    def latest(self) -> dict[str, float]:
        """loss_d, loss_g, d_real and d_fake, each of the newest step that measured it (NaN: none did)."""
        return dict(zip(NOTED, self.newest.tolist(), strict=True))

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """G and D of the recipe, or copies of those that were handed in. UserError for ones that do not fit the data."""
        recipe, shape = self.recipe, tuple(self.data.shape)
        if self.given_networks:
            if [isinstance(net, nn.Module) for net in self.given_networks] != [True, True]:
                raise UserError("networks are two torch modules, (G, D)")
            if lazy := [p for net in self.given_networks for p in net.parameters() if is_lazy(p)]:
                raise UserError(f"{len(lazy)} weights have no shape yet: call G and D once before you hand them in")
            G, D = copy.deepcopy(tuple(self.given_networks))
        else:
            options = {"generator": recipe.generator, "discriminator": recipe.discriminator, "packing": recipe.packing}
            G, D = build(recipe.architecture, shape, **options)
        layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last  # faster convolutions
        G, D = G.to(self.device, memory_format=layout), D.to(self.device, memory_format=layout)
        if self.given_networks:
            G.noise_dim, G.image_shape = getattr(G, "noise_dim", recipe.generator.get("noise_dim", 100)), shape
            y = () if self.conditions(2) is None else (self.conditions(2),)
            try:
                with torch.no_grad():
                    x = G.eval()(torch.zeros(2 * recipe.packing, G.noise_dim, device=self.device), *y)
                    logits = D.eval()(x, *y)
            except (RuntimeError, TypeError, ValueError) as error:
                raise UserError(f"these networks do not fit z of {G.noise_dim} numbers: {str(error).splitlines()[0]}") from error
            if x.shape[1:] != shape or logits.shape[:1] != (2,):
                made = f"G makes {tuple(x.shape[1:])} and D gives {tuple(logits.shape)} for two of them"
                raise UserError(f"these networks do not fit: {made}; {shape} and (2, 1) are wanted")
        return G, D

    def _adam(self, net: nn.Module, lr: float) -> torch.optim.Adam:
        learns = [p for p in net.parameters() if p.requires_grad]  # one handed in may keep some as they are
        if not learns:
            raise UserError(f"no weight of {type(net).__name__} learns: requires_grad is False for all of them")
        cuda = self.device.type == "cuda"  # there the learning rate is a tensor: a captured step reads its newest value
        lr = torch.tensor(lr, device=self.device) if cuda else lr
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(learns, lr=lr, betas=self.recipe.betas, fused=fused, capturable=cuda)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Training mode, gradients whatever the caller has switched off, and this run's own random state.

        A G step that was broken off leaves D frozen, a whole one leaves all of D free: both end here, before and after.
        """
        with torch.inference_mode(False), torch.enable_grad(), self.random:
            self.G.train()
            self.D.train()
            self._thaw()
            try:
                yield
            finally:
                self._thaw()

    def _thaw(self) -> None:
        learns = {id(p) for group in self.opt_d.param_groups for p in group["params"]}
        for p in self.D.parameters():
            p.requires_grad_(id(p) in learns)
