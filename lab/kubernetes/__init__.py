"""A real Kubernetes control plane on this machine, whose nodes and pods run nothing (kwok)."""
