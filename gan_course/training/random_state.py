"""A run's own copy of torch's global random state, which initial weights and dropout draw from."""

import torch
from torch import Tensor


class RandomState:
    """Swapped in by `with`, and back out afterwards: runs are repeatable and do not disturb each other or their caller."""

    def __init__(self, device: torch.device, seed: int):
        self.device, self.seed, self._states, self._outer = device, seed, None, None

    def __enter__(self) -> "RandomState":
        self._outer = self._current()
        if self._states is None:
            self._seed()
        else:
            self._make_current(self._states)
        return self

    def __exit__(self, *_) -> None:
        self._states, outer, self._outer = self._current(), self._outer, None
        self._make_current(outer)

    def _seed(self) -> None:
        """Not `torch.manual_seed`, which reaches the generators of devices that this run does not use."""
        torch.default_generator.manual_seed(self.seed)
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(self.seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(self.seed)

    def get(self) -> list[Tensor]:
        """The state as the run sees it: the CPU's, then the GPU's."""
        return self._states if self._outer is None else self._current()

    def set(self, states: list[Tensor]) -> None:
        """Go on from such a state at the next `with`. ValueError for none; the GPU's is missing in a run that comes from a CPU."""
        if not states:
            raise ValueError("no random state")
        self._states = [state.cpu() for state in states]

    def _current(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        elif self.device.type == "mps":
            states.append(torch.mps.get_rng_state())
        return states

    def _make_current(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda" and len(states) > 1:
            torch.cuda.set_rng_state(states[1], self.device)
        elif self.device.type == "mps" and len(states) > 1:
            torch.mps.set_rng_state(states[1])
