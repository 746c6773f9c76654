#!/usr/bin/env python3
"""``vidcolor train`` from a checkout: ``python training/train.py --recipe unet --data DIR -o OUT``.

Several processes or GPUs: ``torchrun --nproc-per-node 2 training/train.py …``.
"""

import sys

from vidcolor.cli import main

raise SystemExit(main(["train", *sys.argv[1:]]))
