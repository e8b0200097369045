"""Data, gradients, descent and plots for the chapter on linear regression.

The modules stand in one line, and each uses only those to its left:
data -> gradients -> optimizers -> descent -> plots.  ``published`` holds the numbers that
the published chapter prints and compares them with ours.
"""
