from fastlstm.engine.lowering import LoweredOp
from fastlstm.engine.wiring import Wiring

def kernel_names() -> list[str]: ...

class OpList:
    has_callbacks: bool
    takes_masks: bool
    def __init__(self, lowered: list[LoweredOp], wiring: Wiring, isa: str) -> None: ...
    @property
    def isa(self) -> str: ...
