"""Figures of publication quality: numbers in, `matplotlib.figure.Figure` out. `style.save_figure` writes them."""
