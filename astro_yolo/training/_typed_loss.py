"""A YOLO loss for partly judged images: detection first, type only where it is known.

The network has seven outputs a cell. ``galaxy`` and ``star`` are trained as the two
classes of a detector. The five types share one cross-entropy that counts only at
cells assigned to a galaxy whose type somebody has judged. Cells inside an "ignore" box
are neither object nor background.

Imports torch and ultralytics: load it only where training was asked for.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from ultralytics.utils.loss import v8DetectionLoss

from astro_yolo.training.samples import GALAXY, IGNORE, STAR, UNKNOWN

N_TYPES = UNKNOWN + 1  # elliptical, spiral, edge_on, merger, unknown

_AT_ONCE, _NOWHERE = 16, -1e6  # boxes a picture that points are held against together; a corner


class TypedDetectionLoss(v8DetectionLoss):
    """
    The detection loss with its assigner and class term replaced.

    Parameters
    ----------
    model : torch.nn.Module
        Detection model with seven outputs.
    type_gain : float, optional
        Weight of the type against the galaxy and star terms.
    smoothing : float, optional
        Label smoothing of the type; Galaxy Zoo's own classes are 80 % votes.
    """

    def __init__(self, model, type_gain=0.5, smoothing=0.05):
        super().__init__(model)
        self._assign = self.assigner
        self.assigner = self._assign_known
        self.bce = self._class_loss
        self._type_gain, self._smoothing = type_gain, smoothing

    def _assign_known(self, scores, boxes, points, labels, targets, mask):
        """Assign cells to galaxies and stars; remember types and ignored cells."""
        kinds = labels.long()
        ignored = (kinds == IGNORE) & mask.bool()
        skip = inside_any(points, targets, ignored.squeeze(-1))
        kinds, targets, known = _known_first(kinds, targets, mask.bool() & ~ignored)
        coarse = torch.where(kinds == STAR, STAR, GALAXY)
        result = self._assigned(scores, boxes, points, coarse, targets, known.to(mask.dtype))
        foreground, index = result[3].bool(), result[4].long()
        self._skip = skip & ~foreground
        if kinds.shape[1]:
            types = kinds.squeeze(-1).gather(1, index)
            self._types = torch.where(foreground & (types < N_TYPES), types, -1)
        else:
            self._types = torch.full_like(index, -1)
        return result

    def _assigned(self, scores, boxes, points, labels, targets, mask):
        """
        Assign cells in groups of pictures with about as many objects.

        All pictures of a call are filled up to the fullest, and most have a tenth of its objects.
        """
        counts = mask.squeeze(-1).sum(dim=1)
        order, size = counts.argsort(), len(counts)
        groups = [g for g in order.tensor_split([size // 2, size * 7 // 8]) if len(g)]
        tops = torch.stack([counts[group[-1]] for group in groups]).clamp(min=1).long().tolist()
        found = [
            self._assign(
                scores[group], boxes[group], points,
                *(x[group, :top] for x in (labels, targets, mask)),
            )
            for group, top in zip(groups, tops, strict=True)
        ]  # fmt: skip
        back = torch.cat(groups).argsort()
        return tuple(torch.cat(parts)[back] for parts in zip(*found, strict=True))

    def _class_loss(self, logits, targets):
        """Return the loss of every cell and output, (batch, cells, 7)."""
        loss = torch.zeros_like(logits)
        pair = slice(STAR, GALAXY + 1)
        found = binary_cross_entropy_with_logits(
            logits[..., pair], targets[..., pair], reduction="none"
        )
        loss[..., pair] = found * ~self._skip.unsqueeze(-1)
        typed = self._types >= 0
        if typed.any():
            entropy = cross_entropy(
                logits[..., :N_TYPES][typed],
                self._types[typed],
                reduction="none",
                label_smoothing=self._smoothing,
            )
            weight = targets[..., GALAXY][typed] * self._type_gain
            loss[..., 0] = loss[..., 0].masked_scatter(typed, (entropy * weight).to(loss.dtype))
        return loss


def _known_first(kinds, targets, known):
    """Drop the ignored objects, most of a sample's, for whom assignment would be in vain."""
    known = known.squeeze(-1)
    order = known.int().argsort(dim=1, descending=True, stable=True)
    order = order[:, : int(known.sum(dim=1).max()) if known.numel() else 0]
    return (
        kinds.gather(1, order[..., None]),
        targets.gather(1, order[..., None].expand(-1, -1, 4)),
        known.gather(1, order)[..., None],
    )


def inside_any(points, boxes, chosen):
    """Return which points lie inside any chosen box, (batch, points)."""
    inside = torch.zeros(len(boxes), len(points), dtype=torch.bool, device=points.device)
    # not picture by picture, which would be many small calls of a GPU
    boxes = torch.where(chosen[..., None], boxes, torch.full_like(boxes, _NOWHERE))
    for some in boxes.split(_AT_ONCE, dim=1):
        low, high = some[:, :, None, :2], some[:, :, None, 2:]
        inside |= ((points > low) & (points < high)).all(dim=-1).any(dim=1)
    return inside
