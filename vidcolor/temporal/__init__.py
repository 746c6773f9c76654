"""Everything about time: shots now; anchors, flow, propagation, smoothing and references are to come."""
