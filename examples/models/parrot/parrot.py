"""A model that stays up and speaks the `token` protocol. It answers every request with the request."""

import sys

READY, START, STOP, EXIT = b"@!#READY#!@", b"@!#START#!@", b"@!#STOP#!@", b"@!#EXIT#!@"


def say(line: bytes) -> None:
    """Writes one line and flushes it: standard output is a pipe, which Python would fill up first."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


# A model that has weights to load does that here. MER sends nothing before it has seen the ready token.
say(READY)

request = None
for line in sys.stdin.buffer:
    line = line.rstrip(b"\n")
    if line == START:
        request = []
    elif line == STOP and request is not None:
        say(START)
        for word in request:  # A model that writes bit by bit flushes each bit: MER passes it on as it comes.
            say(word)
        say(STOP)
        request = None
    elif request is not None:
        request.append(line)
    elif line == EXIT:
        break
