"""Everything about time: shots, anchors, flow, propagation, smoothing, references.

Empty until colour is carried between frames.
"""
