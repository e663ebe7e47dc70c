"""What differs between Linux, macOS and Windows: memory, groups of processes, and the end of a parent.

No other room calls a function that only one of these systems has; a test keeps it so. The paths for Windows and macOS
were written from the documentation of these systems and are tested as far as a Linux machine can.
"""
