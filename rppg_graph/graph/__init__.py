"""Feature maps as PyG graphs: nodes, neighbours, edges."""
