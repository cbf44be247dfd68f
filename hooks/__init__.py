"""Sceptre hooks, one a module.

Sceptre imports them before it reads the first file of config/, whatever it was asked to do.
"""

from fargate_batch.reading import explain_what_cannot_be_read

explain_what_cannot_be_read()
