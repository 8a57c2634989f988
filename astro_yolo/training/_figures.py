"""Figures of a report, as PNG files in memory. Imports Matplotlib: load it only for a report."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

_SIZE, _DPI = (5.2, 3.6), 110
_LIMITS = (-0.02, 1.02)


def convergence(runs, column, label):
    """Return a column of the results of runs against iterations, as the paper's Figures 2 and 3."""
    figure, axes = _axes("iterations", label)
    for name, table in runs.items():
        axes.plot(table["iteration"], table[column], marker=".", lw=1, label=name)
    axes.set_ylim(*_LIMITS)
    _legend(axes, runs)
    return _png(figure)


def precision_recall_curves(curves):
    """Return precision against recall of evaluations."""
    figure, axes = _axes("recall", "precision")
    for name, table in curves.items():
        axes.plot(table["recall"], table["precision"], lw=1.2, label=name)
    axes.set_xlim(*_LIMITS)
    axes.set_ylim(*_LIMITS)
    _legend(axes, curves)
    return _png(figure)


def reliability_diagram(tables):
    """Return the share that is right against the score; dots grow with the detections."""
    figure, axes = _axes("mean score", "share that is right")
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    for name, whole in tables.items():
        table = whole[whole["detections"] > 0]
        dots = axes.scatter(table["score"], table["right"],
                            s=8 + 12 * np.log10(np.asarray(table["detections"], float)))
        axes.plot(table["score"], table["right"], lw=1, color=dots.get_facecolor()[0], label=name)
    axes.set_xlim(*_LIMITS)
    axes.set_ylim(*_LIMITS)
    _legend(axes, tables)
    return _png(figure)


def recall_bins(tables, label):
    """Return the recall in bins, with binomial errors."""
    figure, axes = _axes(label, "recall")
    for name, whole in tables.items():
        table = whole[whole["objects"] > 0]
        if not len(table):
            continue
        share, number = np.asarray(table["recall"], float), np.asarray(table["objects"], float)
        # Agresti and Coull's interval stays sensible where all or none are found
        middle = (share * number + 2) / (number + 4)
        spread = np.sqrt(middle * (1 - middle) / (number + 4))
        centre = np.asarray(table["low"] + table["high"], float) / 2
        reach = np.clip([share - middle + spread, middle + spread - share], 0, None)
        axes.errorbar(centre, share, yerr=reach, marker="o", ms=4, lw=1, capsize=2, label=name)
    axes.set_ylim(-0.02, 1.05)
    _legend(axes, tables)
    return _png(figure)


def grid(values, rows, columns, title, form="{:.0f}"):
    """Return a table of numbers as coloured cells; rows are scaled by themselves if counts."""
    values = np.asarray(values, dtype=float)
    shade = values / np.maximum(np.nansum(values, axis=1, keepdims=True), 1e-9)
    shade = shade if form == "{:.0f}" else values
    size = (1.4 + 0.75 * len(columns), 1.1 + 0.42 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    for (y, x), value in np.ndenumerate(values):
        text = "" if np.isnan(value) else form.format(value)
        axes.text(x, y, text, ha="center", va="center", fontsize=8,
                  color="white" if shade[y, x] > 0.6 else "black")  # fmt: skip
    axes.set_title(title, fontsize=9)
    return _png(figure)


def _axes(x, y):
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="0.9", lw=0.6)
    return figure, axes


def _legend(axes, entries):
    if len(entries) > 1:
        axes.legend(fontsize=8)


def _png(figure):
    data = BytesIO()
    figure.savefig(data, format="png", dpi=_DPI, metadata={"Software": None})
    return data.getvalue()
