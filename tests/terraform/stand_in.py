"""A stand-in for AWS as a process of its own: moto's server with what it does otherwise than AWS amended."""

import sys

from moto.server import main

from tests.terraform.amends import amend

if __name__ == "__main__":
    amend()
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
