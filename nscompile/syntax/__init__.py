"""The program as it was written: one frozen node for each rule of `grammar/nsl.lark`, in the rule's own order.

Nothing is interpreted here. A `Word` may still hold a bracket range or be no address at all; `parser.py` builds a
node from the rule of the same name, so a field's place is its place in the grammar.
"""

from nscompile.syntax.basics import *
from nscompile.syntax.clauses import *
from nscompile.syntax.devices import *
from nscompile.syntax.statements import *
