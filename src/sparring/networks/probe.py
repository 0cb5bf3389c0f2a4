"""What a network does with some inputs, found out without changing anything."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.networks.discriminator import takes_labels
from sparring.networks.layers import at_rest, seeded

# Operations that only move, copy or average values.
RESHAPING = {
    *("View", "UnsafeView", "ReshapeAlias", "AsStrided", "Squeeze", "Unsqueeze", "Expand"),
    *("Select", "Slice", "Narrow", "Permute", "Transpose", "T", "Alias", "Clone", "ToCopy", "Mean"),
}


def outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """What a network says of `inputs`, with a graph, as it would when it is used.

    Of a conditional network: as if all were of the first class.
    """
    parameter = next(network.parameters())
    labels = torch.zeros(len(inputs), dtype=torch.long, device=parameter.device)
    with at_rest(network), seeded(0):
        given = inputs.to(parameter.device, parameter.dtype).requires_grad_()
        return network(given, labels) if takes_labels(network) else network(given)


def last_operation(output: Tensor) -> str:
    """PyTorch's name of what made the values of an output, e.g. `Sigmoid`; "" if it is not known.

    Read from the graph, so that a function in `forward` counts as much as a layer does.
    """
    node = output.grad_fn
    while node is not None:
        name = node.name().partition("Backward")[0]
        if name not in RESHAPING:
            return name
        node = node.next_functions[0][0] if node.next_functions else None
    return ""
