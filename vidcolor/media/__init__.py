"""Files in and out: the only place that knows PyAV.

``probe`` says what a film holds. ``reader`` hands its frames and other packets out: ``demuxer`` finds the
packets, ``video_decoder`` makes pictures of them. ``writer`` makes the new film: ``video_encoder`` takes the
coloured frames, ``streams`` brings the other streams along.
"""
