"""Figures and pictures of how good a model or a film is; see ``vidcolor evaluate``.

``film`` and ``pictures`` measure and give an :class:`~vidcolor.evaluation.outcome.Outcome`; ``table`` and
``page`` show one.
"""
