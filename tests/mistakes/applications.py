"""Lesson 08: applications, and what comes after GANs."""

import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from gan_course import checks


def pairs(members, others):
    m, o = members[:, None], others[None]
    return ((m > o).float() + 0.5 * (m == o).float()).mean()


def by_library(members, others):
    labels = [1] * len(members) + [0] * len(others)
    return roc_auc_score(labels, torch.cat([members, others]).numpy())


def trapezoids(members, others):
    steps = torch.cat([members, others]).unique().flip(0)
    y = torch.tensor([0.0] + [(members >= s).float().mean().item() for s in steps])
    x = torch.tensor([0.0] + [(others >= s).float().mean().item() for s in steps])
    return torch.trapezoid(y, x).item()


def strictly(members, others):
    return (members[:, None] > others[None]).float().mean()


def not_below(members, others):
    return (members[:, None] >= others[None]).float().mean()


def other_way(members, others):
    return pairs(others, members)


def counted(members, others):
    return pairs(members, others) * len(members) * len(others)


def means(members, others):
    return members.mean() - others.mean()


def one_threshold(members, others):
    return ((members > 0.5).float().mean() + (others <= 0.5).float().mean()) / 2


def zipped(members, others):
    return sum(m > o for m, o in zip(members, others, strict=False)) / len(members)


def gumbel(u):
    return -torch.log(-torch.log(u))


def straight(logits, u, tau):
    soft = torch.softmax((logits + gumbel(u)) / tau, -1)
    hard = F.one_hot(soft.argmax(-1), logits.shape[-1]).float()
    return hard + soft - soft.detach()


def straight_scattered(logits, u, tau):
    soft = ((logits - (-u.log()).log()) / tau).softmax(2)
    hard = torch.zeros_like(soft).scatter_(2, soft.argmax(2, keepdim=True), 1.0)
    return (hard - soft).detach() + soft


def soft_only(logits, u, tau):
    return torch.softmax((logits + gumbel(u)) / tau, -1)


def hard_only(logits, u, tau):
    return F.one_hot((logits + gumbel(u)).argmax(-1), logits.shape[-1]).float()


def without_noise(logits, u, tau):
    return straight(logits, torch.full_like(u, 0.5), tau)


def noise_upside_down(logits, u, tau):
    soft = torch.softmax((logits - gumbel(u)) / tau, -1)
    return F.one_hot(soft.argmax(-1), logits.shape[-1]).float() + soft - soft.detach()


def plain_noise(logits, u, tau):
    soft = torch.softmax((logits + u) / tau, -1)
    return F.one_hot(soft.argmax(-1), logits.shape[-1]).float() + soft - soft.detach()


def without_tau(logits, u, tau):
    return straight(logits, u, 1.0)


def times_tau(logits, u, tau):
    return straight(logits, u, 1 / tau)


def noise_after_tau(logits, u, tau):
    soft = torch.softmax(logits / tau + gumbel(u), -1)
    return F.one_hot(soft.argmax(-1), logits.shape[-1]).float() + soft - soft.detach()


def forgot_detach(logits, u, tau):
    soft = torch.softmax((logits + gumbel(u)) / tau, -1)
    return F.one_hot(soft.argmax(-1), logits.shape[-1]).float() + soft - soft


def over_places(logits, u, tau):
    soft = torch.softmax((logits + gumbel(u)) / tau, 1)
    return F.one_hot(soft.argmax(1), logits.shape[1]).float().transpose(1, 2) + soft - soft.detach()


def added(logits, u, tau):
    soft = torch.softmax((logits + gumbel(u)) / tau, -1)
    return F.one_hot(soft.argmax(-1), logits.shape[-1]).float() + soft


def flow(v, z, x_real, t):
    x = (1 - t) * z + t * x_real
    return F.mse_loss(v(x, t), x_real - z)


def flow_summed(v, z, x_real, t):
    x = z + t * (x_real - z)
    return (v(x, t) - (x_real - z)).square().sum(1).mean()


def flow_back(v, z, x_real, t):
    return F.mse_loss(v((1 - t) * z + t * x_real, t), z - x_real)


def flow_other_end(v, z, x_real, t):
    return F.mse_loss(v(t * z + (1 - t) * x_real, t), x_real - z)


def flow_to_data(v, z, x_real, t):
    return F.mse_loss(v((1 - t) * z + t * x_real, t), x_real)


def flow_rest_of_way(v, z, x_real, t):
    x = (1 - t) * z + t * x_real
    return F.mse_loss(v(x, t), x_real - x)


def flow_absolute(v, z, x_real, t):
    return F.l1_loss(v((1 - t) * z + t * x_real, t), x_real - z)


def flow_total(v, z, x_real, t):
    return (v((1 - t) * z + t * x_real, t) - (x_real - z)).square().sum()


def flow_at_data(v, z, x_real, t):
    return F.mse_loss(v(x_real, t), x_real - z)


def flow_own_t(v, z, x_real, t):
    t = torch.rand_like(t)
    return flow(v, z, x_real, t)


def flow_item(v, z, x_real, t):
    return flow(v, z, x_real, t).item()


def walk(v, z, steps):
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), i / steps)) / steps
    return x


def walk_cloned(v, z, steps):
    x, t = z.clone(), torch.zeros(len(z), 1)
    for _ in range(steps):
        x += v(x, t) / steps
        t = t + 1 / steps
    return x


def undivided(v, z, steps):
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), i / steps))
    return x


def time_of_the_end(v, z, steps):
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), (i + 1) / steps)) / steps
    return x


def time_stands(v, z, steps):
    x = z
    for _ in range(steps):
        x = x + v(x, torch.zeros(len(x), 1)) / steps
    return x


def counts_steps(v, z, steps):
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), float(i))) / steps
    return x


def backwards(v, z, steps):
    x = z
    for i in range(steps):
        x = x - v(x, torch.full((len(x), 1), i / steps)) / steps
    return x


def one_leap(v, z, steps):
    return z + v(z, torch.zeros(len(z), 1))


def never_moves(v, z, steps):
    x = z
    for i in range(steps):
        x = z + v(x, torch.full((len(x), 1), i / steps)) / steps
    return x


def changes_z(v, z, steps):
    for i in range(steps):
        z += v(z, torch.full((len(z), 1), i / steps)) / steps
    return z


def one_short(v, z, steps):
    x = z
    for i in range(steps - 1):
        x = x + v(x, torch.full((len(x), 1), i / steps)) / steps
    return x


def turned(right, n=1):
    """The right answers with the first n of them exchanged for another's."""
    answers = {question: choice for question, (choice, _) in right.items()}
    choices = list(dict.fromkeys(answers.values()))
    for question in list(answers)[:n]:
        answers[question] = choices[(choices.index(answers[question]) + 1) % len(choices)]
    return answers


FAIR, MYTHS = turned(checks.TABLES, 0), turned(checks.APPLICATION_MYTHS, 0)


def ten_always(v, z, steps):
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), i / steps)) / 10
    return x


def summed_times(v, z, steps):
    x = z
    for t in torch.arange(0, 1, 1 / steps):
        x = x + v(x, t.expand(len(x), 1)) / steps
    return x


def from_the_first(members, others):
    steps = torch.cat([members, others]).sort(descending=True).values
    accused, found = ((scores[None] >= steps[:, None]).float().mean(1) for scores in (others, members))
    return torch.trapezoid(found, accused)


WRONG = [
    (checks.roc_area, strictly, "equal scores"),
    (checks.roc_area, not_below, "equal scores"),
    (checks.roc_area, other_way, "the other way round"),
    (checks.roc_area, counted, "share"),
    (checks.roc_area, means, "means"),
    (checks.roc_area, one_threshold, "one threshold"),
    (checks.roc_area, zipped, "every member with every other"),
    (checks.roc_area, from_the_first, "begins at (0, 0)"),
    (checks.straight_through, soft_only, "a mixture of letters"),
    (checks.straight_through, hard_only, "no gradient"),
    (checks.straight_through, without_noise, "without noise"),
    (checks.straight_through, noise_upside_down, "sign"),
    (checks.straight_through, plain_noise, "Gumbel"),
    (checks.straight_through, without_tau, "τ is not in it"),
    (checks.straight_through, times_tau, "divided by τ"),
    (checks.straight_through, noise_after_tau, "noise too"),
    (checks.straight_through, forgot_detach, "detach"),
    (checks.straight_through, over_places, "last axis"),
    (checks.straight_through, added, "one-hot"),
    (checks.flow_loss, flow_back, "from noise to data"),
    (checks.flow_loss, flow_other_end, "at t = 0"),
    (checks.flow_loss, flow_to_data, "x_real − z"),
    (checks.flow_loss, flow_rest_of_way, "whole way"),
    (checks.flow_loss, flow_absolute, "square"),
    (checks.flow_loss, flow_total, "mean"),
    (checks.flow_loss, flow_at_data, "on the way"),
    (checks.flow_loss, flow_own_t, "`t` is given"),
    (checks.flow_loss, flow_item, "no gradient"),
    (checks.euler, undivided, "1/steps"),
    (checks.euler, time_of_the_end, "begins at 0"),
    (checks.euler, time_stands, "time stands still"),
    (checks.euler, counts_steps, "from 0 to 1"),
    (checks.euler, backwards, "plus"),
    (checks.euler, one_leap, "once"),
    (checks.euler, never_moves, "where the last step ended"),
    (checks.euler, changes_z, "changes z"),
    (checks.euler, one_short, "9 times"),
    (checks.euler, ten_always, "not for 1"),
    (checks.euler, summed_times, "50 times"),
    (checks.fair_tables, turned(checks.TABLES), "not all"),
    (checks.fair_tables, FAIR | {next(iter(FAIR)): ...}, "1 to go"),
    (checks.fair_tables, FAIR | {next(iter(FAIR)): "unfair"}, "is not one of"),
    (checks.application_myths, turned(checks.APPLICATION_MYTHS, 2), "not all"),
    (checks.application_myths, MYTHS | {next(iter(MYTHS)): ...}, "1 to go"),
    (checks.application_myths, MYTHS | {next(iter(MYTHS)): "yes"}, "is not one of"),
]

RIGHT = [
    (checks.roc_area, pairs),
    (checks.roc_area, by_library),
    (checks.roc_area, trapezoids),
    (checks.straight_through, straight),
    (checks.straight_through, straight_scattered),
    (checks.flow_loss, flow),
    (checks.flow_loss, flow_summed),
    (checks.euler, walk),
    (checks.euler, walk_cloned),
    (checks.fair_tables, FAIR),
    (checks.application_myths, MYTHS),
]
