"""The network itself, every name and address settled: what the checks judge and what is lowered to commands.

Terms are those of iproute2 and the kernel. A namespace of `None` is the host's own.
"""

from nscompile.model.basics import *
from nscompile.model.devices import *
from nscompile.model.nodes import *
from nscompile.model.pairs import *
from nscompile.model.policy import *
from nscompile.model.topology import *
