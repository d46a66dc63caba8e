"""Dtype policies: which ones a config may name, and what they mean here."""

from __future__ import annotations

from typing import Any

from fastlstm.printable import quoted

_COMPUTED_AS_FLOAT32 = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class DTypePolicy:
    """A dtype policy by name.

    Args:
        name: `float32`, `float16`, `bfloat16`, `mixed_float16` or `mixed_bfloat16`.

    Raises:
        ValueError: For another name.

    Differs from Keras: all of them keep weights and compute in float32; the name is kept for configs.
    """

    variable_dtype = "float32"
    compute_dtype = "float32"

    def __init__(self, name: str) -> None:
        if name == "float64" or (isinstance(name, str) and "_from_" in name):
            raise ValueError(f"The dtype policy '{name}' is not supported. fastlstm computes in float32.")
        if name not in _COMPUTED_AS_FLOAT32:
            raise ValueError(
                f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
                "'mixed_bfloat16', and the name of any float dtype such as 'float32'."
            )
        self.name = name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


_default = DTypePolicy("float32")


def dtype_policy() -> DTypePolicy:
    """Return the policy of layers that are given none."""
    return _default


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers that are made from here on, and given none.

    Args:
        policy: A name or a DTypePolicy. All are computed in float32; it is kept for configs.

    Raises:
        ValueError: When it is none, or one that cannot be honoured.
    """
    global _default
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(
            "Invalid `policy` argument. Expected the string name of a policy (such as 'mixed_float16') or a "
            f"`DTypePolicy` instance. Received: policy={quoted(policy)} (of type {type(policy)})"
        )
    _default = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """Return the policy that a name, a policy, a serialized policy or None stands for: that of `set_dtype_policy`.

    Raises:
        ValueError: When it is not one that can be honoured.
    """
    if isinstance(identifier, DTypePolicy):
        return identifier
    if identifier is None:
        return _default
    if isinstance(identifier, dict):
        config = identifier.get("config")
        identifier = config.get("name") if isinstance(config, dict) else None
    return DTypePolicy(identifier)


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """Return Keras 3's dict of a policy."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": policy.get_config(),
        "registered_name": None,
    }
