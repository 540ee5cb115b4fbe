#!/usr/bin/env python3
"""Stands for the interpreter that a worker is: gives every task back, and the models after it."""

import os
import struct
import sys

while head := sys.stdin.buffer.read(8):
    task = sys.stdin.buffer.read(struct.unpack("<Q", head)[0])
    for record in (task, os.pread(3, 100, 0), b""):
        sys.stdout.buffer.write(struct.pack("<Q", len(record)) + record)
        sys.stdout.buffer.flush()
