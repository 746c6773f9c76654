"""Many films: ``films`` finds them, ``settings`` says what a result hangs on, ``journal`` remembers what is
done, ``worker`` is a process that colours film after film, ``workers`` are all of them, ``loop`` puts it
together and ``report`` is what it leaves behind.
"""
