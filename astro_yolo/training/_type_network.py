"""The small network that tells the type of a galaxy from its stamp, and its training.

Plain torch, no ultralytics: these weights carry no licence but the package's own.
Imports torch: load it only where training was asked for.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from astro_yolo.catalog import CLASSES
from astro_yolo.network.stamps import SIZE
from astro_yolo.network.weights import load_weights
from astro_yolo.stretch import NETWORK_SKY
from astro_yolo.training._type_start import begin_with_types
from astro_yolo.training._type_variation import Variation

__all__ = ["TypeNetwork", "TypeRecipe", "export_types", "train_types"]

# in training the spirals that wind clockwise have the class's place, the others come last
_SPIRAL, _OTHER_WAY = CLASSES.index("spiral"), len(CLASSES)
_OUTPUTS = _OTHER_WAY + 1

_SOME = 512  # stamps that a network begins with: enough for the statistics of its normalisations


@dataclass(frozen=True)
class TypeRecipe:
    """How the network of types is trained; the defaults made the shipped weights."""

    start: str = "astro-yolo-n5"  # begins with the network of types of these weights; "" by chance
    steps: int = 1200
    batch: int = 128
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    smoothing: float = 0.08  # Galaxy Zoo's own classes are 80 % votes
    seed: int = 11
    # how often each class is drawn; detection puts the sky's shares back
    class_shares: tuple = (
        ("elliptical", 0.32), ("spiral", 0.28), ("edge_on", 0.20), ("merger", 0.14),
        ("unknown", 0.06),
    )  # fmt: skip


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x):
        """Return the block's output, the shape of its input."""
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(y)))


class TypeNetwork(nn.Module):
    """
    A residual network of four halvings.

    While it is trained, the two senses in which spirals wind are classes of their own: to tell
    them apart the network must see the arms.

    Parameters
    ----------
    widths : tuple of int
        Channels after each halving.
    """

    def __init__(self, widths=(24, 40, 64, 96)):
        super().__init__()
        layers, before = [], 3
        for width in widths:
            layers += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                _Block(width),
            ]
            before = width
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(2 * before, _OUTPUTS)

    def forward(self, x):
        """Return logits (B, 5) of stamps (B, 3, SIZE, SIZE), network units; (B, 6) in training."""
        features = self.body((x - NETWORK_SKY) * 4)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        logits = self.head(self.drop(pooled))
        return logits if self.training else _without_winding(logits)


def _without_winding(logits):
    """Return logits (B, 5) of the five classes: the two spirals' probabilities added."""
    both = torch.stack([logits[:, _SPIRAL], logits[:, _OTHER_WAY]], dim=1)
    spiral = torch.logsumexp(both, dim=1, keepdim=True)
    return torch.cat([logits[:, :_SPIRAL], spiral, logits[:, _SPIRAL + 1 : _OTHER_WAY]], dim=1)


def train_types(samples, out, recipe=None, *, device="cpu", report=None):
    """
    Train the network of types.

    Parameters
    ----------
    samples : StampSet
        Training stamps.
    out : path-like
        Checkpoint to write; goes on from it if it exists and is not finished.
    recipe : TypeRecipe, optional
        Schedule.
    device : str, optional
        "cpu" or "cuda".
    report : callable, optional
        Called with (step, mean loss, model) now and then.

    Returns
    -------
    TypeNetwork
        The running mean of the weights, in evaluation mode, on the CPU.
    """
    recipe, out = recipe or TypeRecipe(), Path(out)
    torch.manual_seed(recipe.seed)
    model = TypeNetwork()
    if recipe.start and not out.exists():
        begin_with_types(model, load_weights(recipe.start).types, _some(samples, recipe))
    model = model.to(device, memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999), use_buffers=True
    )
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1,
        cycle_momentum=False,
    )  # fmt: skip
    parts = {"model": model, "mean": mean, "optimiser": optimiser, "schedule": schedule}
    first = _resume(out, parts, recipe, device)
    batches, losses = _batches(samples.to(device), recipe, first), []
    for step in range(first, recipe.steps):
        losses.append(_step(model, *next(batches), optimiser))
        schedule.step()
        mean.update_parameters(model)
        if (step + 1) % 500 == 0 or step + 1 == recipe.steps:
            _save(out, parts, recipe, step + 1)
            if report:
                report(step + 1, float(torch.stack(losses).mean()), mean.module.eval())
            losses = []
    return mean.module.eval().cpu()


def _some(samples, recipe):
    """Return varied stamps."""
    batches = _batches(samples, recipe, 0)
    return torch.cat([next(batches)[0] for _ in range(-(-_SOME // recipe.batch))])


def _batches(samples, recipe, first):
    """Yield varied stamps and their targets without end, from a step on."""
    device = samples.labels.device
    chance = torch.Generator(device).manual_seed(recipe.seed + first)
    vary, weights = Variation(chance), _weights(samples, recipe)
    while True:
        chosen = torch.multinomial(weights, recipe.batch, replacement=True, generator=chance)
        x, mirrored = vary(samples.stamps[chosen], samples.linear[chosen])
        winding = torch.where(mirrored, -1, 1) * samples.winding[chosen]
        yield x, _targets(samples.labels[chosen], winding, recipe.smoothing)


def _targets(labels, winding, smoothing):
    """Return the probabilities to be learnt, (B, 6); an unknown sense of winding is either."""
    target = functional.one_hot(labels, _OUTPUTS).float()
    target[:, _OTHER_WAY] = target[:, _SPIRAL] * (1 - winding) / 2
    target[:, _SPIRAL] *= (1 + winding) / 2
    return target * (1 - smoothing) + smoothing / _OUTPUTS


def _step(model, x, target, optimiser):
    """Take one step of the optimiser; return the loss."""
    model.train()
    with torch.autocast(x.device.type, torch.bfloat16):
        logits = model(x.contiguous(memory_format=torch.channels_last))
    loss = functional.cross_entropy(logits.float(), target)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.detach()


def _weights(samples, recipe):
    """Return how often each stamp is drawn."""
    shares = dict(recipe.class_shares)
    counts = torch.bincount(samples.labels, minlength=len(CLASSES)).clamp_min(1)
    share = torch.tensor([shares[name] for name in CLASSES], device=counts.device)
    return (share / counts)[samples.labels]


def _save(out, parts, recipe, step):
    """Write the checkpoint in one go."""
    state = {name: part.state_dict() for name, part in parts.items()}
    temporary = out.with_suffix(".part")
    torch.save({"step": step, "recipe": json.dumps(asdict(recipe)), **state}, temporary)
    temporary.replace(out)


def _resume(out, parts, recipe, device):
    """Load a checkpoint of the same recipe; return the step to go on from."""
    if not out.exists():
        return 0
    state = torch.load(out, map_location=device, weights_only=True)
    if state["recipe"] != json.dumps(asdict(recipe)):
        msg = f"out must hold a run of the same recipe or nothing, got {out}"
        raise FileExistsError(msg)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]


def export_types(model, path):
    """
    Write the network as ONNX: stamps in, logits out.

    Parameters
    ----------
    model : TypeNetwork
        In evaluation mode.
    path : path-like
        File to write.
    """
    example = torch.full((2, 3, SIZE, SIZE), NETWORK_SKY)
    torch.onnx.export(
        model.eval(), (example,), str(path), input_names=["stamps"], output_names=["logits"],
        dynamic_axes={"stamps": {0: "n"}, "logits": {0: "n"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
