"""The training engine: recipes, batches, losses, the loop, and what a run leaves behind.

``loop.train`` reads from top to bottom. Nothing is imported here, so that listing recipes loads no torch.
"""
