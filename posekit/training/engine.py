"""Starting Lightning Fabric, which knows devices, processes, machines and mixed precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posekit.device import choose_device, multiplies_bf16
from posekit.errors import PoseKitError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def start_engine(
    device: str = "auto", *, devices: int = 1, nodes: int = 1, bf16: bool = False
) -> Fabric:
    """A launched engine.

    With several ``devices`` it starts the other processes of this machine itself, by running the
    same command again in each; with several ``nodes`` the command is started once a machine, with
    ``MASTER_ADDR``, ``MASTER_PORT`` and ``NODE_RANK`` in the environment, or by a launcher such as
    ``fabric run`` or ``torchrun``.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        devices: processes on each machine.
        nodes: machines.
        bf16: mixed precision, where the device multiplies bfloat16 itself; float32 otherwise, which
            is then many times faster. ``fabric.strategy.precision`` says which it became.

    Raises:
        ModelError: the device is not there.
        PoseKitError: Lightning Fabric is not installed.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise PoseKitError("Training needs Lightning Fabric: pip install -e '.[train]'.") from error
    chosen = choose_device(device)
    fabric = Fabric(
        accelerator=chosen.type,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if devices * nodes > 1 else "auto",
        precision="bf16-mixed" if bf16 and multiplies_bf16(chosen) else "32-true",
    )
    fabric.launch()
    return fabric
