"""A real Kubernetes control plane on this machine; its nodes and pods are simulated by kwok and run nothing."""
