"""A model that stays up and uses the `token` protocol. It answers every request with the request."""

import sys

READY, START, STOP, EXIT = b"@!#READY#!@", b"@!#START#!@", b"@!#STOP#!@", b"@!#EXIT#!@"


def say(line: bytes) -> None:
    """Writes one line and flushes it: standard output is a pipe, which Python buffers."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


# A model with weights loads them here. MER sends no request before it has read the ready token.
say(READY)

request = None
for line in sys.stdin.buffer:
    line = line.rstrip(b"\n")
    if line == START:
        request = []
    elif line == STOP and request is not None:
        say(START)
        # A model that writes its answer piece by piece flushes each piece: MER passes it on at once.
        for word in request:
            say(word)
        say(STOP)
        request = None
    elif request is not None:
        request.append(line)
    elif line == EXIT:
        break
