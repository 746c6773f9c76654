"""The training engine.

Empty until ``vidcolor train`` comes; the first model's script is training/train_default.py.
"""
