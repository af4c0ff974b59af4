"""Steps of a model's life, for anyone's flow: one task is one verb.

Prefect reads the source of every task that it meets, so a flow loads only those that it names.
`__init__.pyi` lists all.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
