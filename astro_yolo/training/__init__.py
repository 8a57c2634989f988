"""The training pipeline: labels, data sets, training, evaluation."""
