"""Files in and out: the only place that knows PyAV.

``probe`` says what a film holds, ``reader`` hands its frames and other packets out, ``writer`` encodes the
coloured frames and ``streams`` joins parts and brings the other streams along.
"""
