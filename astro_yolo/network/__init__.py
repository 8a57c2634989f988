"""The trained network: its weights, the runtimes that run it, and what its numbers mean.

`~astro_yolo.network.weights` knows the weight files, `~astro_yolo.network.backends`
the runtimes, and `~astro_yolo.network.calibration` turns raw network values into probabilities.
"""
